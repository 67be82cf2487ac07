"""One process of a launch: a small run, whose callbacks record the images and events of this process.

    torchrun --standalone --nproc_per_node 2 small_job.py OUT JSON

The second argument is an object with `settings` of the recipe, and optionally `resume`, `then` (the name of one of
the callbacks here, given to the process of that rank) and `rank`.
"""

import hashlib
import json
import os
import signal
import sys
from pathlib import Path

from fastai.callback.core import Callback

ROOT = Path(__file__).parents[3]
sys.path[:0] = [str(ROOT)]

from data.common.errors import TrainingError  # noqa: E402
from learners import image_learner, resume_learner  # noqa: E402
from learners.models import MODELS  # noqa: E402
from learners.models.resnet18 import ResNet  # noqa: E402
from tests.learners.small_runs import NAMED, observed  # noqa: E402

STEP = 8  # after which something happens
AS_THEY_ARE = {"mirror": "none", "crop": 0, "cutout": 0}  # images that no epoch changes


def digest(tensor):
    return hashlib.sha256(tensor.contiguous().numpy().tobytes()).hexdigest()[:16]


class Narrow(ResNet):
    """A residual net that trains in seconds."""

    def __init__(self, n_classes, in_channels=3):
        super().__init__((1, 1, 1, 1), n_classes, in_channels, width=8)


class Seen(Callback):
    """The digest of each image of each training part, epoch by epoch."""

    order, run_valid = 0, False

    def before_fit(self):
        self.epochs = []

    def before_train(self):
        self.epochs.append([])

    def before_batch(self):
        self.epochs[-1] += [digest(image) for image in self.xb[0]]


class At(Callback):
    """Calls a function after a step, once the checkpoint of the step is written."""

    order, run_valid = 95, False

    def after_batch(self):
        if self.train_iter == STEP:
            if hasattr(self.learn, "checkpoint"):
                self.checkpoint.writer.wait()
            self.act()


class Kill(At):
    def act(self):
        os.kill(os.getpid(), signal.SIGKILL)


class Fail(At):
    def act(self):
        raise TrainingError("this process alone cannot go on")


class Interrupt(At):
    def act(self):
        os.kill(os.getpid(), signal.SIGINT)


def main():
    out, asked = Path(sys.argv[1]), json.loads(sys.argv[2])
    rank = int(os.environ.get("RANK", "0"))
    MODELS["narrow"] = Narrow
    settings = NAMED | {"model": "narrow"} | AS_THEY_ARE | asked["settings"]
    learn = resume_learner(out) if asked.get("resume") else image_learner(**settings, out=out)
    seen = Seen()
    instruments = [seen, globals()[asked["then"]]()] if rank == asked.get("rank") else [seen]
    learn = observed(learn, 0, *instruments)
    metrics = learn.fit_recipe(checkpoint_minutes=0)
    state = {name: digest(tensor) for name, tensor in learn.model.state_dict().items()}
    rows = [row.csv_row() for row in learn.fitted.epochs]
    found = {"state": state, "epochs": seen.epochs, "lr": learn.plan.lr, "rows": rows, "metrics": metrics}
    (out.parent / f"rank{rank}.json").write_text(json.dumps(found))
    if rank == 0:
        print(json.dumps(metrics))


if __name__ == "__main__":
    main()
