"""One line added to an app: for each idempotency key the handler's side effects happen
once,
and every retry gets the recorded response.

The flow of a request with a key is `Exchange`, read from the top.
"""

import asyncio
import logging
import secrets
from contextlib import suppress
from typing import assert_never

from . import observer as seen
from .asgi import ASGIApp, Receive, Scope, Send
from .body import RequestBody
from .client import Client
from .decision import (
    ClaimAgain,
    Decision,
    Execute,
    Refusal,
    Refuse,
    Replay,
    RunUnprotected,
    TakeOver,
    Wait,
    decide,
    decide_without_store,
)
from .errors import ConfigurationError, RecordDamaged, StoreUnavailable
from .execution import Execution, Guard
from .fingerprint import fingerprint
from .key import Key, MalformedKey, read_key
from .lifecycle import Answer, Claim, Claimed, OwnerToken
from .observer import Event, LoggingObserver, Observer
from .policy import Policy
from .problem import refuse
from .response import StoredResponse
from .running import Running
from .stores import Store


class IdempotencyMiddleware:
    """`app.add_middleware(IdempotencyMiddleware, store=..., policy=Policy(...))`

    Raises ConfigurationError for a store or a policy that cannot work.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        store: Store,
        policy: Policy = Policy(),
        observer: Observer | None = None,
    ) -> None:
        _check(store, policy)
        observe = _contained(observer or LoggingObserver())
        self._guard = Guard(app, store, policy, observe, Running())
        self._header = policy.header.lower().encode("ascii")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        guard = self._guard
        if scope["type"] == "lifespan":
            receive, send = guard.running.lifespan(receive, send, guard.store)
        if scope["type"] != "http":
            await guard.app(scope, receive, send)
            return
        match read_key(scope["headers"], self._header):
            case None if not guard.policy.require_key:
                await guard.app(scope, receive, send)
            case None:
                await self._refuse(send, Refusal.KEY_MISSING, "send it as")
            case MalformedKey(reason):
                await self._refuse(send, Refusal.KEY_MALFORMED, reason)
            case key:
                client = Client(receive, send)
                await guard.running.outlive(
                    client, Exchange(guard, key, scope, client).run()
                )

    async def _refuse(self, send: Send, refusal: Refusal, reason: str) -> None:
        self._guard.observe(seen.Refused(None, refusal))
        await refuse(send, refusal, f"{self._guard.policy.header}: {reason}.")


class Exchange:
    """One request with a key. Lives in a task that the request cannot cancel."""

    def __init__(self, guard: Guard, key: Key, scope: Scope, client: Client) -> None:
        self._guard = guard
        self._key = key
        self._scope = scope
        self._client = client
        self._body = RequestBody()
        self._begun = asyncio.get_running_loop().time()

    async def run(self) -> None:
        try:
            if await self._body.read(self._client.receive):
                await self._answer(self._claim())
        finally:
            self._body.close()

    async def _answer(self, claim: Claim) -> None:
        match await self._verdict(claim):
            case Execute():
                execution = Execution(self._guard, self._key, claim)
                await execution.run(self._scope, self._body, self._client)
            case Replay(response):
                await self._replay(response)
            case Refuse(refusal):
                await self._refuse(refusal)
            case RunUnprotected():
                await self._run_unprotected()
            case unreachable:
                assert_never(unreachable)

    async def _verdict(
        self, claim: Claim
    ) -> Execute | Replay | Refuse | RunUnprotected:
        try:
            return await self._ask(claim)
        except StoreUnavailable:
            return decide_without_store(self._guard.policy.on_store_unavailable)
        except RecordDamaged:
            return Refuse(Refusal.RECORD_DAMAGED)

    async def _ask(self, claim: Claim) -> Execute | Replay | Refuse:
        """Claim the key, and wait while somebody else executes."""
        store, key = self._guard.store, self._key
        answer = await store.claim(key, claim)
        while True:
            match self._decide(answer, claim):
                case Wait(held, timeout):
                    answer = await store.wait(key, held, timeout)
                case ClaimAgain():
                    answer = await store.claim(key, claim)
                case TakeOver():
                    answer = await store.take_over(key, claim)
                    if isinstance(answer, Claimed):
                        self._guard.observe(seen.TakenOver(key))
                case verdict:
                    return verdict

    def _decide(self, answer: Answer, claim: Claim) -> Decision:
        policy = self._guard.policy
        patience_left = policy.patience - self._elapsed()
        return decide(answer, claim.fingerprint, policy.on_abandoned, patience_left)

    def _claim(self) -> Claim:
        policy = self._guard.policy
        return Claim(
            owner=OwnerToken(secrets.token_bytes(16)),
            fingerprint=fingerprint(self._scope, self._body.digest),
            lease=policy.lease,
            retention=policy.retention,
        )

    async def _replay(self, recorded: bytes) -> None:
        try:
            response = StoredResponse.from_bytes(recorded)
        except RecordDamaged:
            await self._refuse(Refusal.RECORD_DAMAGED)
            return
        self._guard.observe(seen.Replayed(self._key, self._elapsed()))
        with suppress(OSError):
            await response.replay(self._client.send)

    async def _refuse(self, refusal: Refusal) -> None:
        self._guard.observe(seen.Refused(self._key, refusal))
        with suppress(OSError):
            await refuse(self._client.send, refusal)

    async def _run_unprotected(self) -> None:
        self._guard.observe(seen.RanUnprotected(self._key))
        receive = self._body.given_then(self._client.receive)
        await self._guard.app(self._scope, receive, self._client.send)

    def _elapsed(self) -> float:
        return asyncio.get_running_loop().time() - self._begun


def _check(store: Store, policy: Policy) -> None:
    if isinstance(store, type) or not isinstance(store, Store):
        raise ConfigurationError(
            f"IdempotencyMiddleware(store={store!r}): store must be a store, such as "
            "MemoryStore() for one process, or RedisStore(client) around a "
            "redis.asyncio client."
        )
    if not isinstance(policy, Policy):
        raise ConfigurationError(
            f"IdempotencyMiddleware(policy={policy!r}): policy must be a Policy(...)."
        )


def _contained(observer: Observer) -> Observer:
    """An observer that fails must not fail the request it was told about."""

    def observe(event: Event, /) -> None:
        try:
            observer(event)
        except Exception:  # a watcher may raise anything
            logging.getLogger("origin_middleware").exception("The observer failed.")

    return observe
