"""Text that a database can hold: an error, or a name, may quote a file's name that is none."""

from __future__ import annotations


def storable(text: str) -> str:
    r"""Return *text* with what UTF-8 has no bytes for spelled out.

    >>> print(storable("caf\udce9"))
    caf\udce9
    """
    return text.encode("utf-8", "backslashreplace").decode()
