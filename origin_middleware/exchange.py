"""One request with a key, from its claim to its answer. Read it from the top."""

import asyncio
from collections.abc import Coroutine
from contextlib import suppress
from typing import Any, assert_never

from . import observer as seen
from .asgi import Receive, Scope, Send
from .attempt import Attempt
from .body import RequestBody
from .claiming import first_claim, next_claim
from .client import Client
from .decision import (
    ClaimAgain,
    Execute,
    Refusal,
    Refuse,
    Replay,
    RunUnprotected,
    TakeOver,
    Verdict,
    Wait,
    decide,
    decide_without_store,
)
from .errors import RecordDamaged, ResponseUnavailable, StoreUnavailable
from .execution import Execution
from .fingerprint import fingerprint
from .guard import Guard
from .key import Key
from .policy import Policy
from .problem import refuse
from .reconciliation import Reconciliation
from .record import Answer, Claim, Claimed
from .response import StoredResponse

# Whatever the policy for a store that is away: there is something under the key.
_KNOWN = (RecordDamaged, ResponseUnavailable)


class Exchange:
    """One request with a key.

    Until it holds a claim, it is part of its request, which a server may cancel. What
    is done under a claim is not.
    """

    _claim: Claim

    def __init__(self, guard: Guard, policy: Policy, key: Key, scope: Scope) -> None:
        self._guard = guard
        self._policy = policy
        self._key = key
        self._scope = scope
        self._body = RequestBody()
        self._first = True
        self._begun = asyncio.get_running_loop().time()

    async def run(self, receive: Receive, send: Send) -> None:
        """Raises what the handler raises."""
        work: Coroutine[Any, Any, None] | None = None
        client = Client(receive, send)
        try:
            if await self._body.read(receive):
                self._claim = self._first_claim()
                decision = await self._asked()
                if isinstance(decision, (Replay, Refuse)):
                    await self._answer(decision, send)
                else:
                    work = self._carried_out(decision, client)
        finally:
            if work is None:
                self._body.close()
        if work is not None:
            await self._guard.running.outlive(client, work)

    async def _asked(self) -> Verdict | TakeOver | RunUnprotected:
        answer: Answer | None = None
        try:
            answer = await self._guard.store.claim(self._key, self._claim)
            return await self._follow(answer)
        except (StoreUnavailable, RecordDamaged) as error:
            refused = self._refused(error)
            if answer is not None or isinstance(error, _KNOWN):
                return refused  # somebody else executes, or may have
            return decide_without_store(self._policy.on_store_unavailable)

    async def _follow(self, answer: Answer) -> Verdict | TakeOver:
        """What the answer leads to, after waiting while somebody else executes."""
        store, key, takes_over = self._guard.store, self._key, self._policy.takes_over
        while True:
            patience = self._patience_left()
            match decide(answer, self._claim.fingerprint, takes_over, patience):
                case Wait(held, timeout):
                    answer = await store.wait(key, held, timeout)
                case ClaimAgain():
                    answer = await store.claim(key, self._next_claim())
                case decision:
                    return decision

    async def _carried_out(
        self, decision: Execute | TakeOver | RunUnprotected, client: Client
    ) -> None:
        try:
            verdict = (
                await self._taken_over() if isinstance(decision, TakeOver) else decision
            )
            match verdict:
                case Execute():
                    attempt = Attempt(self._key, first=self._first)
                    execution = Execution(
                        self._guard, self._policy, attempt, self._claim
                    )
                    await execution.run(self._scope, self._body, client)
                case RunUnprotected():
                    await self._run_unprotected(client)
                case Replay() | Refuse():
                    await self._answer(verdict, client.send)
                case _:
                    assert_never(verdict)
        finally:
            self._body.close()

    async def _taken_over(self) -> Verdict:
        store, key = self._guard.store, self._key
        try:
            while True:
                answer = await store.take_over(key, self._next_claim())
                if isinstance(answer, Claimed):
                    verdict = await self._ruling()
                    if verdict is not None:
                        return verdict
                    answer = await store.claim(key, self._next_claim())
                decision = await self._follow(answer)
                if not isinstance(decision, TakeOver):
                    return decision
        except (StoreUnavailable, RecordDamaged) as error:
            return self._refused(error)

    async def _ruling(self) -> Verdict | None:
        """None where the key was taken from us while the reconciler was thinking."""
        self._first = False
        reconciler = self._policy.on_abandoned
        if callable(reconciler):
            method, claim = self._scope["method"], self._claim
            case = Reconciliation(self._guard, self._policy, method, self._key, claim)
            return await case.ask(reconciler, self._patience_left())
        self._guard.observe(seen.TakenOver(self._key))
        return Execute()

    async def _answer(self, verdict: Replay | Refuse, send: Send) -> None:
        match verdict:
            case Replay(response):
                await self._replay(response, send)
            case Refuse(refusal):
                await self._refuse(refusal, send)
            case _:
                assert_never(verdict)

    async def _replay(self, recorded: bytes, send: Send) -> None:
        try:
            response = StoredResponse.from_bytes(recorded)
        except RecordDamaged as damaged:
            await self._refuse(self._refused(damaged).refusal, send)
            return
        self._guard.observe(seen.Replayed(self._key, self._elapsed()))
        with suppress(OSError):
            await response.replay(send)

    def _refused(self, error: StoreUnavailable | RecordDamaged) -> Refuse:
        self._guard.complaints.add(error, asyncio.get_running_loop().time())
        damaged = isinstance(error, RecordDamaged)
        return Refuse(Refusal.RECORD_DAMAGED if damaged else Refusal.STORE_UNAVAILABLE)

    async def _refuse(self, refusal: Refusal, send: Send) -> None:
        self._guard.observe(seen.Refused(self._key, refusal, self._elapsed()))
        with suppress(OSError):
            await refuse(send, refusal)

    async def _run_unprotected(self, client: Client) -> None:
        self._guard.observe(seen.RanUnprotected(self._key))
        receive = self._body.given_then(client.receive)
        await self._guard.app(self._scope, receive, client.send)

    def _first_claim(self) -> Claim:
        return first_claim(self._policy, fingerprint(self._scope, self._body.digest))

    def _next_claim(self) -> Claim:
        self._claim = next_claim(self._claim)
        return self._claim

    def _patience_left(self) -> float:
        return self._policy.patience - self._elapsed()

    def _elapsed(self) -> float:
        return asyncio.get_running_loop().time() - self._begun
