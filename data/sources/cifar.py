"""CIFAR-10 and CIFAR-100 as fastai packs them: 50,000 training and 10,000 test images of 32×32 pixels each."""

from data.sources.registry import Splits, source

ARCHIVES = {  # fastai's `URLs.CIFAR` and `URLs.CIFAR_100`
    "cifar10": "https://s3.amazonaws.com/fast-ai-sample/cifar10.tgz",
    "cifar100": "https://s3.amazonaws.com/fast-ai-imageclas/cifar100.tgz",
}


@source(*ARCHIVES)
def cifar(data: str) -> Splits:
    """The images of Krizhevsky 2009, fetched on first use.

    Raises:
        DataError: see `fetch`.
    """
    from data.download import fetch
    from data.listing import cached_splits

    return cached_splits(fetch(ARCHIVES[data]))
