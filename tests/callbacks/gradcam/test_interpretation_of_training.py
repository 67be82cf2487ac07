"""For training images, title, picture and heatmap belong to the same image, without augmentation.

A layer may be a module.
"""

import numpy as np
import pytest
import torch
from fastai.data.transforms import Normalize
from fastai.learner import Learner
from fastai.losses import CrossEntropyLossFlat
from fastai.vision.augment import RandomResizedCrop, Rotate
from fastai.vision.data import ImageDataLoaders
from PIL import Image
from torch import nn

from callbacks import GradCAMInterpretation, grad_cam
from callbacks.gradcam.layers import CamError
from callbacks.gradcam.sanity import randomisation_check
from learners import image_learner

STATS = [0.4] * 3, [0.3] * 3
COUNT = 40


class SensitiveNet(nn.Module):
    """A model whose outputs for two inputs are equal only if all pixels are equal."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 3, padding=1)
        self.head = nn.Sequential(nn.AdaptiveMaxPool2d(3), nn.Flatten(), nn.Linear(72, 4))

    def forward(self, x):
        return 20 * self.head(self.conv(x).relu())


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    root, rng = tmp_path_factory.mktemp("pictures"), np.random.default_rng(0)
    for split, count in (("train", COUNT // 4), ("valid", 3)):
        for name in "abcd":
            (root / split / name).mkdir(parents=True)
            for i in range(count):
                pixels = rng.integers(0, 256, (16, 16, 3), dtype=np.uint8)
                Image.fromarray(pixels).save(root / split / name / f"{i}.png")
    return root


def ours(root) -> Learner:
    return image_learner(root, model=SensitiveNet(), size=16, batch_size=16, device="cpu", whiten=False)


def plain(root) -> Learner:
    """A plain fastai learner with random item and batch transforms."""
    tfms = [Rotate(max_deg=90, p=1.0), Normalize.from_stats(*STATS, cuda=False)]
    dls = ImageDataLoaders.from_folder(
        root, item_tfms=RandomResizedCrop(16, 0.3, val_xtra=0), batch_tfms=tfms, bs=16, num_workers=0, device="cpu"
    )
    return Learner(dls, SensitiveNet(), loss_func=CrossEntropyLossFlat())


@pytest.fixture(scope="module", params=[ours, plain])
def learn(request, root) -> Learner:
    torch.manual_seed(0)
    learn = request.param(root)
    learn.logger = lambda row: None
    return learn


def normalised(learn, image: np.ndarray) -> torch.Tensor:
    mean, std = (torch.tensor(values)[:, None, None] for values in getattr(learn.dls, "stats", STATS))
    return ((torch.tensor(image).float().permute(2, 0, 1) - mean) / std)[None]


def test_titles_are_what_the_model_says_of_the_pictures(learn, root):
    interp = GradCAMInterpretation.from_learner(learn, ds_idx=0, layer="conv", method="gradcam")
    assert len(interp.targs) == COUNT
    files = np.stack([np.asarray(Image.open(path)) for path in (root / "train").rglob("*.png")]) / 255
    axes = [axes for axes in interp.plot_top_losses(8).axes if axes.get_title()]
    for image_axes, heat_axes in zip(axes[::2], axes[1::2], strict=True):
        image = np.asarray(image_axes.images[0].get_array())
        assert np.abs(files - image).max((1, 2, 3)).min() < 1.01 / 255  # fastai truncates fractions
        probabilities = learn.model.eval()(normalised(learn, image)).softmax(1)[0]
        best = int(probabilities.argmax())
        assert image_axes.get_title().endswith(f"predicted {learn.dls.vocab[best]}")
        name, probability, *_ = heat_axes.get_title().split()
        assert name == learn.dls.vocab[best]
        assert float(probability.rstrip("%")) / 100 == pytest.approx(probabilities[best].item(), abs=0.02)
    explained = interp.explain([0, 5], trusted=False)
    for image, cam, target in zip(explained.images, explained.cams, explained.targets, strict=True):
        expected = grad_cam(learn.model, normalised(learn, image), [target], "conv")[0]
        np.testing.assert_allclose(cam, expected, atol=0.02 * expected.max())


def test_the_training_loader_stands_where_it_stood(root):
    learn, untouched = ours(root), ours(root)
    interp = GradCAMInterpretation.from_learner(learn, ds_idx=0, layer="conv", images=8)
    interp.plot_top_losses(2)
    GradCAMInterpretation.from_learner(learn, dl=learn.dls.train, layer="conv")
    assert learn.dls.train.epoch == 0
    assert torch.equal(learn.dls.train.one_batch()[0], untouched.dls.train.one_batch()[0])


def test_a_training_loader_may_be_given(learn):
    interp, given = (
        GradCAMInterpretation.from_learner(learn, layer="conv", method="gradcam", **which)
        for which in ({"ds_idx": 0}, {"dl": learn.dls.train})
    )
    torch.testing.assert_close(interp.preds, given.preds)


def test_fastai_s_own_methods_look_up_the_images_that_were_looked_at(learn):
    """This also holds if only some of the loader's images were classified."""
    interp = GradCAMInterpretation.from_learner(learn, layer="conv", method="gradcam", images=5)
    inputs, preds, targs, decoded, _ = interp[[4, 1]]
    torch.testing.assert_close(preds, interp.preds[[4, 1]], atol=1e-5, rtol=1e-4)
    assert targs.tolist() == interp.targs[[4, 1]].tolist()
    assert decoded.tolist() == interp.decoded[[4, 1]].tolist()
    torch.testing.assert_close(inputs.as_subclass(torch.Tensor), interp.batch([4, 1])[0])
    _, idxs, items = interp.top_losses(2, items=True)
    labels = [getattr(item, "path", item).parent.name for item in items]
    assert labels == [interp.vocab[interp.targs[i]] for i in idxs]


