"""How a Python of our own is started: it finds this very library, whatever lies beside the program or around it.

A folder that people run programs in may well hold a ``signal.py``.  So the library is loaded from where it is loaded
here, before the search path becomes what the program's own imports need.

It may be killed at any moment, and then hands on nothing: so what it prints is seen line by line, as on a terminal.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

CODE = """
import sys
sys.path[:] = filter(None, sys.path)
from importlib import import_module, util
_, library, module, count, *words = sys.argv
spec = util.spec_from_file_location("unbreakable", library)
sys.modules["unbreakable"] = package = util.module_from_spec(spec)
spec.loader.exec_module(package)
arguments, path = words[:int(count)], words[int(count):]
sys.path += path
main = import_module(module).main
sys.path[:] = path
if sys.stdout is not None:
    sys.stdout.reconfigure(line_buffering=True)
main(*arguments)
"""


def command(python: Sequence[str], module: str, arguments: Sequence[str], path: Sequence[str]) -> list[str]:
    """Return the command that calls ``main(*arguments)`` of *module*, of this library, with the search path *path*."""
    library = str(Path(__file__).resolve().parents[1] / "__init__.py")
    return [*python, "-c", CODE, library, module, str(len(arguments)), *arguments, *path]


def users_path() -> list[str]:
    """Return where this process looks for modules, but for the folder that Python itself put in front."""
    return [each for each in sys.path[0 if sys.flags.safe_path else 1 :] if each]
