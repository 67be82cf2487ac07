"""The errors that a user can act on. Each message names what is wrong, where it is, and what to do next."""


class AppError(Exception):
    """An expected error; the command line prints its message without a traceback and exits with `exit_code`.

    Messages write settings in backticks, as in `lr`; the command line shows those as flags. fastai replaces the
    arguments of an exception that passes through a callback, so the message is kept beside them.
    """

    exit_code = 1

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message

    def __str__(self) -> str:
        return self.message


class InputError(AppError, ValueError):
    """The user's input is wrong."""

    exit_code = 2


class DataError(InputError):
    """The data cannot be found, fetched or used."""


class TrainingError(AppError, RuntimeError):
    """The run failed and cannot continue."""
