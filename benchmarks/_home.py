"""Peers get an environment of their own in ``.cache``: what they bring along is nothing that our checks should meet."""

from __future__ import annotations

import platform
import subprocess
import sys
import venv
from pathlib import Path

ROOT = Path(__file__).parents[1]


def python_of(name: str) -> Path:
    """Return the Python of the environment *name*, be it there or not."""
    return ROOT / ".cache" / name / "venv" / ("Scripts" if sys.platform == "win32" else "bin") / "python"


def make_home(name: str, requirements: Path, ours: str = ".") -> None:
    """Make the environment *name*, unless it is there.

    It has what the file *requirements* lists, and the library itself, with the extras that *ours* names.
    """
    python, home = python_of(name), ROOT / ".cache" / name / "venv"
    stamp, wanted = home / ".made-for", requirements.read_text(encoding="utf-8") + platform.python_version()
    if stamp.exists() and stamp.read_text(encoding="utf-8") == wanted:
        return
    print(f"Making {home.relative_to(ROOT)} (once) ...", file=sys.stderr)
    venv.create(home, clear=True, with_pip=True)
    install = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*install, "--requirement", requirements, "--editable", ours], cwd=ROOT, check=True)
    stamp.write_text(wanted, encoding="utf-8")
