"""Whatever is handed out as a record is a frozen dataclass to who asks, and JSON-ready."""

from __future__ import annotations

import dataclasses
import inspect
import json
import pickle

import pytest

import unbreakable as ub
from unbreakable.outcome import Operation
from unbreakable.record import OfTwin, Preset, Record


def outcome(value: object = 7) -> ub.Outcome[object]:
    failing = [OSError("down")]

    def ask() -> object:
        if failing:
            raise failing.pop()
        return value

    with ub.testing.virtual_time():
        return ub.FractalNode("n", ask).execute_sync()


@pytest.fixture
def trace() -> ub.Trace:
    found = outcome().trace
    assert found is not None
    return found


KNOWN = ub.KnowledgeBase({"Egypt": {"pyramids": "The pyramids stand at Giza. Khufu built the first one."}})
RECORDS = [
    ub.Speedup(ratio=10.54, low=9.0, high=12.0, n=40, baseline="alone"),
    ub.QuantumSimulationEngine().simulate("partner"),
    ub.QuantumSimulationEngine().simulate("partner").universes[0],
    outcome().trace,
    Operation(name="call", ran=True, seconds=0.1),
    ub.LocalMemory().summary(),
    ub.events.Healed(at=1.0, node="n", attempts=2, remedies=("wait",), elapsed=0.3),
    ub.Failure(OSError("down"), cause=KeyError("k")),
    outcome(),
    ub.FractalNode("n").get_status().latency,
    ub.QuantumLoopEngine().create_loop(print).get_status().performance,
    ub.OrchestratorNode().get_status().runs,
    *(QUOTED := ub.AgentNode(knowledge=KNOWN).process_query_sync("Who built the pyramids?")).sources,
    *QUOTED.rungs,
    KNOWN.search("Who built the pyramids?")[0],
    KNOWN.search("Who built the pyramids?")[0].passage,
]


@pytest.mark.parametrize("record", RECORDS, ids=lambda record: type(record).__name__)
def test_it_is_a_frozen_dataclass(record):
    """The tools of ``dataclasses`` work, and nothing can be set."""
    names = [field.name for field in dataclasses.fields(record)]

    assert dataclasses.is_dataclass(record)
    assert type(record).__dataclass_params__.frozen
    assert record == dataclasses.replace(record, **{names[0]: getattr(record, names[0])})
    assert set(names) == set(dataclasses.asdict(record))
    with pytest.raises(dataclasses.FrozenInstanceError):
        setattr(record, names[0], 1)


@pytest.mark.parametrize("record", RECORDS, ids=lambda record: type(record).__name__)
def test_it_can_be_written_as_json(record):
    """``to_dict`` has nothing that JSON has not, not even an endless number."""
    assert record.to_dict() == json.loads(json.dumps(record.to_dict(), allow_nan=False))


class Unshowable:
    def __repr__(self) -> str:
        raise ValueError("no")


def test_what_cannot_be_shown_is_told_as_such():
    """Somebody's ``repr`` that raises keeps no record, result or refusal from being told."""
    shown = "<a Unshowable that cannot be shown>"
    remedied = ub.events.Healed(at=1.0, node="n", attempts=2, remedies=(Unshowable(),), elapsed=0.3)
    run = ub.RunResult(status=ub.RunStatus.COMMITTED, run_id="r", results={"a": Unshowable()})

    assert [shown] == remedied.to_dict()["remedies"]
    assert {"a": shown} == run.to_dict()["results"]
    with pytest.raises(ub.errors.ConfigurationError, match=f"Retry.attempts must be .*, not {shown}"):
        ub.Retry(attempts=Unshowable())  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "found", [["seat"] * 100_000, "seat" * 100_000, {"seats": dict.fromkeys(range(9_999), "seat")}]
)
def test_a_refusal_shows_a_few_words_however_much_was_given(found):
    """Whoever gives a whole table for a number reads one line of it."""
    with pytest.raises(ub.errors.ConfigurationError, match=r"Retry\.attempts must be .*, not .*seat") as refused:
        ub.Retry(attempts=found)  # type: ignore[arg-type]

    assert 400 > len(str(refused.value))


def test_making_the_twin_costs_nothing_before_it_is_asked_for():
    """A class of records is made of its annotations alone; the first question makes the rest."""

    class Moved(Record):
        metres: float

    assert isinstance(vars(Moved)["__dataclass_fields__"], OfTwin)
    assert ["metres"] == [field.name for field in dataclasses.fields(Moved)]  # type: ignore[arg-type]
    assert isinstance(vars(Moved)["__dataclass_fields__"], dict)


@pytest.mark.parametrize(
    ("value", "told"),
    [(7, 7), ({"a": [1]}, {"a": [1]}), (None, None), (float("inf"), "inf"), ({1, 2}, "{1, 2}"), (b"x", "b'x'")],
)
def test_an_outcome_tells_its_value_as_it_is(value, told):
    """What JSON has is told as it is, other things by their ``repr``; trace and ``ok`` are there, too."""
    found = outcome(value).to_dict()

    assert (told, True) == (found["value"], found["ok"])
    assert 9 == len(found["trace"]["stages"])
    assert found["trace"]["story"]


