"""Every public method of `DataLoaders` and of its loaders has the same result as with plain `ImageDataLoaders`."""

import copy
import pickle
from functools import partial

import matplotlib
import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
from fastai.data.core import DataLoaders, Datasets
from fastai.data.transforms import Normalize
from fastai.torch_core import TensorImage
from fastai.vision.augment import Resize
from fastai.vision.data import ImageDataLoaders
from fasttransform import Transform
from PIL import Image

from data.block import image_block
from tests.data.small_loaders import dls_of
from tests.idioms.learner_pair import assert_same

matplotlib.use("Agg")
COUNTS = {"train/a": 40, "train/b": 29, "valid/a": 9, "valid/b": 6}
CACHES = ["memory", "none"]  # decoded images are kept, or read each time


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    root, rng = tmp_path_factory.mktemp("loaders") / "pictures", np.random.default_rng(0)
    for folder, count in COUNTS.items():
        (root / folder).mkdir(parents=True)
        for i in range(count):
            Image.fromarray(rng.integers(0, 256, (12, 12, 3), dtype=np.uint8)).save(root / folder / f"{i:03d}.png")
    return root


@pytest.fixture
def pair(root, request):
    dls = dls_of(root, cache=request.param, batch_size=16)
    tfms = {"item_tfms": Resize(12), "batch_tfms": [Normalize.from_stats(*dls.stats, cuda=False)]}
    kwargs = {"bs": 16, "val_bs": 32, "num_workers": 0, "device": "cpu"}
    return dls, ImageDataLoaders.from_folder(root, train="train", valid="valid", **tfms, **kwargs)


both_caches = pytest.mark.parametrize("pair", CACHES, indirect=True)


def kinds(thing) -> object:
    """The types and shapes of a batch's parts."""
    if isinstance(thing, torch.Tensor):
        return type(thing).__name__, tuple(thing.shape)
    return [kinds(part) for part in thing] if isinstance(thing, tuple | list) else thing


def paths(dls) -> list:
    """The paths of the validation images in the order of the loader, because fastai lists files in no fixed order."""
    return [getattr(item, "path", item) for item in dls.valid_ds.items]


def valid_paths(dls) -> list:
    return sorted(paths(dls))


def drawn(show) -> list:
    """The titles and shapes of the shown images, sorted."""
    plt.close("all")
    show()
    axes = [axes for axes in plt.gcf().axes if axes.images]
    return sorted((axes.get_title(), np.asarray(axes.images[0].get_array()).shape) for axes in axes)


def shown_results(dls) -> list:
    batch = dls.valid.one_batch()
    return drawn(lambda: dls.show_results(batch, batch[1], max_n=15))


def shown_once(dls) -> list:
    found = drawn(partial(dls.show_batch, unique=True, max_n=4))
    return [len(set(found)), [shape for _, shape in found]]


def sums(dl) -> torch.Tensor:
    """The sorted pixel sums of the images, which differ for all images."""
    return torch.cat([x.as_subclass(torch.Tensor).sum((1, 2, 3)) for x, _ in dl]).sort().values


class Doubled(Transform):
    def encodes(self, x: TensorImage):
        return 2 * x


def doubled(dls) -> list:
    """The sums of the validation images after a transform was added to one loader, and after it was added to both."""
    found = []
    for loaders in ("valid", None):
        dls.add_tfms([Doubled()], "after_batch", loaders)
        found.append(sums(dls.valid))
    return found


def by_hand(dls) -> list:
    """A batch made with the same functions that fastai's loader uses."""
    dl, chosen = dls.valid, [paths(dls).index(valid_paths(dls)[i]) for i in (3, 12)]
    items = [dl.after_item(dl.create_item(i)) for i in chosen]
    made = dl.after_batch(dl.retain(dl.create_batch(dl.before_batch(items)), items))
    return [*made, *dl.after_batch(next(iter(dl.create_batches(iter(chosen)))))]


def setting(dls, **values) -> list:
    for name, value in values.items():
        setattr(dls.train, name, value)
    return [len(x) for x, _ in dls.train], dls.train.get_idxs()[:3]


