"""Who wants to know what happens in a node, and how he is told."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

from unbreakable.errors import ConfigurationError
from unbreakable.events import CallEnded, Event, Listener, ListenerFailed
from unbreakable.log import log
from unbreakable.outcome import in_one_line
from unbreakable.policies.check import refuse
from unbreakable.record import Record
from unbreakable.runtime import is_async

E = TypeVar("E", bound=Record)

MOST_LISTENERS = 100


class Listening:
    """What can be listened to."""

    name: str
    listeners: tuple[tuple[type[Any], Listener], ...] = ()
    born_with: tuple[tuple[type[Any], Listener], ...] = ()  #: the listeners of those that are made from now on

    def on(self, kind: type[E], listener: Callable[[E], None]) -> Callable[[E], None]:
        """Call *listener* with every event of that *kind*; ``ub.events.Event`` stands for all.  Returns the listener.

        A listener is called where the event happens and must not wait; what comes of learning (``PlanPublished``,
        ``DriftDetected``) happens in a thread of the library's own.  One that raises is dropped, with an event.
        """
        if not (isinstance(kind, type) and issubclass(kind, (Event, CallEnded))):
            raise refuse(f"{self.name}: on", "a kind of event, such as ub.events.Healed, before the listener", kind)
        if not callable(listener) or is_async(listener):
            raise refuse(f"{self.name}: a listener", "a plain function that takes the event", listener)
        if len(self.listeners) >= MOST_LISTENERS:
            raise ConfigurationError(f"{self.name} has {MOST_LISTENERS} listeners, the most a node may have")
        self.listeners = (*self.listeners, (kind, cast("Listener", listener)))
        return listener

    def off(self, listener: Callable[..., object]) -> None:
        """Call *listener* no more, whatever kinds of events it was given for."""
        self.listeners = tuple(entry for entry in self.listeners if entry[1] != listener)

    def hears(self, kind: type[Record]) -> bool:
        """Return whether anybody listens to events of that *kind*."""
        return any(issubclass(kind, wanted) for wanted, _ in self.listeners)

    def tell(self, event: Any) -> None:
        """Tell the listeners."""
        for entry in self.listeners:
            if isinstance(event, entry[0]):
                try:
                    entry[1](event)
                except KeyboardInterrupt:  # it is not the listener's
                    raise
                except BaseException as error:
                    self.listeners = tuple(other for other in self.listeners if other is not entry)
                    log("a listener of %s raised and was dropped", self.name, exc_info=True)
                    self.tell(ListenerFailed(at=event.at, node=self.name, error=in_one_line(error)))
                    if not isinstance(error, Exception):
                        raise