def test_blocks_take_what_is_learned_for_no_copies():
    """``hedge=None`` is learned, and what is known is that a block cannot run twice at once."""
    ran = 0
    for attempt in ub.attempts("block", hedge=None):
        with attempt:
            ran += 1

    assert 1 == ran


@pytest.mark.parametrize("given", [{}, {"max_stale_ratio": 0.01}, {"max_stale_ratio": 0}])
def test_a_cache_takes_the_share_that_it_keeps(given):
    """Its documented default, and none at all."""
    cache = ub.CacheNode(loader=str, **given)

    assert "7" == cache.get_sync(7)


@pytest.mark.parametrize("share", [0.5, -1, "1%", True])
def test_a_cache_refuses_a_share_of_stale_answers_that_it_does_not_give(share):
    """Stale values are not served yet, and the message says so."""
    with pytest.raises(ub.errors.ConfigurationError, match=r"max_stale_ratio must be .* not served yet"):
        ub.CacheNode(max_stale_ratio=share)


class Limit(Preset):
    """Be a setting with one obvious field."""

    most: int = dataclasses.field(default=8, kw_only=False)
    wait: float = 0.0
    key: str = dataclasses.field(default="", repr=False)

    def __post_init__(self) -> None:
        if self.most < 1:
            raise ValueError(self.most)


def test_settings_are_what_a_dataclass_would_be():
    """Defaults, one by place, checked, compared, hashed, replaced, pickled and shown."""
    assert (Limit(3), Limit(most=3)) == (Limit(most=3, wait=0.0, key=""), Limit(3))
    assert hash(Limit(3)) == hash(Limit(most=3)) != hash(Limit(4))
    assert "Limit(most=8, wait=0.0)" == repr(Limit(key="secret"))
    assert Limit(2, wait=1.0) == dataclasses.replace(Limit(5, wait=1.0), most=2)
    assert {"most": 8, "wait": 0.0, "key": ""} == dataclasses.asdict(Limit())
    assert "(most: 'int' = 8, *, wait: 'float' = 0.0, key: 'str' = '') -> None" == str(inspect.signature(Limit))
    assert Limit(2) == pickle.loads(pickle.dumps(Limit(2)))  # noqa: S301 - our own
    match Limit(3):
        case Limit(most):
            assert 3 == most
    with pytest.raises(ValueError, match="0"):
        Limit(0)


@pytest.mark.parametrize(
    ("make", "why"),
    [
        (lambda: Limit(1, 2.0), "takes 1 positional arguments but 2 were given: name the others, of most, wait"),
        (lambda: Limit(1, most=2), "multiple values for argument 'most'"),
        (lambda: Limit(mots=2), "unexpected keyword argument .mots. .did you mean .most"),
        (lambda: ub.Slow(ratio=0.5), "missing required arguments: 'seconds'"),
    ],
)
def test_settings_that_do_not_fit_are_named(make, why):
    """As Python names the arguments of any call that do not fit."""
    with pytest.raises(TypeError, match=why):
        make()


def test_a_failure_made_of_what_is_known_is_like_any_other():
    """What is left out is what the class says: it is equal, prints, is replaced and is told as one made by position."""
    error = OSError("down")
    facts = {"error": error, "attempt": 2, "at": 1.5}
    made, other = ub.Failure.of(dict(facts)), ub.Failure(error, attempt=2, at=1.5)
    changed = dataclasses.replace(made, attempt=3)

    assert (other, hash(other), repr(other), other.to_dict()) == (made, hash(made), repr(made), made.to_dict())
    assert (error, 3, 1.5) == (changed.error, changed.attempt, changed.at)
    sent = pickle.loads(pickle.dumps(made))  # noqa: S301 - made here
    assert (2, 1.5, "down") == (sent.attempt, sent.at, str(sent.error))
    with pytest.raises(dataclasses.FrozenInstanceError):
        made.attempt = 4


def test_a_generic_record_can_be_subscripted_when_a_program_is_read() -> None:
    """An annotation such as ``-> ub.Outcome[int]`` is evaluated, unless the module puts that off."""
    assert (int,) == ub.Outcome[int].__args__


def test_what_an_outcome_was_can_be_shown_whatever_its_value_and_error_do():
    """Whoever logs it is told their types, and not another error."""

    class Broken(Exception):
        __repr__ = Unshowable.__repr__

    @ub.protect("target", effects="none")
    def ask(error):
        if error is not None:
            raise error
        return Unshowable()

    assert "value=<a Unshowable that cannot be shown>" in repr(ask.outcome(None))
    assert "error=<a Broken that cannot be shown>" in repr(ask.outcome(Broken()))


def test_a_circuit_shows_how_it_stands():
    """Whoever looks at ``node.breaker`` by a debugger sees its state."""
    node = ub.FractalNode("target")
    shown = repr(node.breaker)
    node.breaker.force_open()

    assert ["<Circuit closed>", "<Circuit forced open>"] == [shown, repr(node.breaker)]
