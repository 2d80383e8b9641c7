"""Who is the first process of a container is given the children of all others that die, and has to bury them.

Nobody else will, and each that is left unburied takes the place of a process, until no worker can be started any more.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Collection

FIRST = 1


def bury_orphans(kin: Collection[int]) -> None:
    """Bury the dead whom this process has not started itself, as *kin*, if it is the first one."""
    if os.getpid() != FIRST:
        return
    with contextlib.suppress(ChildProcessError):  # there is nobody
        while (dead := os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)) and dead.si_pid not in kin:
            os.waitpid(dead.si_pid, os.WNOHANG)
