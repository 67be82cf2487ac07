"""The error classes of the project. Each message says what is wrong, where, and what to do next."""


class AppError(Exception):
    """An expected error. The command line prints its message without a traceback and exits with `exit_code`.

    A message writes the name of a setting in backticks, as in `lr`; the command line shows it as a flag. The message
    is stored in an attribute of its own, because fastai replaces the arguments of exceptions raised in callbacks.
    """

    exit_code = 1

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message

    def __str__(self) -> str:
        return self.message


class InputError(AppError, ValueError):
    """The input of the user is wrong: a flag, a path or the data."""

    exit_code = 2


class DataError(InputError):
    """The data cannot be found, downloaded or used."""


class TrainingError(AppError, RuntimeError):
    """The run failed and cannot continue."""
