"""Wrong settings are refused where they are written, with what was expected."""

from __future__ import annotations

import math

from unbreakable.errors import ConfigurationError
from unbreakable.plain import in_brief


def refuse(path: str, expected: str, found: object) -> ConfigurationError:
    """Return the error for a wrong setting.

    >>> print(refuse("Retry.attempts", "a whole number from 1 up", 0))
    Retry.attempts must be a whole number from 1 up, not 0
    """
    return ConfigurationError(f"{path} must be {expected}, not {in_brief(found)}")


def whole(path: str, value: object, least: int = 0) -> None:
    """Refuse what is not a whole number from *least* up."""
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise refuse(path, f"a whole number from {least} up", value)


def switch(path: str, value: object) -> bool:
    """Return *value* if it is True or False; refuse anything else."""
    if not isinstance(value, bool):
        raise refuse(path, "True or False", value)
    return value


def is_number(value: object) -> bool:
    """Return whether *value* is a number that arithmetic can go on with: no True, no NaN, nothing beyond all floats."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return False
    try:
        return not math.isnan(float(value))
    except OverflowError:
        return False


def seconds(path: str, value: object, *, positive: bool = False, endless: bool = False) -> None:
    """Refuse what is not a length of time in seconds."""
    fits = is_number(value) and (value > 0 if positive else value >= 0) and (endless or value < math.inf)  # type: ignore[operator]
    if not fits:
        raise refuse(
            path, f"{'more than 0' if positive else '0 or more'} seconds{' (or math.inf)' if endless else ''}", value
        )


def amount(path: str, value: object) -> None:
    """Refuse what is not a finite number from 0 up."""
    if not is_number(value) or not 0 <= value < math.inf:  # type: ignore[operator]
        raise refuse(path, "a number from 0 up", value)


def share(path: str, value: object, *, positive: bool = False) -> None:
    """Refuse what is not a share between 0 and 1."""
    if not is_number(value) or not (0 < value <= 1 if positive else 0 <= value <= 1):  # type: ignore[operator]
        raise refuse(path, "a share from 0 to 1" + (" (above 0)" if positive else ""), value)
