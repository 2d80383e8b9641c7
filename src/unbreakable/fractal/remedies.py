"""What might mend a failure, and how well it has worked for failures like it."""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeAlias

from unbreakable.errors import Kind
from unbreakable.fractal.operation import qualified_name, takes_one
from unbreakable.outcome import Failure, is_a
from unbreakable.policies.check import refuse
from unbreakable.runtime import Gate, new_lock
from unbreakable.stats import Beta

Matcher: TypeAlias = "type[BaseException] | tuple[type[BaseException], ...] | Callable[[Failure], object]"

Lesson: TypeAlias = tuple[str, str, float, bool]  # signature, remedy, its prior, whether it worked

WAIT = "wait"
MOST_SIGNATURES = 256
TRUSTED = 0.5  # how likely a remedy has to be to work, so that it need not be doubted
EXPLORE = 0.05  # share of choices that try the second best when the best is doubtful
FORGET = 0.95  # what each new experience leaves of the older ones: a remedy that stops working is soon demoted


class Remedy:
    """Something to do about failures that *matches* accepts; ``apply(failure)`` may return changed keyword arguments.

    At most one call at a time applies it; whoever comes while it is at work waits and uses its result.
    """

    def __init__(
        self, name: str, matches: Callable[[Failure], bool], apply: Callable[[Failure], Any], prior: float = 0.9
    ) -> None:
        self.name, self.matches, self.apply = name, matches, apply
        self.prior = prior  #: how likely it is thought to work before anything was learned
        self.alone, self.mended_at = Gate(1), float("-inf")
        self.shared = True  #: whether one application serves every call, as long as it changed no arguments


def matcher(what: tuple[Matcher, ...]) -> Callable[[Failure], bool]:
    """Return one predicate for exception types, tuples of them and predicates; a root cause matches, too.

    >>> matcher(((KeyError, IndexError),))(Failure(KeyError()))
    True
    """
    given: list[Any] = [one for each in what for one in (each if isinstance(each, tuple) else (each,))]
    if not given:
        raise refuse("remedy", "given at least one exception type or a predicate over the failure", what)
    types = tuple(kind for kind in given if isinstance(kind, type) and issubclass(kind, BaseException))
    predicates = tuple(test for test in given if not isinstance(test, type))
    if len(types) + len(predicates) != len(given) or not all(callable(test) for test in predicates):
        raise refuse("remedy", "given exception types or predicates over the failure", what)

    def matches(failure: Failure) -> bool:
        chain = (failure.error, failure.cause)
        of_a_type = any(error is not None and is_a(error, types) for error in chain)
        return of_a_type or any(bool(test(failure)) for test in predicates)

    return matches


def made_remedy(
    node: str, matches: Callable[[Failure], bool], function: Callable[..., Any], label: str | None = None
) -> Remedy:
    """Return *function* as a remedy of *node*; ConfigurationError when it cannot be one."""
    takes_one(f"{node}: a remedy", function)
    return Remedy(label or qualified_name(function).rpartition(".")[2], matches, function)


def read_remedies(node: str, given: Any) -> list[Remedy]:
    """Return the remedies that *node* is *given*: Remedies, or pairs of what they are for and a function.

    Raises ConfigurationError for anything else.
    """
    expected = "a list of pairs of exception types, or a predicate, and a function"
    if given is None:
        return []
    if isinstance(given, (str, bytes, Mapping)) or not isinstance(given, Iterable):
        raise refuse(f"{node}: remedies", expected, given)
    found = []
    for entry in given:
        if isinstance(entry, Remedy):
            found.append(entry)
            continue
        if not isinstance(entry, (tuple, list)) or len(entry) != 2:
            raise refuse(f"{node}: remedies", expected, entry)
        found.append(made_remedy(node, matcher((entry[0],)), entry[1]))
    return found


def on_kinds(*kinds: Kind) -> Callable[[Failure], bool]:
    """Return a predicate that accepts failures of these sorts.

    >>> on_kinds(Kind.CREDENTIALS)(Failure(ValueError(), Kind.CREDENTIALS))
    True
    """
    return lambda failure: failure.kind in kinds


class Experience:
    """How often each remedy worked for each signature: bounded, decaying, told to others lesson by lesson."""

    def __init__(self) -> None:
        self._by_signature: OrderedDict[str, dict[str, Beta]] = OrderedDict()
        self._news: deque[Lesson] = deque(maxlen=512)
        self._lock = new_lock()

    def update(self, signature: str, remedy: Remedy | None, *, worked: bool) -> None:
        """Take the verdict of the attempt after *remedy* (None: after waiting)."""
        name, prior = _name(remedy), _prior(remedy)
        self.learn(signature, name, prior, worked=worked)
        self._news.append((signature, name, prior, worked))

    def learn(self, signature: str, name: str, prior: float, *, worked: bool) -> None:
        """Take a verdict that may be somebody else's."""
        with self._lock:
            scores = self._by_signature.setdefault(signature, {})
            self._by_signature.move_to_end(signature)
            while len(self._by_signature) > MOST_SIGNATURES:
                self._by_signature.popitem(last=False)
            score = scores.setdefault(name, Beta(prior, 2.0))
            score.discount(FORGET)
            score.update(worked)

    def take_news(self) -> list[Lesson]:
        """Return the lessons since last time, the newest 512."""
        news = []
        while self._news:
            news.append(self._news.popleft())
        return news

    def value(self, signature: str, remedy: Remedy | None) -> float:
        """Return how likely *remedy* is to work for *signature*."""
        score = self._by_signature.get(signature, {}).get(_name(remedy))
        return _prior(remedy) if score is None else score.value()

    def trusts(self, signature: str, remedy: Remedy | None) -> bool:
        """Return whether *remedy* is more likely to work for *signature* than not."""
        return self.value(signature, remedy) >= TRUSTED

    def choose(self, signature: str, candidates: Iterable[Remedy], u: float) -> Remedy | None:
        """Return the most promising candidate, None for waiting; *u*, uniform, sometimes decides for another one."""
        ranked = sorted([*candidates, None], key=lambda remedy: -self.value(signature, remedy))
        doubtful = not self.trusts(signature, ranked[0])
        return ranked[1] if doubtful and len(ranked) > 1 and u < EXPLORE else ranked[0]

    def to_dict(self) -> dict[str, dict[str, dict[str, float]]]:
        """Return by signature and remedy how often it was tried and worked, as far as not faded, and the estimate."""
        with self._lock:
            return {
                signature: {
                    name: {"tried": score.tried, "worked": score.worked, "estimate": score.value()}
                    for name, score in scores.items()
                }
                for signature, scores in self._by_signature.items()
            }

    def __len__(self) -> int:
        """Return how many signatures are known."""
        return len(self._by_signature)


def _name(remedy: Remedy | None) -> str:
    return WAIT if remedy is None else remedy.name


def _prior(remedy: Remedy | None) -> float:
    return 0.5 if remedy is None else remedy.prior
