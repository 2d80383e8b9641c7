"""What a supervisor tells the world of itself and its worker: to systemd, and to whoever asks."""

from __future__ import annotations

from unbreakable.loops.notify import Notify
from unbreakable.loops.page import Page
from unbreakable.loops.standing import Standing


class Report:
    """Keep *standing* up to date, and tell *notify* what is new."""

    def __init__(self, standing: Standing, notify: Notify) -> None:
        self.standing, self._notify = standing, notify

    def look(self, worker: int, page: Page | None) -> None:
        """Tell how the worker stands, by its signs of life where it has a *page* for them."""
        standing = self.standing
        loops, ended = (None, int) if page is None else (page.loops, page.count_ended)
        ailing = None if page is None else page.ailing
        standing.look(worker, loops, ended, ailing or (None, None))
        known = "" if loops is None else f"{loops} loops, "
        self._tell(f"{known}{standing.restarts} restarts" if standing.is_ready else "no loop goes on yet")

    def lose(self, why: str) -> None:
        """Tell *why* there is no worker, or will soon be none: that somebody sees to it is a sign of life, too."""
        self.standing.lose(why)
        self._tell(why)

    def ending(self) -> None:
        """Tell that the end was asked for."""
        self.standing.is_ending = True
        self._notify.ending()

    def _tell(self, status: str) -> None:
        self._notify.stands(status, is_ready=self.standing.is_ready)
        self._notify.feed()
