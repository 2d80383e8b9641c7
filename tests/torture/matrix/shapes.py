"""What can be protected, and what it looks like afterwards: to callers, to frameworks, to type checkers."""

from __future__ import annotations

import functools
import inspect
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.torture.matrix.behaviour import behaviour
from tests.torture.matrix.peer import NotOffered, Retry
from tests.torture.matrix.target import Target, end_of

ROOT = Path(__file__).parents[3]


async def search(city: str, *, nights: int = 1) -> list[str]:
    """Find flights."""
    return [city] * nights


@behaviour(
    "doors are bare",
    "functools.update_wrapper(self, function, updated=copied)  #",
    "self.__wrapped__ = function  #",
)
def functions_keep_their_looks(peer):
    """A protected async function is one to ``inspect``, and keeps its name, docstring and signature."""
    door = peer.protect(search, retry=Retry())

    assert ("search", "Find flights.") == (door.__name__, door.__doc__)
    assert inspect.signature(search) == inspect.signature(door)
    assert inspect.iscoroutinefunction(door)


class Client:
    """A client whose method fails until it has been asked often enough."""

    def __init__(self, failures):
        self.failures = failures

    async def ask(self, city):
        """Fail, or return the city and what is left of the failures."""
        self.failures -= 1
        if self.failures >= 0:
            raise OSError("not yet")
        return city


@behaviour(
    "methods lose their object",
    "self.function if bind is None else bind(self.function, instance, owner)",
    "self.function",
)
async def methods_keep_their_object(peer):
    """A method that is protected in its class knows its object, and every object its own calls."""

    class Guarded(Client):
        """The same, protected."""

        ask = peer.protect(Client.ask, retry=Retry(3, 0.0))

    assert ["CAI", "LXR"] == [await Guarded(2).ask("CAI"), await Guarded(1).ask(city="LXR")]


@behaviour(
    "a partial is plain",
    "    while isinstance(function, functools.partial):\n"
    "        function = function.func\n"
    "    if isinstance(function, (classmethod",
    "    if isinstance(function, functools.partial):\n        return False\n    if isinstance(function, (classmethod",
)
async def partials_are_async(peer):
    """A ``functools.partial`` of an async function is retried as an async function."""
    target = Target(down=True)
    door = peer.protect(functools.partial(target.ask, 0.01), retry=Retry(3, 0.0))
    await end_of(door())

    assert target.calls >= 3


class Callable:
    """An object whose call is async."""

    def __init__(self, target):
        self.target = target

    async def __call__(self):
        """Ask the target."""
        return await self.target.ask()


@behaviour(
    "an object is plain",
    "inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(call)",
    "inspect.iscoroutinefunction(function)",
)
async def objects_are_async(peer):
    """An object whose ``__call__`` is async is retried as an async function."""
    target = Target(down=True)
    door = peer.protect(Callable(target), retry=Retry(3, 0.0))
    await end_of(door())

    assert target.calls >= 3


@functools.cache
def revealed(source: str) -> dict[str, str]:
    """Return what mypy, at its strictest, says of each line that ends in ``# NAME``; errors under "errors"."""
    cache = ROOT / ".mypy_cache"
    with tempfile.TemporaryDirectory() as folder:
        page = Path(folder) / "page.py"
        page.write_text(source, encoding="utf-8")
        command = [sys.executable, "-m", "mypy", "--strict", "--no-error-summary", f"--cache-dir={cache}", str(page)]
        run = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
    names = {number: line.rpartition("# ")[2] for number, line in enumerate(source.splitlines(), 1)}
    told: dict[str, str] = {"errors": "".join(line for line in run.stdout.splitlines(True) if ": error:" in line)}
    for line in run.stdout.splitlines():
        found = re.match(r'.*page\.py:(\d+): note: Revealed type is "(.*)"', line)
        if found:
            told[names[int(found[1])]] = found[2].replace("builtins.", "").replace("typing.", "")
    assert run.returncode in (0, 1), run.stdout + run.stderr
    return told


TYPED = """
from collections.abc import Callable
{imports}

{fallback_decorator}
def priced(city: str) -> int: return 1

{decorator}
def plain(city: str) -> int: return 1

{async_decorator}
async def coloured(city: str) -> int: return 1

class Client:
    {decorator}
    def plain(self, city: str) -> int: return 1

    {async_decorator}
    async def coloured(self, city: str) -> int: return 1

async def calls() -> None:
    reveal_type(plain("CAI"))  # plain
    reveal_type(await coloured("CAI"))  # coloured
    reveal_type(Client().plain("CAI"))  # method
    reveal_type(await Client().coloured(city="CAI"))  # coloured method
    reveal_type(priced("CAI"))  # fallback

"""


def words_of(peer):
    """Return how the library is written down, with nothing where it has no words for it."""
    return {"imports": "", "decorator": "", "async_decorator": "", "fallback_decorator": "", **peer.typed()}


def check_types(peer, plain, coloured, call):
    """Compare what mypy says of two calls, as far as the library takes code of their colour, and of a wrong one."""
    words = words_of(peer)
    told = revealed(TYPED.format(**words))
    offered = {name for name, by in ((plain, "decorator"), (coloured, "async_decorator")) if words[by]}
    wrong = revealed(TYPED.format(**words) + f"    {call}\n")["errors"]

    assert dict.fromkeys(offered, "int") == {name: told.get(name) for name in offered}
    assert "arg-type" in wrong, f"{call} is let pass, though it takes text"


@behaviour(
    "what a function returns is Any",
    "    async def __call__(self, /, *args: P.args, **kwargs: P.kwargs) -> T:",
    "    async def __call__(self, /, *args: P.args, **kwargs: P.kwargs) -> Any:",
    real=True,
)
def functions_keep_their_types(peer):
    """To mypy, protected functions of both colours take and return what they did before."""
    check_types(peer, "plain", "coloured", "plain(7)" if words_of(peer)["decorator"] else "await coloured(7)")


@behaviour(
    "what a method takes is Any",
    "        self: Callable[Concatenate[S, Q], T], instance: S, owner: type | None = None\n"
    "    ) -> SyncProtected[Q, T]: ...",
    "        self: Callable[Concatenate[S, Q], T], instance: S, owner: type | None = None\n    ) -> Any: ...",
    real=True,
)
def methods_keep_their_types(peer):
    """To mypy, protected methods of both colours take and return what they did before."""
    call = "Client().plain(7)" if words_of(peer)["decorator"] else "await Client().coloured(7)"
    check_types(peer, "method", "coloured method", call)


@behaviour(
    "fallbacks have no type",
    "fallback: Callable[[Failure], U], **options: Unpack[Common]\n) -> WithFallback[U]: ...",
    "fallback: Callable[[Failure], U], **options: Unpack[Common]\n) -> Plain: ...",
    real=True,
)
def fallbacks_widen_the_type(peer):
    """To mypy, a fallback that returns None makes the result one that may be None."""
    words = words_of(peer)
    if not words["fallback_decorator"]:
        raise NotOffered

    assert revealed(TYPED.format(**words)).get("fallback") in {"int | None", "Union[int, None]"}
