"""One line added to an app makes its retries safe.

For each idempotency key the handler's side effects happen once, and every retry gets
the recorded response.

The flow of a request with a key is in `exchange.py`.
"""

import time
from typing import assert_never

from . import observer as seen
from .admission import Admitted, Clock, Denied, admit
from .asgi import ASGIApp, Receive, Scope, Send
from .attempt import attempt_of
from .complaints import Complaints
from .exchange import Exchange
from .guard import Guard
from .middleware_checks import check
from .observer import LoggingObserver, Observer, contained
from .policy import Policy, PolicyOf, policy_of
from .problem import refuse
from .running import Running
from .stores import Store


class IdempotencyMiddleware:
    """`app.add_middleware(IdempotencyMiddleware, store=..., policy=Policy(...))`

    `policy` may be a function of the ASGI scope, for apps whose paths differ; where it
    returns None, the request is passed through untouched.
    `clock` is Unix time, for the lifetime of signatures.
    Raises ConfigurationError for a store or a policy that cannot work.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        store: Store,
        policy: Policy | PolicyOf = Policy(),
        observer: Observer | None = None,
        clock: Clock = time.time,
    ) -> None:
        check(store, observer, clock)
        observe = contained(observer or LoggingObserver())
        self._guard = Guard(app, store, observe, Running(), Complaints())
        self._policy = policy if isinstance(policy, Policy) else None
        self._policy_of = policy_of(policy)
        self._clock = clock

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        guard = self._guard
        policy = None
        if scope["type"] == "http":
            policy = self._policy or self._policy_of(scope)
        elif scope["type"] == "lifespan":
            receive, send = guard.running.lifespan(receive, send, guard.store)
        if policy is None or (admission := admit(scope, policy, self._clock)) is None:
            await guard.app(scope, receive, send)
            return
        match admission:
            case Denied(refusal, detail):
                guard.observe(seen.Refused(None, refusal))
                await refuse(send, refusal, detail)
            case Admitted() if attempt_of(scope):  # another one of us is outside
                await guard.app(scope, receive, send)
            case Admitted(key):
                await Exchange(guard, policy, key, scope).run(receive, send)
            case _:
                assert_never(admission)
