"""Something happens at one line of the library's code, in the thread that runs it: a signal, the collector."""

from __future__ import annotations

import faulthandler
import linecache
import sys
import threading
from concurrent.futures import Future

PATIENCE = 20.0  # seconds


class AtLine:
    """Call *work* at the line number *at* of the code in *files* in this thread; count the lines up to there.

    Lines at which Python itself lets no signal in, for they begin with one of *closed*, are passed over.
    """

    def __init__(self, files, work, at, closed=()):
        self.files, self.work, self.at, self.closed, self.lines = files, work, at, closed, 0

    def __enter__(self):
        self.before = sys.gettrace()
        sys.settrace(self._look)
        return self

    def __exit__(self, *_):
        sys.settrace(self.before)

    def _look(self, frame, event, _):
        if frame.f_code.co_filename not in self.files:
            return None
        if event == "line" and not self._is_closed(frame):
            self.lines += 1
            if self.lines == self.at:
                sys.settrace(self.before)  # nobody asks how many more there are
                self.work()
        return self._look

    def _is_closed(self, frame):
        line = linecache.getline(frame.f_code.co_filename, frame.f_lineno) if self.closed else ""
        return line.lstrip().startswith(self.closed) if self.closed else False


def in_time(work):
    """Return what *work* returned, in a thread that is given up when it hangs."""
    told = Future()

    def tell():
        try:
            told.set_result(work())
        except BaseException as error:
            told.set_exception(error)

    threading.Thread(target=tell, daemon=True).start()
    try:
        return told.result(PATIENCE)
    except TimeoutError:
        faulthandler.dump_traceback()
        raise
