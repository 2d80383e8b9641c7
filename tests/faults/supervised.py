"""`unbreakable run` in a process forked from this one, which has the command loaded already.

To start Python and to load the command takes longer than most programs of these tests run.  Whether the command is
found, and where it looks for modules, is left to tests that start it as people do.
"""

from __future__ import annotations

import gc
import os
import signal
import subprocess
import sys
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

import unbreakable
from unbreakable.cli.main import main
from unbreakable.cli.run import run  # noqa: F401 - once here, and not in each process
from unbreakable.loops import canary  # noqa: F401 - the same

SOURCE = str(Path(unbreakable.__file__).parents[1])


def started(words: Sequence[str], **how: Any) -> subprocess.Popen[str]:
    """Start the command as people do."""
    environment = {**os.environ, "PYTHONPATH": SOURCE}
    return subprocess.Popen([sys.executable, "-P", "-m", "unbreakable", *words], text=True, env=environment, **how)


def forked(words: Sequence[str], **how: Any) -> subprocess.Popen[str]:
    """Do the same without a Python of its own."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # threads of other tests are idle meanwhile
        return subprocess.Popen([sys.executable], text=True, preexec_fn=lambda: _command(words), **how)  # noqa: PLW1509


def _command(words: Sequence[str]) -> NoReturn:
    gc.freeze()  # the files of whatever is collected are closed already
    os.closerange(3, 2**16)  # one of them lets Popen go on
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    os.environ["PYTHONPATH"] = SOURCE
    pythons = (sys.prefix, sys.base_prefix)
    sys.path[:] = ["", SOURCE, *(each for each in sys.path if each.startswith(pythons))]
    sys.stdout, sys.stderr = (open(number, "w", buffering=1, closefd=False) for number in (1, 2))  # noqa: SIM115
    code: Any = 1
    try:
        main(list(words), prog_name="unbreakable")
    except SystemExit as ended:
        code = ended.code
    finally:
        sys.stdout.flush()
        os._exit(code if isinstance(code, int) else 0)
