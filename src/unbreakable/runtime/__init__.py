"""The one door to time, dice, waiting and concurrency."""

from unbreakable.runtime.aio import ASYNCIO, AsyncioRuntime, mark_as_coroutine_function
from unbreakable.runtime.blocking import BLOCKING, BlockingRuntime, run_blocking
from unbreakable.runtime.gate import Gate
from unbreakable.runtime.lock import new_lock
from unbreakable.runtime.protocol import Runtime, Step, TimeUp, Waiter
from unbreakable.runtime.watch import Alarm, Watch, settle, unwatch

__all__ = [
    "ASYNCIO",
    "BLOCKING",
    "Alarm",
    "AsyncioRuntime",
    "BlockingRuntime",
    "Gate",
    "Runtime",
    "Step",
    "TimeUp",
    "Waiter",
    "Watch",
    "mark_as_coroutine_function",
    "new_lock",
    "run_blocking",
    "settle",
    "unwatch",
]
