"""What a worker of a parallel run need not tell: that a test began, was set up and tidied up, thousands of times."""

from __future__ import annotations

from typing import Any

import pytest

SILENT = {"logstart", "logfinish"}


class Terse:
    """Have *interactor*, the worker's end of the wire, send of a test that passes how it passed, and nothing else.

    Each message costs both ends a third of a millisecond, and there are five of each test.
    """

    def __init__(self, interactor: Any) -> None:
        self.send = interactor.sendevent
        interactor.sendevent = self.sendevent

    @pytest.hookimpl(tryfirst=True)
    def pytest_report_to_serializable(self, report: Any) -> dict[str, Any] | None:
        """Make nothing of a report that is not sent."""
        return {"untold": True} if is_untold(report) else None

    def sendevent(self, name: str, **told: Any) -> None:
        """Send what is of use."""
        if name not in SILENT and not (name == "testreport" and "untold" in told["data"]):
            self.send(name, **told)


def is_untold(report: Any) -> bool:
    """Return whether the report is of a part other than the test itself in which nothing happened."""
    return isinstance(report, pytest.TestReport) and report.when != "call" and report.passed and not report.sections


def make_terse(config: pytest.Config) -> None:
    """Have a worker be terse, unless it is asked what took long."""
    if config.option.durations is None:
        for plugin in config.pluginmanager.get_plugins():
            if hasattr(plugin, "sendevent"):
                config.pluginmanager.register(Terse(plugin))
                return