def test_a_loader_without_labels_is_refused_in_a_sentence(learn, root):
    dl = learn.dls.test_dl(sorted((root / "valid").rglob("*.png")))
    with pytest.raises(CamError, match=r"without labels: make it with dls\.test_dl\(images, with_labels=True\)"):
        GradCAMInterpretation.from_learner(learn, dl=dl, layer="conv")


def test_a_loader_without_images_is_refused_in_a_sentence(learn):
    with pytest.raises(CamError, match="has no images"):
        GradCAMInterpretation.from_learner(learn, dl=learn.dls.new_empty().valid, layer="conv")


# A module as layer


def test_a_module_stands_for_its_name(resnet, images):
    named = grad_cam(resnet, images, layer=["layer3", "layer4"])
    assert torch.equal(grad_cam(resnet, images, layer=[resnet.layer3, resnet.layer4]), named)
    assert torch.equal(grad_cam(nn.DataParallel(resnet), images, layer=[resnet.layer3, "layer4"]), named)
    assert torch.equal(grad_cam(resnet, images, layer=resnet.layer4), grad_cam(resnet, images, layer="layer4"))


def test_the_interpretation_and_its_checks_take_a_module(trained):
    by_module, by_name = (
        GradCAMInterpretation.from_learner(trained, layer=layer, method="gradcam") for layer in (trained.model[3], "3")
    )
    np.testing.assert_array_equal(
        by_module.explain([0, 1], trusted=False).cams, by_name.explain([0, 1], trusted=False).cams
    )
    xb, _ = by_name.batch([0, 1])
    alike = [randomisation_check(trained.model, xb, layer=layer).alike for layer in (trained.model[3], "3")]
    assert alike[0] == alike[1]


@pytest.mark.parametrize("layer", [nn.Sequential(*(nn.Conv2d(3, 3, 3) for _ in range(20))), 3, [nn.ReLU()]])
def test_what_is_no_layer_of_the_model_is_told_in_a_short_sentence(resnet, images, layer):
    with pytest.raises(CamError, match=r"^layer") as caught:
        grad_cam(resnet, images, layer=layer)
    assert len(str(caught.value)) < 160
    assert "\n" not in str(caught.value)


def test_the_whole_model_is_no_layer(resnet, images):
    with pytest.raises(CamError, match=r"layer \(ResNet18\): no such module inside the model; choose from conv1"):
        grad_cam(resnet, images, layer=resnet)
