"""A protected method is found by a name in another process: one that leads to its bare function would not do."""

from __future__ import annotations

import inspect
import sys
from typing import Any


def found_by(door: Any) -> tuple[Any, ...]:
    """Return how pickle makes the *door* of a method anew: what is called, with which arguments.

    Raises pickle.PicklingError where nothing would come back protected.
    """
    import pickle
    from pkgutil import resolve_name

    owner = method_of(door).__self__
    if name := name_in_class(owner, door):
        return getattr, (owner, name)
    if path := name_in_module(door):
        return resolve_name, (path,)
    name = getattr(door, "__qualname__", door.node.name)
    raise pickle.PicklingError(
        f"{door.node.name}: {name} is protected for one object alone, which another process cannot do again; "
        f"decorate the method in its class with ub.protect, or give the protected one a name in a module, "
        f"or leave it out in __getstate__ and protect the method anew in __setstate__"
    )


def method_of(door: Any) -> Any:
    """Return the method that *door* protects, perhaps by way of other doors."""
    method = door.function
    while not inspect.ismethod(method):
        method = method.function
    return method


def name_in_class(owner: Any, door: Any) -> str:
    """Return under which name the class of *owner*, or the class that it is, has *door*; "" if it has not.

    What the object itself has under that name is not there yet when it is made anew.
    """
    kind = owner if isinstance(owner, type) else type(owner)
    its_own = () if owner is kind else getattr(owner, "__dict__", ())
    known = [(name, thing) for each in kind.__mro__ for name, thing in vars(each).items()]
    alike = [name for name, thing in known if isinstance(thing, classmethod) or isinstance(door, type(thing))]
    names = (name for name in (getattr(door, "__name__", ""), *alike) if name not in its_own)
    return next((name for name in names if getattr(owner, name, None) == door), "")


def name_in_module(door: Any) -> str:
    """Return "module:name" of the global variable that *door* is in; "" if it is in none.

    The program's own comes last: another process may run another one, or not what that one imports when it is run.
    """
    known = sorted(sys.modules.items(), key=lambda each: each[0] in ("__main__", "__mp_main__"))
    modules = [(each, getattr(module, "__dict__", {})) for each, module in known]
    places = (f"{each}:{name}" for each, held in modules for name, thing in list(held.items()) if thing is door)
    return next(places, "")
