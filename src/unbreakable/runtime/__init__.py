"""The one door to time, dice, waiting and concurrency."""

from unbreakable.lock import Latch, new_lock
from unbreakable.runtime.aio import ASYNCIO, AsyncioRuntime
from unbreakable.runtime.blocking import BLOCKING, BlockingRuntime, play_blocking, run_blocking
from unbreakable.runtime.chore import breathe
from unbreakable.runtime.closing import Closing
from unbreakable.runtime.colour import is_async, mark_as_coroutine_function, mark_with_code_of, parameters_said
from unbreakable.runtime.gate import Gate
from unbreakable.runtime.generators import first_of, gives_async_generator, gives_generator
from unbreakable.runtime.line import Line, Place
from unbreakable.runtime.protocol import Beside, Runtime, Step, Stopped, TimeUp, Waiter
from unbreakable.runtime.unawaited import RESULTS, refuse_unawaited
from unbreakable.runtime.watch import Alarm, Watch, Watched, settle
from unbreakable.runtime.world import ThreadsExhausted

__all__ = [
    "ASYNCIO",
    "BLOCKING",
    "Alarm",
    "AsyncioRuntime",
    "Beside",
    "BlockingRuntime",
    "Closing",
    "Gate",
    "Latch",
    "Line",
    "Place",
    "RESULTS",
    "Runtime",
    "Step",
    "Stopped",
    "ThreadsExhausted",
    "TimeUp",
    "Waiter",
    "Watch",
    "Watched",
    "breathe",
    "first_of",
    "gives_async_generator",
    "gives_generator",
    "is_async",
    "mark_as_coroutine_function",
    "mark_with_code_of",
    "new_lock",
    "parameters_said",
    "play_blocking",
    "refuse_unawaited",
    "run_blocking",
    "settle",
]
