"""CIFAR-10 and CIFAR-100 from the archives of fastai, each with 50,000 training and 10,000 test images of 32×32."""

from data.sources.registry import Splits, source

ARCHIVES = {  # addresses of the archives, the same as fastai's `URLs.CIFAR` and `URLs.CIFAR_100`
    "cifar10": "https://s3.amazonaws.com/fast-ai-sample/cifar10.tgz",
    "cifar100": "https://s3.amazonaws.com/fast-ai-imageclas/cifar100.tgz",
}


@source(*ARCHIVES)
def cifar(data: str) -> Splits:
    """Returns the images of CIFAR-10 or CIFAR-100, which are downloaded on first use.

    Args:
        data: `cifar10` or `cifar100`.

    Source: Krizhevsky 2009, Learning Multiple Layers of Features from Tiny Images.

    Raises:
        DataError: see `fetch`.
    """
    from data.decoding.listing import cached_splits
    from data.download import fetch

    return cached_splits(fetch(ARCHIVES[data]))
