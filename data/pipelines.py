"""The augmentation of a training run, from its recipe."""

import albumentations as A

from data.transforms import BatchAlternatingMirror, BatchCrop, BatchCutout, BatchMirror

MIRRORS = {"alternate": BatchAlternatingMirror, "random": BatchMirror}


def train_pipeline(recipe, fill: tuple[int, ...] | int = 0) -> A.Compose:
    """Crop, mirror and cutout, where the recipe asks for them.

    Args:
        recipe: resolved; `size` in pixels, `crop` and `cutout` as fractions of it, `mirror` by name.
        fill: colour of the cutout, 0 to 255.
    """
    pad, side = round(recipe.crop * recipe.size), round(recipe.cutout * recipe.size)
    steps = []
    if pad:
        steps.append(BatchCrop(pad))
    if recipe.mirror != "none":
        steps.append(MIRRORS[recipe.mirror]())
    if side:
        steps.append(BatchCutout(side, fill))
    return A.Compose(steps)
