"""One line added to an app makes its retries safe.

    request ─▶ policy for it? ─ no ─▶ the app, untouched
                   │ yes
                   ▼
               admission: no key ─▶ the app, or 400    not from the gate ─▶ 401
                   │ key
                   ▼
               exchange: claim ─┬─ ours ─▶ execution: the handler runs, the response
                                │                     is recorded, then completed
                                ├─ finished ─▶ the recorded response
                                ├─ held ─▶ wait, ask again
                                └─ else ─▶ problem+json, status ≥ 400

Each word is a file of this folder.
"""

import time
from collections.abc import Iterable, Mapping
from typing import Any

from .admission import Admission, Clock, Denied
from .asgi import ASGIApp, Receive, Scope, Send
from .decision import Refusal
from .errors import ConfigurationError
from .events import (
    Event,
    LoggingObserver,
    Observer,
    Observers,
    Refused,
    one_or_several,
)
from .exchange import Exchange
from .key import ChecksApp
from .policy import Policy, is_async
from .problem import refuse
from .routes import PolicyOf, policy_of
from .runtime import Runtime
from .scope import is_held
from .stores import Budgeted, Store

NO_SECRETS: Mapping[str, bytes] = {}


class IdempotencyMiddleware:
    """`app.add_middleware(IdempotencyMiddleware, store=..., policy=..., secrets=...)`

    `policy` is one policy for every request, a mapping from paths to policies (`"/a"`
    or `"/api/*"`; the longest match decides), or a function of the ASGI scope. Requests
    without a policy pass untouched.

    `secrets` maps key ids to the gate's signing secrets; several, so that they can be
    rotated. A request whose key is not signed with one of them gets 401, on every path
    that has a policy. `clock_tolerance` is how many seconds the clocks of the gate and
    this machine may differ; `clock` gives Unix time.

    `observer` is told what happens. Pass one, several, or `()` for none. Without it, a
    `LoggingObserver` writes the log.

    Raises ConfigurationError for options that cannot work.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        store: Store,
        policy: Policy | Mapping[str, Policy] | PolicyOf = Policy(),
        secrets: Mapping[str, bytes] = NO_SECRETS,
        clock_tolerance: float = 5.0,
        observer: Observer | Iterable[Observer] | None = None,
        clock: Clock = time.time,
    ) -> None:
        _check_store(store)
        _check_function("clock", clock)
        observers = _observers(observer)
        self._runtime = Runtime(app, store, observers)
        self._admission = Admission(secrets, clock_tolerance, clock)
        self._budget = store.budget if isinstance(store, Budgeted) else 0.0
        self._policy_of = policy_of(policy, self._check)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        runtime = self._runtime
        policy = None
        match scope["type"]:
            case "http":
                if not isinstance(scope["headers"], list):  # any iterable may be there
                    scope["headers"] = list(scope["headers"])
                policy = self._policy_of(scope)
            case "websocket" if await self._is_closed(scope, send):
                return
            case "lifespan":
                receive, send = runtime.lifespan(receive, send)
        if policy is None or (found := self._admission.admit(scope, policy)) is None:
            await runtime.app(scope, receive, send)
            return
        if isinstance(found, Denied):
            runtime.observe(Refused, None, found.refusal, policy=policy.name)
            await refuse(send, found.refusal, found.detail)
        elif is_held(scope, runtime.store, found.key):
            await runtime.app(scope, receive, send)
        else:
            exchange = Exchange(runtime, self._admission, policy, found, scope)
            await exchange.run(receive, send)

    def _check(self, policy: Policy) -> None:
        self._admission.check(policy)
        key_of: object = policy.key_of
        if isinstance(key_of, ChecksApp):
            key_of.check_app(self._runtime.app)
        if policy.lease < 2 * self._budget:
            store = type(self._runtime.store).__name__
            raise ConfigurationError(
                f"Policy(lease={policy.lease!r}) must be at least twice the budget of "
                f"{store} ({self._budget!r} s), or a claim that is in doubt looks "
                "abandoned before it can be withdrawn. Give a lease of "
                f"{2 * self._budget:g} seconds or more, or the store a smaller budget: "
                f"{store}(budget={policy.lease / 2:g})."
            )

    async def _is_closed(self, scope: Scope, send: Send) -> bool:
        """A WebSocket has no response to record, so it is refused where a key is
        needed. It is closed before it is accepted, so its client gets 403.
        """
        # Its handshake is a GET (RFC 6455), and a function may ask for the method.
        policy = self._policy_of({"method": "GET", **scope})
        if policy is None or not policy.require_key:
            return False
        refusal = Refusal.KEY_MISSING
        self._runtime.observe(Refused, None, refusal, policy=policy.name)
        await send({"type": "websocket.close", "code": 1008})  # RFC 6455: policy
        return True


def _check_store(store: object) -> None:
    if isinstance(store, type) or not isinstance(store, Store):
        raise ConfigurationError(
            f"IdempotencyMiddleware(store={_name(store)}): store must be a store, such "
            "as MemoryStore() for one process, or RedisStore(client) around a "
            "redis.asyncio client."
        )


def _observers(given: Any) -> Observers[Event]:
    """Raises ConfigurationError."""
    if given is None:
        return Observers(LoggingObserver())
    observers = one_or_several(given)
    for each in observers:
        _check_function("observer", each)
    return Observers(*observers)


def _check_function(name: str, value: object) -> None:
    if isinstance(value, type) or not callable(value):
        raise ConfigurationError(
            f"IdempotencyMiddleware({name}={_name(value)}): {name} must be a function, "
            "or an object that can be called like one."
        )
    if is_async(value):
        raise ConfigurationError(
            f"IdempotencyMiddleware({name}={_name(value)}): {name} must be an ordinary "
            "function, not an async one: nobody would await it."
        )


def _name(value: object) -> str:
    """Not the repr of a client, which is long and may carry an address."""
    return value.__name__ if isinstance(value, type) else f"<{type(value).__name__}>"
