"""The changelog keeps the form that its readers know."""

from __future__ import annotations

import re
from pathlib import Path

import unbreakable as ub

ROOT = Path(__file__).parents[2]
CHANGELOG = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
KINDS = {"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"}


def test_what_is_new_comes_first():
    """The first heading is Unreleased, and below it every release has its version and day."""
    first, *releases = re.findall(r"^## (.*)$", CHANGELOG, re.MULTILINE)

    assert "[Unreleased]" == first
    assert [] == [release for release in releases if not re.fullmatch(r"\[\d+\.\d+\.\d+\] - \d{4}-\d\d-\d\d", release)]


def test_changes_are_sorted_by_kind():
    """Each change stands under one of the six known headings."""
    assert set() == set(re.findall(r"^### (.*)$", CHANGELOG, re.MULTILINE)) - KINDS


def test_the_newest_release_is_the_version():
    """Once something has been released, the newest entry is the package's version or an older one."""
    form = r"(\d+)\.(\d+)\.(\d+)"
    (version,) = re.findall(rf"^{form}$", ub.__version__)
    released = re.findall(rf"^## \[{form}\]", CHANGELOG, re.MULTILINE)

    assert all(tuple(map(int, each)) <= tuple(map(int, version)) for each in released)