SAME = {
    "one_batch": lambda dls: [kinds(dls.one_batch()), kinds(dls.valid.one_batch())],
    "__len__": lambda dls: [len(dls), *((len(dl), dl.n, dl.bs, dl.drop_last, dl.shuffle) for dl in dls)],
    "__getitem__": lambda dls: (dls[0] is dls.train, dls[1] is dls.valid, [dl is dls[i] for i, dl in enumerate(dls)]),
    "train, valid": lambda dls: (dls.train.shuffle, dls.valid.shuffle, setattr(dls, "train", dls[1]), dls[0].shuffle),
    "train_ds, valid_ds": lambda dls: (len(dls.train_ds), len(dls.valid_ds), kinds(dls.valid_ds[0][1])),
    "vocab, c, n_inp, n_subsets": lambda dls: (list(dls.vocab), dls.c, dls.n_inp, dls.n_subsets),
    "loaders": lambda dls: (len(dls.loaders), dls.loaders[0] is dls.train),
    "__iter__ of a loader": lambda dls: [[len(x) for x, _ in dl] for dl in (*dls, *dls)],
    "get_idxs, sample": lambda dls: (sorted(dls.train.get_idxs()), list(dls.valid.get_idxs())),
    "new": lambda dls: [[len(x) for x, _ in dls.new()], dls.new().shuffle],
    "new(bs)": lambda dls: [len(x) for x, _ in dls.train.new(bs=30)],
    "new(batch_size)": lambda dls: [len(x) for x, _ in dls.train.new(batch_size=30)],
    "new(drop_last)": lambda dls: [len(x) for x, _ in dls.train.new(drop_last=False)],
    "new(n)": lambda dls: [len(x) for x, _ in dls.train.new(n=7, drop_last=False)],
    "new(get_idxs)": lambda dls: [len(x) for x, _ in dls.valid.new(bs=2, get_idxs=lambda: iter([3, 1, 2]))],
    "new(bs, get_idxs)": lambda dls: [len(x) for x, _ in dls.valid.new(bs=8, get_idxs=lambda: list(range(15)) * 2)],
    "new(shuffle_fn)": lambda dls: dls.train.new(shuffle_fn=lambda idxs: idxs[::-1]).get_idxs()[:3],
    "new(after_batch)": lambda dls: dls.valid.new(after_batch=[]).one_batch()[0].dtype,
    "new_empty": lambda dls: [len(dl) for dl in dls.new_empty()],
    "new_empty().test_dl": lambda dls: kinds(dls.new_empty().test_dl(valid_paths(dls)).one_batch()),
    "test_dl": lambda dls: list(dls.test_dl(valid_paths(dls)).one_batch()),
    "test_dl(bs)": lambda dls: [len(x) for (x,) in dls.test_dl(valid_paths(dls), bs=4)],
    "test_dl(with_labels)": lambda dls: dls.test_dl(valid_paths(dls), with_labels=True).one_batch()[1].tolist(),
    "test_dl(shuffle)": lambda dls: sorted(dls.test_dl(valid_paths(dls), shuffle=True).get_idxs()),
    "test_dl of arrays": lambda dls: kinds(dls.test_dl(np.zeros((5, 12, 12, 3), np.uint8)).one_batch()),
    "test_dl of tensors": lambda dls: kinds(dls.test_dl([torch.zeros(12, 12, 3, dtype=torch.uint8)]).one_batch()),
    "decode": lambda dls: kinds(dls.decode(dls.valid.one_batch())),
    "decode_batch": lambda dls: sorted(label for _, label in dls.valid.decode_batch(dls.valid.one_batch(), max_n=15)),
    "show_batch": lambda dls: [len(drawn(dls.show_batch)), drawn(partial(dls.valid.show_batch, max_n=15))],
    "show_batch(show=False)": lambda dls: kinds(dls.valid.show_batch(show=False, max_n=2)[:2]),
    "show_batch(unique)": shown_once,
    "show_results": shown_results,
    "add_tfms": doubled,
    "cpu, cuda, to": lambda dls: [str(moved.device) for moved in (dls.cpu(), dls.cuda(), dls.to("cpu"))],
    "device": lambda dls: (setattr(dls, "device", torch.device("cpu")), str(dls.train.device)),
    "__reduce__ by pickle": lambda dls: kinds(pickle.loads(pickle.dumps(dls)).one_batch()),
    "__deepcopy__": lambda dls: kinds(copy.deepcopy(dls).one_batch()),
    "bs = …, drop_last = …, shuffle = …": partial(setting, bs=10, drop_last=False, shuffle=False),
    "create_item, create_batch, create_batches, retain, after_item, before_batch, after_batch": by_hand,
    "do_item, do_batch": lambda dls: kinds(dls.valid.do_batch([dls.valid.do_item(3)])),
    "chunkify, prebatched": lambda dls: [list(dls.valid.chunkify(range(40)))[1], dls.valid.prebatched],
    "shuffle_fn, randomize": lambda dls: [dls.train.randomize(), sorted(dls.train.shuffle_fn(list(range(9))))],
    "before_iter, after_iter, wif": lambda dls: [dls.train.before_iter(), dls.train.after_iter(), dls.train.wif()],
}


@both_caches
@pytest.mark.parametrize("name", SAME)
def test_it_does_what_plain_fastai_does(table, pair, name):
    ours, plain = map(SAME[name], pair)
    assert_same(ours, plain)
    for part in name.split(", ") if "(" not in name else [name]:
        table.works(f"DataLoaders.{part}", "plain ImageDataLoaders of the same files")


@both_caches
def test_loaders_of_a_block_and_of_datasets(table, pair):
    """fastai's class methods make the loaders from this project's block and datasets."""
    dls = pair[0]
    block = image_block(dls.source, dls.settings, dls.stats)
    made = {
        "from_dblock": DataLoaders.from_dblock(block, dls.source, bs=16, num_workers=0, device="cpu"),
        "from_dsets": DataLoaders.from_dsets(
            *(Datasets(tls=ds.tls) for ds in (dls.train_ds, dls.valid_ds)),
            bs=16,
            dl_type=type(dls.train),
            **{name: getattr(dls.valid, name).fs for name in ("after_item", "after_batch")},
            device="cpu",
        ),
    }
    for name, loaders in made.items():
        assert_same(sums(loaders.valid), sums(pair[1].valid))
        table.works(f"DataLoaders.{name}", "plain ImageDataLoaders of the same files: the validation images")
