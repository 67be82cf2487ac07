"""fastai's own interpretation of a learner of this project, and this project's interpretation under fastai's names."""

import matplotlib
import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
from fastai.data.core import show_at
from fastai.interpret import ClassificationInterpretation, Interpretation

from callbacks import GradCAMInterpretation
from tests.idioms.learner_pair import assert_same, learner_pair, on_both

matplotlib.use("Agg")
pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.UndefinedMetricWarning")


@pytest.fixture(scope="module")
def pair(tmp_path_factory):
    """Both learners after a fit, with about half of the validation images misclassified. Tests must not change them."""
    pair = learner_pair(tmp_path_factory.mktemp("interpreted"))
    on_both(pair, lambda learn: learn.fit_one_cycle(2, 0.1))
    return pair


KINDS = {"ClassificationInterpretation": ClassificationInterpretation, "GradCAMInterpretation": GradCAMInterpretation}


@pytest.fixture(scope="module", params=KINDS)
def interpreted(request, pair):
    """The interpretation of our learner, fastai's own of the plain learner, and the class name of ours."""
    kind = KINDS[request.param]
    extra = {"layer": "3", "method": "gradcam"} if kind is GradCAMInterpretation else {}
    ours, plain = kind.from_learner(pair.ours, **extra), ClassificationInterpretation.from_learner(pair.plain)
    return ours, plain, request.param


def titles(show) -> list[str]:
    plt.close("all")
    show()
    found = [axes.get_title() for axes in plt.gcf().axes if axes.images]
    plt.close("all")
    return found


def report(interp, capsys) -> str:
    interp.print_classification_report()
    return capsys.readouterr().out


def test_losses(table, interpreted, pair):
    ours, plain, name = interpreted
    _, targets, losses = pair.ours.get_preds(with_loss=True)
    assert_same(ours.losses, losses)
    for largest in (True, False):
        (values, idxs), (expected, _) = (interp.top_losses(5, largest=largest) for interp in (ours, plain))
        assert_same(values, expected)
        assert_same(values, losses[idxs])
    items = ours.top_losses(3, items=True)[2]
    idxs = ours.top_losses(3)[1]
    assert [item.label for item in items] == [pair.ours.dls.vocab[targets[i]] for i in idxs]
    table.works(f"{name}.from_learner", "plain fastai: the loss of each image")
    table.works(f"{name}.top_losses", "plain fastai: losses, and the items that have them")


def test_matrix_and_report(table, interpreted, capsys):
    ours, plain, name = interpreted
    assert ours.confusion_matrix().tolist() == plain.confusion_matrix().tolist()
    key = lambda row: (-row[2], str(row[0]), str(row[1]))  # noqa: E731  equal counts come in any order
    assert sorted(map(tuple, ours.most_confused(2)), key=key) == sorted(map(tuple, plain.most_confused(2)), key=key)
    assert report(ours, capsys) == report(plain, capsys)
    for normalize in (False, True):
        drawn = []
        for interp in (ours, plain):
            plt.close("all")
            interp.plot_confusion_matrix(normalize=normalize)
            drawn.append([text.get_text() for text in plt.gca().texts])
        assert drawn[0] == drawn[1]
        assert len(drawn[0]) == 100
    for method in ("confusion_matrix", "most_confused", "print_classification_report", "plot_confusion_matrix"):
        table.works(f"{name}.{method}", "plain fastai: every count and figure")


def test_images_are_shown_with_label_and_answer(table, interpreted, pair):
    ours, plain, name = interpreted
    found, expected = (titles(lambda interp=interp: interp.show_results([3, 9])) for interp in (ours, plain))
    vocab, (preds, targets) = pair.ours.dls.vocab, pair.ours.get_preds()
    assert found == [f"{vocab[targets[i]]}\n{vocab[preds[i].argmax()]}" for i in (3, 9)]
    assert found == expected
    assert_same(ours[[3, 9]], plain[[3, 9]])
    table.works(f"{name}.show_results", "plain fastai: titles")
    table.works(f"{name}[…]", "plain fastai: inputs, probabilities, labels, answers and losses")


def test_the_largest_losses_are_drawn(table, interpreted, pair):
    ours, plain, name = interpreted
    if name == "ClassificationInterpretation":
        found, expected = (titles(lambda interp=interp: interp.plot_top_losses(4)) for interp in (ours, plain))
        assert found == expected
        table.works(f"{name}.plot_top_losses", "plain fastai: titles")
        return
    vocab, (preds, targets) = pair.ours.dls.vocab, pair.ours.get_preds()
    told = [f"true {vocab[targets[i]]}\npredicted {vocab[preds[i].argmax()]}" for i in ours.top_losses(4)[1]]
    drawn = [axes.get_title() for axes in ours.plot_top_losses(4).axes if axes.get_title()]
    assert drawn[::2] == told  # beside each image its heatmap
    table.works(f"{name}.plot_top_losses", "`get_preds`: titles; each image has its heatmap")


def test_the_plain_interpretation(table, pair):
    found, expected = on_both(pair, lambda learn: Interpretation.from_learner(learn).losses)
    assert_same(found, expected)
    table.works("Interpretation.from_learner", "plain fastai: the loss of each image")


def test_an_item_of_a_dataset_is_shown(table, pair):
    image, label = pair.ours.dls.valid_ds[3]
    axes = show_at(pair.ours.dls.valid_ds, 3)
    assert axes.get_title() == pair.ours.dls.vocab[int(label)]
    shown = torch.tensor(axes.images[0].get_array())
    assert_same(shown, torch.tensor(np.asarray(image)))
    table.works("show_at", "the image and the label of that item")
