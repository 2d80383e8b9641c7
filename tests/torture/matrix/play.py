"""Play the matrix against one library, in real time: ``python -m tests.torture.matrix.play PEER``; a line for each row.

Each story has a child of its own, so that what one leaves behind (hung threads, locks, registries) is nobody else's.  A
row counts as kept when it was kept once in three times: a busy machine is nobody's fault.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import signal
import sys
import traceback
from pathlib import Path

from tests.torture.matrix.behaviour import matrix
from tests.torture.matrix.peer import NotOffered

MOST_SECONDS = 60.0  # after which a story has hung
TIMES = 3
KEPT, BROKEN, NOT_OFFERED = "yes", "no", "-"


def tried(row, peer):
    """Return how the story ends, and why if it is broken."""
    read, write = os.pipe()
    child = os.fork()
    if not child:
        os.setsid()
        os.close(read)
        signal.setitimer(signal.ITIMER_REAL, MOST_SECONDS)
        os.write(write, json.dumps(ended(row, peer)).encode()[:4000])
        os._exit(0)
    os.close(write)
    with open(read, "rb") as pipe:  # noqa: PTH123 - a pipe has no path
        told = pipe.read()
    os.waitpid(child, 0)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(child, signal.SIGKILL)
    return json.loads(told) if told else [BROKEN, "it hung, or its process died"]


def ended(row, peer):
    """Play the story in this process."""
    sys.stderr = open(os.devnull, "w", encoding="utf-8")  # noqa: PTH123, SIM115 - what is logged of losers
    try:
        row.play(peer)
    except NotOffered:
        return [NOT_OFFERED, ""]
    except BaseException as error:
        place = traceback.extract_tb(error.__traceback__)[-1]
        return [BROKEN, f"{type(error).__name__}: {str(error)[:300]} ({Path(place.filename).name}:{place.lineno})"]
    return [KEPT, ""]


def played(row, peer):
    """Return the verdict on one row."""
    for _ in range(TIMES):
        verdict, why = tried(row, peer)
        if verdict != BROKEN:
            break
    return verdict, why


if __name__ == "__main__":
    library = importlib.import_module(f"tests.torture.peers.{sys.argv[1]}").PEER()
    only = sys.argv[2:]
    for each in matrix():
        if not only or each.name in only:
            said, reason = played(each, library)
            print(json.dumps({"row": each.name, "verdict": said, "why": reason}), flush=True)
