"""Make file names printable, so that each takes one line of a message."""


def shown(name: str) -> str:
    """Returns a file name with escape sequences for control characters and for bytes that are not valid UTF-8."""
    text = name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
