"""An HTTP service is asked, and its bad days are healed."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from types import ModuleType
from typing import TYPE_CHECKING, Any, TypeAlias, Unpack

from unbreakable.fractal import FractalNode, Remedy
from unbreakable.fractal.options import Options
from unbreakable.fractal.ports import join
from unbreakable.fractal.remedies import enlist
from unbreakable.fractal.settings import check_names
from unbreakable.nodes.doors import AsyncOperation, SyncOperation
from unbreakable.nodes.http.credentials import are_refused
from unbreakable.nodes.http.meaning import effects_of, has_key
from unbreakable.policies import Context
from unbreakable.policies.effects import Effects
from unbreakable.runtime import Runtime, run_blocking
from unbreakable.simulation import Speedup

if TYPE_CHECKING:
    import httpx2

    from unbreakable.nodes.http.asking import Asking

Auth: TypeAlias = "httpx2.Auth | tuple[str, str] | str | Callable[[], str | Awaitable[str]]"
Transport: TypeAlias = "httpx2.BaseTransport | httpx2.AsyncBaseTransport"
PRIOR = 0.85  # how likely a built-in remedy is thought to work: a little less than one that the user registered


class APINode(FractalNode):
    """Ask the HTTP service at *endpoint*: ``await api.make_request(data)``, or ``api.make_request_sync(data)``.

    >>> api = APINode("https://api.example.com/v1", headers={"Accept": "application/json"})
    >>> api.name, api.get_status().plan["effects"]
    ('api.example.com', 'none')

    What a request does to the world is told by its *method*: GET, HEAD, OPTIONS and QUERY read; PUT and DELETE are
    idempotent; POST and PATCH must not happen twice, unless an idempotency key is sent, which is the same on every
    attempt.  ``effects=`` pins it for all requests.

    *endpoints* are replicas, the preferred one first; after some 35 requests the one that does best is asked first, and
    another one now and then.  A copy of a slow request goes to another one; the remedy ``other_endpoint`` moves a call
    whose endpoint is unreachable, too slow, throttles, or answers 5xx or what does not verify, unless that was well and
    takes less than half as long as the others: then it is asked once more before.  One that is dead, or failed three
    times in a row, is left in peace for 5 s, then longer, as long as another one works.

    *auth* is a token, a (user, password), an httpx2.Auth, or a function of either colour that returns a token.  That is
    called once, and again, once for all calls that wait for it, by the remedy ``refresh_credentials`` when the service
    answers 401.  A 401 may be repeated whatever the effects: it says that nothing was done.

    *transport* is an httpx2 transport, or a function that makes one for each event loop.  In sync code, where a call
    cannot be cut, httpx2's own transports are held to what is left of it before each read; one of any other make is
    told once, as the request's time limits.  *max_body* is the largest answer that is taken, in bytes.  Unless *carry*
    is False, requests tell the service which attempt they are and how long they are waited for; ``ub.incoming`` reads
    that there.  The other keywords are those of ``ub.protect``.

    Needs httpx2: ``pip install 'unbreakable[api]'``.  Raises ConfigurationError when a setting is wrong.
    """

    speaks_of_itself = True

    def __init__(
        self,
        endpoint: str | None = None,
        method: str = "GET",
        *,
        endpoints: Sequence[str] | None = None,
        headers: Mapping[str, str] | None = None,
        auth: Auth | None = None,
        transport: Transport | Callable[[], Transport] | None = None,
        max_body: int = 64 * 2**20,
        carry: bool = True,
        name: str | None = None,
        **options: Unpack[Options],
    ) -> None:
        check_names(name or "api", options, APINode)
        checking = client_library()
        urls = checking.checked_endpoints(endpoint, endpoints)
        self.method: str = checking.checked_method(method)
        self.asking: Asking = checking.new_asking(urls, headers, auth, transport, max_body, carry=carry)
        pinned, system = "effects" in options, options.pop("system", None)
        options.setdefault("effects", effects_of(self.method, keyed=False))
        super().__init__(name or checking.host_of(urls[0]), self._operation, **options)
        if not pinned:
            self.targets.tell_effects(self._effects)
        if self.asking.credentials is not None:
            refresh = self.asking.credentials.refresh
            enlist(self, Remedy("refresh_credentials", are_refused, refresh, PRIOR))
        if len(urls) > 1:
            move = self.asking.move
            enlist(self, Remedy("other_endpoint", self.asking.may_move, move, PRIOR, prevents=False))
        join(self, system)

    # ── asking ───────────────────────────────────────────────────────────────────────────────────────────────────

    @AsyncOperation
    async def make_request(
        self,
        data: Any = None,
        *,
        path: str = "",
        params: Mapping[str, Any] | Sequence[tuple[str, Any]] | None = None,
        headers: Mapping[str, str] | None = None,
        method: str | None = None,
        idempotency_key: str | None = None,
        endpoint: str | None = None,
    ) -> Any:
        """Send a request and return its parsed answer: JSON, text, bytes, or None for an empty one.

        *data* becomes the query of a GET, HEAD or DELETE if it is a dict; text and bytes are sent as they are;
        anything else as JSON.  *path* is below the endpoint, and stays there.  *endpoint* is the replica to ask first.
        ``make_request.outcome(…)`` returns an Outcome instead and never raises an Exception.

        Raises httpx2.HTTPStatusError for an answer that is not a 2xx; errors.NotSent when the request never left;
        other errors of httpx2 when the connection broke; errors.VerificationFailed for an answer that is not what it
        says or what ``schema`` and ``verify`` ask for; errors.ValidationFailed for a request that cannot be made.
        Redirects are followed for requests that only read.
        """
        return await self._ask(data, path, params, headers, method, idempotency_key, endpoint)

    @SyncOperation
    def make_request_sync(
        self,
        data: Any = None,
        *,
        path: str = "",
        params: Mapping[str, Any] | Sequence[tuple[str, Any]] | None = None,
        headers: Mapping[str, str] | None = None,
        method: str | None = None,
        idempotency_key: str | None = None,
        endpoint: str | None = None,
    ) -> Any:
        """Send a request from sync code; otherwise as ``make_request``."""
        return run_blocking(self._ask(data, path, params, headers, method, idempotency_key, endpoint))

    def _operation(self, ctx: Context, **changed: Any) -> Any:
        """Be what ``execute`` runs: a request with the context's input as its data."""
        names = ("data", "path", "params", "headers", "method", "idempotency_key", "endpoint")
        given = {"data": ctx.input, "path": "", **changed}
        script = self._ask(*(given.get(name) for name in names))
        return script if ctx.runtime.preemptive else run_blocking(script)

    async def _ask(self, data: Any, path: Any, params: Any, headers: Any, method: Any, key: Any, endpoint: Any) -> Any:
        method = self.method if method is None else str(method).upper()
        return await self.asking.ask(data, path, params, headers, method, key, endpoint)

    def _effects(
        self, *_: Any, method: Any = None, headers: Any = None, idempotency_key: Any = None, **__: Any
    ) -> Effects:
        method = self.method if method is None else str(method)
        return effects_of(method, keyed=idempotency_key is not None or has_key(headers))

    @property
    def speedup(self) -> Speedup | None:
        """How much faster answers come than from the first endpoint alone; None when that cannot be told."""
        return self.asking.watch.value()

    @property
    def gain(self) -> Speedup | None:
        """The same, be it measurable or not; None while there are too few answers."""
        return self.asking.watch.estimate()

    # ── leaving ──────────────────────────────────────────────────────────────────────────────────────────────────

    async def _let_go(self, runtime: Runtime) -> None:
        """Close the connections; a later request opens new ones.

        A request in flight gets its answer before its connection is closed.
        """
        await self.asking.aclose() if runtime.preemptive else self.asking.close()

    def after_fork(self) -> None:
        """Leave the connections to the parent process."""
        super().after_fork()
        self.asking.after_fork()


def client_library() -> ModuleType:
    """Return the module that reads settings with httpx2; ImportError says how to get that."""
    try:
        from unbreakable.nodes.http import checking
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in ("httpx2", "httpcore2"):
            raise
        raise ImportError("APINode needs httpx2: pip install 'unbreakable[api]'", name="httpx2") from error
    return checking
