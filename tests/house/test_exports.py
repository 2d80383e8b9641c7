"""The public face: each name exists, says what it is, and comes out at exactly one door."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import re
from pathlib import Path
from types import ModuleType

import pytest

import unbreakable as ub

ROOT = Path(__file__).parents[2]
NAMES = [(name, getattr(ub, name, None)) for name in ub.__all__]
MODULES = {name: thing for name, thing in NAMES if isinstance(thing, ModuleType)}
OBJECTS = {name: thing for name, thing in NAMES if inspect.isclass(thing) or inspect.isfunction(thing)}


def behind(door: ModuleType) -> set[int]:
    """Return the identities of the public objects that come out at *door*."""
    names = getattr(door, "__all__", None) or [
        name for name, thing in vars(door).items() if getattr(thing, "__module__", None) == door.__name__
    ]
    return {id(getattr(door, name)) for name in names if not name.startswith("_")}


def own_docstring(thing: object) -> str:
    """Return what somebody wrote; a dataclass without a docstring is given its signature, which counts as none."""
    text = vars(thing).get("__doc__") if inspect.isclass(thing) else thing.__doc__
    return "" if text is None or text.startswith(f"{getattr(thing, '__name__', '')}(") else text.strip()


def test_the_face_lists_its_names_in_order():
    """The list of public names is sorted and has no name twice."""
    assert sorted(set(ub.__all__)) == list(ub.__all__)


@pytest.mark.parametrize("name", ub.__all__)
def test_each_listed_name_exists(name):
    """What __all__ promises can be reached."""
    assert hasattr(ub, name)


def test_nothing_public_is_missing_from_the_list():
    """A public object that the face imports is listed in __all__."""
    seen = {name for name, thing in vars(ub).items() if not name.startswith("_") and not isinstance(thing, ModuleType)}

    assert [] == sorted(seen - set(ub.__all__) - {"annotations"})


def test_each_thing_comes_out_under_one_name():
    """No two public names lead to the same thing."""
    assert len(NAMES) == len({id(thing) for _, thing in NAMES})


@pytest.mark.parametrize("door", MODULES)
def test_each_thing_comes_out_at_one_door(door):
    """What a public module offers is not offered by the face as well."""
    twice = behind(MODULES[door])

    assert [] == sorted(name for name, thing in OBJECTS.items() if id(thing) in twice)


@pytest.mark.parametrize("name", OBJECTS)
def test_each_public_thing_says_what_it_is(name):
    """Every public class and function has a docstring that opens with a sentence."""
    assert own_docstring(OBJECTS[name]).split("\n\n")[0].endswith(".")


@pytest.mark.parametrize("name", [name for name, thing in OBJECTS.items() if inspect.isclass(thing)])
def test_each_public_method_says_what_it_does(name):
    """Every public method defined on a public class has a docstring."""
    silent = [
        method
        for method, thing in vars(OBJECTS[name]).items()
        if inspect.isfunction(thing) and not method.startswith("_") and not own_docstring(thing)
    ]

    assert [] == silent


def test_completion_shows_what_is_loaded_later():
    """A prompt that completes names shows every public one, whether it was asked for before or not."""
    assert sorted(ub.__all__) == dir(ub)


def descendants(kind: type) -> set[type]:
    """Return what is derived from *kind*, however remotely, in any module that is loaded."""
    return {kind}.union(*(descendants(each) for each in kind.__subclasses__()))


def test_every_error_of_ours_is_among_the_errors():
    """Whatever we raise can be caught by its name in ub.errors, before it was raised once, and is in its list."""
    for module in pkgutil.walk_packages(ub.__path__, "unbreakable."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)
    ours = {kind for kind in descendants(ub.errors.UnbreakableError) if kind.__module__.startswith("unbreakable.")}

    assert [] == sorted(kind.__qualname__ for kind in ours if getattr(ub.errors, kind.__name__, None) is not kind)
    assert [] == sorted(kind.__name__ for kind in ours if f" {kind.__name__}" not in (ub.errors.__doc__ or ""))


def test_docstrings_name_errors_that_can_be_caught():
    """An exception that a docstring names by our door is there."""
    sources = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "src").rglob("*.py"))

    assert [] == sorted(
        name for name in set(re.findall(r"\berrors\.([A-Z]\w+)", sources)) if not hasattr(ub.errors, name)
    )
