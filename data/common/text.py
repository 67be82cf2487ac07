"""Names of files in messages: whatever they hold, they take one line."""


def shown(name: str) -> str:
    """A name as a terminal can show it: bytes that are no UTF-8 and control characters become escapes."""
    text = name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
