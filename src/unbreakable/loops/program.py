"""The user's program, found again in a worker process: what it defines itself can be run there, too."""

from __future__ import annotations

import os
import sys
import types
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from unbreakable.fractal.operation import Operation
from unbreakable.loops.files import FILES
from unbreakable.loops.wire import pack, unpack
from unbreakable.policies.check import refuse
from unbreakable.runtime.loading import is_loading, loading

_PICKLED = 'a function at the top of a module (or a partial of one) for isolation="process"'
_ALIAS = "__mp_main__"  # what multiprocessing calls it, too: not "__main__", so that its last lines are not run


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """Hold what a worker process needs before it can run an operation.

    *module* or *path* is where the program's own code is, if the operation needs that; *files* has the paths of modules
    that are found by them.
    """

    operation: bytes
    module: str | None
    path: str | None
    files: Mapping[str, str]
    arguments: tuple[str, ...]

    def load(self) -> Any:
        """Return the operation, in a worker process; raise whatever stands in the way."""
        sys.argv[:] = self.arguments
        FILES.add(self.files)
        with loading():
            if self.module is not None or self.path is not None:
                self._load_main()
            return unpack(self.operation)

    def _load_main(self) -> None:
        # first, since it takes the alias for what is "__main__" then: loaded by the program, it would be the worker
        import multiprocessing  # noqa: F401
        import runpy

        main = types.ModuleType(_ALIAS)
        if self.module is not None:
            names = runpy.run_module(self.module, run_name=_ALIAS, alter_sys=True)
        else:
            names = runpy.run_path(str(self.path), run_name=_ALIAS)
        main.__dict__.update(names)
        sys.modules["__main__"] = sys.modules[_ALIAS] = main


def program_of(path: str, operation: Operation[Any]) -> Program:
    """Return how a worker process finds *operation*; ConfigurationError, which names *path*, if it cannot."""
    _check_system()
    try:
        pickled = pack(operation)
        unpack(pickled)
    except Exception as error:
        raise refuse(path, _PICKLED, operation) from error
    # In a process that was made to load the program, as by multiprocessing, it has the other name.
    name = next((each for each in ("__main__", _ALIAS) if each.encode() in pickled), None)
    module, file = (None, None) if name is None else _main(sys.modules[name])
    if name is not None and module is None and file is None:
        raise refuse(path, f"{_PICKLED}, and not one of a prompt or of python -c", operation)
    return Program(operation=pickled, module=module, path=file, files=dict(FILES.paths), arguments=tuple(sys.argv))


def refuse_while_loading() -> None:
    """Raise RuntimeError where a program starts worker processes as soon as it is loaded in one of them."""
    if is_loading():
        raise RuntimeError(
            'a worker process loads this program to find its operation: start loops below if __name__ == "__main__"'
        )


def let_main_be_found() -> None:
    """Let the worker's name for the program's own module mean that module here, too, in what comes back."""
    sys.modules.setdefault(_ALIAS, sys.modules["__main__"])


def _main(main: types.ModuleType) -> tuple[str | None, str | None]:
    """Return the name of the program's own module, if it was started by that, or its path, if there is one."""
    spec, file = getattr(main, "__spec__", None), getattr(main, "__file__", None)
    if spec is not None and spec.name != "__main__":
        return spec.name, None
    if file is None:
        return None, None
    path = Path(file).absolute()
    path = path if spec is None else path.parent  # a folder or an archive that was started as such
    return None, str(path) if path.exists() else None  # what comes from standard input has only the looks of a file


def _check_system() -> None:
    if os.name != "posix" or not sys.executable or getattr(sys, "frozen", False):
        raise refuse(
            "isolation", '"inline" or "thread" here: processes need POSIX and a Python of their own', "process"
        )
