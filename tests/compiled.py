"""Each worker of a parallel run would rewrite the assertions of every new test file: it is done once, on all cores."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
from _pytest.assertion import rewrite

HERE = Path(__file__).parent


def compile_ahead(config: pytest.Config) -> None:
    """Write what pytest makes of the test files that it has not seen yet to where all workers will look for it."""
    is_parallel = config.getoption("numprocesses", None) and not hasattr(config, "workerinput")
    if sys.dont_write_bytecode or not is_parallel or not hasattr(os, "fork"):
        return
    new = [path for path in sorted(HERE.rglob("test_*.py")) if is_new(path)]
    cores = os.cpu_count() or 1
    for child in [_forked(config, new[share::cores]) for share in range(cores) if new[share::cores]]:
        os.waitpid(child, 0)


def cached(path: Path) -> Path:
    """Return the place of what pytest has made of the test file at *path*."""
    return rewrite.get_cache_dir(path) / (path.stem + rewrite.PYC_TAIL)


def is_new(path: Path) -> bool:
    """Return whether the test file at *path* may have changed since pytest has seen it."""
    return not cached(path).exists() or cached(path).stat().st_mtime < path.stat().st_mtime


def _forked(config: pytest.Config, paths: Sequence[Path]) -> int:
    """Return the number of a process that compiles *paths*; a file that it cannot compile is left to the workers."""
    child = os.fork()
    if child:
        return child
    try:
        for path in paths:
            source, code = rewrite._rewrite_test(path, config)
            rewrite.try_makedirs(cached(path).parent)
            rewrite._write_pyc(config.stash[rewrite.assertstate_key], code, source, cached(path))
    finally:
        os._exit(0)
