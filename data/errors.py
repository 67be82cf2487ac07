"""The error for data that cannot be used."""


class DataError(ValueError):
    """Data that the user can mend: the message names what is wrong, where, and what to do next."""

    exit_code = 2
