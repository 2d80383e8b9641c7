"""What `unbreakable run` is to run is found in a file and brought to its end."""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import importlib.util
import inspect
import signal
import sys
from collections.abc import Coroutine
from pathlib import Path
from types import ModuleType
from typing import Any

from unbreakable.errors import ConfigurationError
from unbreakable.loops import LoopState, QuantumLoopEngine
from unbreakable.system import QuantumSystem
from unbreakable.workflow import QuantumWorkflow

NAMES = ("system", "engine", "workflow", "main")  # looked for in this order where no name is given
WHAT = "a QuantumSystem, a QuantumLoopEngine, a workflow, or a function that makes one"
GRACE = 2.5  # seconds that iterations in progress have when the end is asked for


def find(target: str) -> Any:
    """Return what FILE[:NAME] means; raise ConfigurationError when there is no such thing."""
    file, _, name = target.partition(":")
    path = Path(file)
    if not path.is_file():
        raise ConfigurationError(f"{file}: there is no such file; expected a Python file, then perhaps :NAME")
    module = _load(path)
    if name:
        found = getattr(module, name, None)
        if not _can_run(found):
            raise ConfigurationError(f"{target}: {name} must be {WHAT}, not {found!r}")
        return found
    for name in NAMES:
        if _can_run(getattr(module, name, None)):
            return getattr(module, name)
    raise ConfigurationError(f"{file}: found none of {', '.join(NAMES)}; name {WHAT}, as in {file}:NAME")


def _load(path: Path) -> ModuleType:
    """Import the file by its own name, so that what it defines can be found by other processes, too."""
    sys.path.insert(0, str(path.resolve().parent))
    if path.stem.isidentifier() and path.suffix == ".py" and path.stem not in sys.modules:
        return importlib.import_module(path.stem)
    spec = importlib.util.spec_from_file_location(f"unbreakable_run_{abs(hash(path.stem))}", path)
    if spec is None or spec.loader is None:
        raise ConfigurationError(f"{path}: expected a Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def _can_run(found: object) -> bool:
    return isinstance(found, (QuantumSystem, QuantumLoopEngine, QuantumWorkflow)) or (
        inspect.isroutine(found) and not inspect.isbuiltin(found)
    )


def run(found: Any) -> None:
    """Run it until it ends by itself, or SIGTERM or SIGINT comes."""
    if inspect.iscoroutinefunction(found):
        asyncio.run(_run_async(found()))
        return
    if inspect.isroutine(found):
        found = found()
    whole = _whole(found)
    if whole is not None:
        whole.run(GRACE)


def _whole(found: Any) -> Any:
    """Return what has a run() of its own: a workflow belongs to its system."""
    if found is None or isinstance(found, (QuantumSystem, QuantumLoopEngine)):
        return found
    if isinstance(found, QuantumWorkflow):
        return found.system
    raise ConfigurationError(f"the function must return {WHAT} or nothing, not {found!r}")


async def _run_async(program: Coroutine[Any, Any, Any]) -> None:
    """Run an async program on this event loop, and what it returns after it."""
    loop, asked = asyncio.get_running_loop(), asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, asked.set)
    task, over = asyncio.ensure_future(program), asyncio.ensure_future(asked.wait())
    await asyncio.wait({task, over}, return_when=asyncio.FIRST_COMPLETED)
    if not task.done():
        task.cancel()
        await asyncio.wait({task}, timeout=GRACE)
        over.cancel()
        return
    whole = _whole(await task)
    if whole is None:
        over.cancel()
        return
    await _serve(whole, over)


async def _serve(whole: Any, over: asyncio.Future[Any]) -> None:
    engine: QuantumLoopEngine = whole.loops if isinstance(whole, QuantumSystem) else whole
    loops = engine.get_loops()
    for each in loops:
        if each.state is LoopState.NEW:
            each.start()
    ended = asyncio.gather(*(each.wait() for each in loops))
    await asyncio.wait({ended, over}, return_when=asyncio.FIRST_COMPLETED)
    for future in (ended, over):
        future.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await future
    await whole.aclose(GRACE)
