"""What ends a run."""


class TrainingError(RuntimeError):
    """The run cannot go on: exit code 1.

    fastai rewrites the arguments of an exception that passes through a callback; the message here survives it.
    """

    exit_code = 1

    def __init__(self, message: str):
        super().__init__(message)
        self.message = message

    def __str__(self) -> str:
        return self.message
