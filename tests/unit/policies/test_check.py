"""What is wrong with a setting is said in full: where it stands, what it must be, and what was found."""

from __future__ import annotations

import math

import pytest

from unbreakable.errors import ConfigurationError
from unbreakable.policies import check


@pytest.mark.parametrize(
    ("ask", "wrong", "right", "said"),
    [
        (check.whole, [-1, 1.0, True, "1", None], [0, 1], "a whole number from 0 up"),
        (lambda path, value: check.whole(path, value, least=2), [1, -2], [2, 3], "a whole number from 2 up"),
        (check.switch, [0, 1, "yes", None], [True, False], "True or False"),
        (check.seconds, [-0.1, math.inf, math.nan, True, "1"], [0, 0.0, 1e300], "0 or more seconds"),
        (
            lambda path, value: check.seconds(path, value, positive=True),
            [0, 0.0, -1, math.inf],
            [1e-9, 1],
            "more than 0 seconds",
        ),
        (
            lambda path, value: check.seconds(path, value, endless=True),
            [-1, -math.inf, math.nan],
            [0, math.inf],
            "0 or more seconds (or math.inf)",
        ),
        (check.amount, [-0.1, math.inf, math.nan, True, "1", 10**400], [0, 0.5, 10**300], "a number from 0 up"),
        (check.share, [-0.1, 1.1, math.nan, True, "1"], [0, 0.0, 0.5, 1], "a share from 0 to 1"),
        (
            lambda path, value: check.share(path, value, positive=True),
            [0, 0.0, -0.1, 1.1],
            [1e-9, 1],
            "a share from 0 to 1 (above 0)",
        ),
    ],
)
def test_a_value_is_right_or_refused_with_what_was_expected(ask, wrong, right, said):
    """On the border, just beyond it, and of a type that only looks like a number."""
    for value in right:
        assert ask("Some.setting", value) in (None, value)
    for value in wrong:
        with pytest.raises(ConfigurationError) as caught:
            ask("Some.setting", value)
        assert str(caught.value).startswith(f"Some.setting must be {said}, not ")
        assert str(caught.value).endswith(str(value)[-20:] + ("'" if isinstance(value, str) else ""))
