"""One step of a workflow: what it does, what it waits for, how it is undone."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any, Literal, TypeAlias, get_args

from unbreakable.errors import ConfigurationError
from unbreakable.fractal import FractalNode
from unbreakable.fractal.operation import check_operation
from unbreakable.plain import nearest
from unbreakable.policies import check
from unbreakable.policies.check import refuse

Kind: TypeAlias = Literal["compensatable", "pivot", "retriable"]


class NotGiven(tuple[()]):
    """Tell dependencies that nobody gave from an empty list of them: those are the step before."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "<the step before>"


THE_STEP_BEFORE = NotGiven()


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """Name one *operation* of a workflow, and its compensation.

    ``depends_on`` left out: after the step before it; ``[]``: at once.  ``timeout`` is the longest that one attempt
    may take, in seconds.  ``node`` runs the operation instead of a node that the orchestrator makes; that an APINode
    only reads, or a fallback answers for it, is said of its own work alone, as ``FractalNode.execute`` tells.  ``kind``
    is "compensatable" (it can be undone), "pivot" (once it is done the workflow goes forward only) or "retriable"
    (after the pivot; repeated until it succeeds).

    The operation takes the context or nothing: ``ctx.input`` is the workflow's context, ``ctx.results`` has the
    values of the steps it depends on, ``ctx.idempotency_key`` is the same for every repeat, also after a restart.
    The compensation takes the same.  It is called at least once for a step that may have had an effect, so it must
    tolerate being repeated and, where ``ctx.state["certain"]`` is False, finding nothing to undo (also because a
    fallback answered somewhere in the step), or a plain step that was cut and is still at work in its thread; the key
    of what it undoes is ``ctx.state["step_key"]``.  It waits until no protected call, transaction or put into a
    stream is under way that the step has begun and left behind, whether it failed or not, in a task or a thread;
    those that are "none" aside.  So it does for a copy of the step that lost a race, and until what stands in line
    for the threads of ``asyncio.to_thread`` has begun (on Python's own event loops).  Each is waited for until 2 s
    after its deadline, all together 32 s at most.  Of what is at work then as much is undone as can be; if the
    compensation has ended it, that is called once more, if not, the run needs attention.  Plain code that a step
    leaves behind is known to nobody, nor is a call that it makes after that: a step should wait for what it begins.
    An error that says that nothing was sent, such as ConnectionRefusedError, is believed for the whole step, unless a
    protected call in it has done something: of what plain code did before only another error tells.
    A pivot in which a call has done something is believed to have failed for sure by an error of its own, one with
    ``in_doubt = False``, or a ``verify`` that says no to what was done; by an accident (KeyError, OSError, a
    library's error), by a result that cannot be read or does not fit its ``schema``, by what became of another
    call, or by a refused connection it needs attention.
    A compensation that fails is tried 8 times, whatever ``retry`` says, with growing pauses that last 32 to 64 s in
    all; each try may take 30 s.  A "retriable" step that fails is tried as often.

    Where runs are kept in a state file, what the operation returns is put on record: None, bool, int, float, str,
    bytes, Decimal, UUID, datetime, date, time, timedelta, and lists, tuples, sets and dicts of them.  Each reads back
    as the type it was, a subclass as what it is derived from, if it equals that.  For anything else
    errors.NotRecordable says which part it is and what to return instead; the step counts as done, and the run turns
    back.  Without a state nothing is refused, so a workflow that may be given one (``unbreakable run`` does) keeps to
    this from the start.

    Raises ConfigurationError, which names the setting and says what was expected.
    """

    id: str = field(kw_only=False)
    operation: Callable[..., Any] = field(kw_only=False)
    name: str | None = None
    depends_on: Sequence[str] = THE_STEP_BEFORE
    compensate: Callable[..., Any] | None = None
    kind: Kind | None = None
    node: FractalNode | None = None
    timeout: float | None = None

    def __post_init__(self) -> None:
        _check(f"Step({self.id!r})", {name: getattr(self, name) for name in SETTINGS})
        if not isinstance(self.depends_on, NotGiven):
            object.__setattr__(self, "depends_on", tuple(self.depends_on))


SETTINGS = tuple(setting.name for setting in fields(Step))


def read_steps(workflow: object) -> tuple[Step, ...]:
    """Return the steps of *workflow*: a list of steps, or ``{"steps": [...]}``; each a Step or a dictionary.

    Raises ConfigurationError with the path of what is wrong, such as ``steps[1].depends_on``.
    """
    if isinstance(workflow, Mapping):
        _check_keys("workflow", workflow, ("steps",))
        workflow = workflow.get("steps")
    if isinstance(workflow, (str, bytes)) or not isinstance(workflow, Iterable):
        raise refuse("steps", "a list of steps", workflow)
    return tuple(_read_step(step, f"steps[{index}]") for index, step in enumerate(workflow))


def _read_step(step: object, path: str) -> Step:
    if isinstance(step, Step):
        return step
    if not isinstance(step, Mapping):
        raise refuse(path, "a Step or a dictionary", step)
    _check_keys(path, step, SETTINGS)
    for required in ("id", "operation"):
        if required not in step:
            raise ConfigurationError(f"{path}.{required} is missing")
    _check(path, step)
    return Step(**step)


def _check_keys(path: str, found: Mapping[Any, Any], known: Sequence[str]) -> None:
    for key in found:
        if key not in known:
            raise ConfigurationError(f"{path}.{key} is not a setting{nearest(key, known)}")


def _check(path: str, settings: Mapping[str, Any]) -> None:
    check_text(f"{path}.id", settings["id"])
    check_operation(f"{path}.operation", settings["operation"])
    for name, check_setting in CHECKS.items():
        value = settings.get(name)
        if value is not None or (name == "depends_on" and name in settings):
            check_setting(f"{path}.{name}", value)
    if settings.get("node") is not None and settings.get("timeout") is not None:
        raise ConfigurationError(f"{path}.timeout must be left out where {path}.node is given: the node has its own")


def check_text(path: str, value: object) -> None:
    """Refuse what is no name: 1 to 200 printable characters."""
    if not isinstance(value, str) or not value or len(value) > 200 or not value.isprintable():
        raise refuse(path, "1 to 200 printable characters", value)


def _check_depends_on(path: str, value: object) -> None:
    if value is None:  # who writes that may mean either
        raise refuse(path, "a list of step ids, [] for none of them, or left out for the step before", value)
    known = isinstance(value, Sequence) and not isinstance(value, (str, bytes))
    if not known or not all(isinstance(step, str) for step in value):  # type: ignore[attr-defined]
        raise refuse(path, "a list of step ids", value)


def _check_kind(path: str, value: object) -> None:
    if value not in get_args(Kind):
        raise refuse(path, f"one of {', '.join(map(repr, get_args(Kind)))}", value)


def _check_node(path: str, value: object) -> None:
    if not isinstance(value, FractalNode):
        raise refuse(path, "a FractalNode", value)


def _check_timeout(path: str, value: object) -> None:
    check.seconds(path, value, positive=True)


CHECKS: Mapping[str, Callable[[str, object], None]] = {
    "name": check_text,
    "depends_on": _check_depends_on,
    "compensate": check_operation,
    "kind": _check_kind,
    "node": _check_node,
    "timeout": _check_timeout,
}
