"""What was loaded of Python's own library can be loaded ahead; nothing else is."""

from __future__ import annotations

import os
import sys
import types

import pytest

from unbreakable.loops.library import load, loaded
from unbreakable.loops.page import KNOWN, MAGIC, new_page, opened


@pytest.fixture
def pythons():
    """Return the names of some modules of Python's own that nobody here needs, and forget them afterwards."""
    names = ["wave", "xml.dom.minidom"]
    before = dict(sys.modules)
    for name in names:
        sys.modules.pop(name, None)
    yield names
    for name in sys.modules.keys() - before.keys():
        del sys.modules[name]
    sys.modules.update(before)


def test_what_was_loaded_can_be_loaded(pythons):
    """In its order, with what it needs itself."""
    before = set(sys.modules)
    load(["wave", "no.such.module", "xml.dom.minidom"])

    assert pythons == [name for name in loaded(before) if name in pythons]


def test_what_others_have_written_is_not_loaded(monkeypatch):
    """Also under a name of Python's own; nor what does something when it is loaded."""
    before = set(sys.modules)
    for name in ("colorsys", "mine", "this"):
        monkeypatch.setitem(sys.modules, name, types.ModuleType(name))

    assert [] == loaded(before)


def test_what_others_have_written_is_not_loaded_in_the_place_of_pythons_own(monkeypatch, tmp_path, pythons):
    """The program may have found the one, where whoever stands by would find the other first."""
    (tmp_path / "wave.py").write_text("")
    (tmp_path / "xml.py").write_text("")
    for name in [name for name in sys.modules if name.partition(".")[0] == "xml"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.syspath_prepend(tmp_path)
    load([*pythons, "colorsys"])

    assert {"colorsys"} == {"wave", "xml", "xml.dom.minidom", "colorsys"} & sys.modules.keys()


class Odd(types.ModuleType):
    """A module that is not loaded before somebody asks it for something, and then fails."""

    def __getattribute__(self, name):
        raise OSError(name)


def test_what_is_odd_is_no_reason_for_a_program_to_fail(monkeypatch):
    """Whatever somebody has put in the place of a module, or in that of its name."""
    before = set(sys.modules)
    monkeypatch.setitem(sys.modules, "colorsys", Odd("colorsys"))
    monkeypatch.setitem(sys.modules, "wave", None)
    load(["antigravity", "tests.unit.no_such", "", ".", "\udcff"])

    assert [] == loaded(before)


@pytest.mark.skipif(sys.platform != "linux", reason="such memory is Linux's")
def test_a_worker_that_writes_anywhere_does_no_harm_to_its_supervisor():
    """What stands where the names should be can be told a process, whatever it is."""
    page, handed = new_page(1.0)
    for each in handed:
        os.close(each)
    assert page is not None
    page.memory[KNOWN] = (b"wave \xff\0 json=" + bytes(range(256)) * 100)[: KNOWN.stop - KNOWN.start]

    assert "wave" == page.known


def test_nothing_is_loaded_before_what_changes_others(monkeypatch, pythons):
    """What gevent is to put something else in place of must not be there, or be used, before."""
    before = set(sys.modules)
    load(pythons)
    monkeypatch.setitem(sys.modules, "gevent", types.ModuleType("gevent"))

    assert [] == loaded(before)


@pytest.mark.skipif(sys.platform != "linux", reason="such memory is Linux's")
@pytest.mark.parametrize("size", [KNOWN.start, KNOWN.stop])
def test_what_is_known_has_room_in_a_page_or_is_left_out(size):
    """A supervisor of an earlier version has none; too many names are cut between two of them."""
    page, [descriptor] = new_page(1.0)
    os.ftruncate(descriptor, size)
    theirs = opened(descriptor)
    assert page is not None
    assert theirs is not None
    theirs.known = "wave xml.dom.minidom"
    assert page.memory[: len(MAGIC)] == MAGIC
    if size == KNOWN.stop:
        assert "wave xml.dom.minidom" == page.known
        theirs.known = " ".join(["wave"] * 10_000)
        assert {"wave"} == set(page.known.split())
