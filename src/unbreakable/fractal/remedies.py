"""What might mend a failure."""

from __future__ import annotations

import copy
import itertools
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any, TypeAlias

from unbreakable.errors import Kind
from unbreakable.fractal.operation import qualified_name
from unbreakable.fractal.taking import caller_of, returns_nothing, what_it_takes
from unbreakable.fractal.turn import Turn, Turns
from unbreakable.outcome import Failure, is_a
from unbreakable.policies.check import refuse
from unbreakable.runtime import is_async

Matcher: TypeAlias = "type[BaseException] | tuple[type[BaseException], ...] | Callable[[Failure], object]"

WAIT = "wait"
GIVE_UP = "give_up"


class Remedy:
    """Something to do about failures that *matches* accepts; ``apply(failure)`` may return changed keyword arguments.

    One call at a time applies it, and whoever comes meanwhile uses its result; if it changes arguments each of sixteen
    at a time applies it for itself.  One that *prevents* is applied in advance when its failure is due.  Where
    ``apply`` is None nothing is mended: *pause* are seconds that the next attempt waits at least, *stretch* by how many
    times its time limit grows.  *goes_on* says that it may be applied once more where it has not helped, and *final*
    that nothing is to be repeated.
    """

    def __init__(
        self,
        name: str,
        matches: Callable[[Failure], bool],
        apply: Callable[[Failure], Any] | None,
        prior: float = 0.9,
        *,
        prevents: bool = True,
        pause: float = 0.0,
        stretch: float = 1.0,
        goes_on: bool = False,
        final: bool = False,
        source: Any = None,
        takes_instance: bool = False,
        needs: str | None = None,
    ) -> None:
        self.name, self.matches, self.apply = name, matches, apply
        self.prior = prior  #: how likely it is thought to work before anything was learned
        self.prevents = prevents and apply is not None
        self.pause, self.stretch, self.goes_on, self.final = pause, stretch, goes_on, final
        self.turn = Turn()
        self.source = apply if source is None else source  #: the user's function that it calls
        self.needs = needs  #: the argument that it changes
        self.takes_instance = takes_instance  #: of the method that is called, before the failure
        self.turns: Turns | None = None  #: of the instances, where each is served for itself
        self.matches_of: Callable[[Any], Callable[[Failure], bool]] | None = None  #: by instance, where that judges
        self.registered: tuple[Any, ...] | None = None  #: what tells it from others, where it is registered many times

    @property
    def changes_call(self) -> bool:
        """Return whether it changes the next attempts of the call at hand, for all that is known, and of no other."""
        return self.stretch > 1.0 or not self.turn.shared

    def after_fork(self) -> None:
        """Forget who applied it in the parent process."""
        self.turn.alone.clear()
        if self.turns is not None:
            self.turns.clear()

    def serving(self, turn: Turn, *, of_all: bool) -> Remedy:
        """Return it for those that share this *turn*; unless they are all, when they fail tells nothing of others."""
        other = copy.copy(self)
        other.turn, other.prevents = turn, self.prevents and of_all
        return other


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
    for test in predicates:
        if is_async(test):  # what it returns is never false
            raise refuse("remedy", "given plain predicates, which do not wait for anything", test)
        if returns_nothing(test):  # what it returns is never true: it was to be the remedy
            raise refuse("remedy", "given what is to be mended, as in @….remedy(PermissionError)", test)

    def matches(failure: Failure) -> bool:
        chain = (failure.error, failure.cause)
        of_a_type = any(error is not None and is_a(error, types) for error in chain)
        return of_a_type or any(bool(test(failure)) for test in predicates)

    return matches


def made_remedy(
    node: str, matches: Callable[[Failure], bool], function: Callable[..., Any], label: str | None = None
) -> Remedy:
    """Return *function* as a remedy of *node*; ConfigurationError when it cannot be one."""
    if not (label is None or isinstance(label, str)):
        raise refuse(f"{node}: the name of a remedy", "some text", label)
    takes = what_it_takes(f"{node}: a remedy", function)
    name = label or qualified_name(function).rpartition(".")[2]
    is_for_one = takes is not None and takes.instance
    return Remedy(name, matches, caller_of(function, takes), source=function, takes_instance=is_for_one)


def enlist(owner: Any, *others: Remedy) -> None:
    """Add *others* to the remedies of *owner*, a node or a block's call, each under a name of its own.

    For what was learned goes by names: two functions ``reconnect`` are told apart as ``reconnect`` and ``reconnect#2``.
    """
    for other in others:
        unlike = {each.name for each in owner.remedies if each.source is None or each.source != other.source}
        taken = unlike | (set() if other.apply is None else {WAIT, GIVE_UP})
        named = renamed(other, taken) if other.name in taken else other
        owner.remedies.append(admitted(owner.name, owner.of_method, named))


def renamed(remedy: Remedy, taken: Collection[str]) -> Remedy:
    """Return *remedy* under a name that is not *taken* by another one: another node may have it under its own."""
    names = (f"{remedy.name}#{number}" for number in itertools.count(2))
    remedy = copy.copy(remedy)
    remedy.name = next(name for name in names if name not in taken)
    return remedy


def admitted(node: str, method: Any, remedy: Remedy) -> Remedy:
    """Return *remedy* as it serves the node of that name, whose function is *method*, if it is one."""
    if not remedy.takes_instance:
        return remedy
    from unbreakable.fractal.methods import for_each_instance

    return for_each_instance(node, method, remedy)


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
