"""A request that wants its key: it claims, waits for other attempts and takes over,
until there is a verdict.
"""

from collections.abc import Awaitable, Callable
from contextlib import suppress

from . import events
from .admission import Admitted
from .asgi import Scope
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
from .key import Key
from .lease import first_claim, next_claim
from .policy import Policy
from .reconciliation import Reconciliation
from .record import (
    NO_TRACE,
    Absent,
    Answer,
    Claim,
    Claimed,
    Fingerprint,
    Finished,
    Held,
)
from .request import NoRoom, RequestBody
from .runtime import Runtime, event_loop
from .trace import trace_of

# A claim, or a take-over.
_Make = Callable[[Key, Claim], Awaitable[Answer]]

# The key holds a record, so on_store_unavailable="execute" must not run the handler.
_KNOWN = (RecordDamaged, ResponseUnavailable)

# How long reading a response may take, whatever the patience, in seconds.
_READ = 1.0

# Requests of one key that may wait in one process: each holds a connection and a body.
_MOST_WAITING = 1_000


class Claimant:
    """One request, from its first claim to the verdict."""

    def __init__(
        self,
        runtime: Runtime,
        policy: Policy,
        admitted: Admitted,
        scope: Scope,
        body: RequestBody,
    ) -> None:
        self._runtime = runtime
        self._policy = policy
        self._admitted = admitted
        self._key = admitted.key
        self._scope = scope
        self.body = body
        """Goes to disk before a wait."""
        self._now = event_loop().time
        self._begun = self._claimed = self._now()
        self.waited = 0.0
        """Seconds spent on waiting for other attempts."""
        self.trace = NO_TRACE
        """Of the attempt that was found last."""

    async def ask(
        self, digest: Fingerprint
    ) -> tuple[Claim, Verdict | TakeOver | RunUnprotected]:
        """The decision, and the last claim that was made for it."""
        claim = first_claim(self._policy, digest, trace_of(self._admitted.headers))
        if self._admitted.replays:
            return claim, await self._recorded(digest)
        answer: Answer | None = None
        try:
            answer = await self._send(self._runtime.store.claim, claim)
            return await self._follow(claim, answer)
        except NoRoom as full:
            return claim, self.refusal(full)
        except (StoreUnavailable, RecordDamaged) as error:
            refused = self.refusal(error)
            if answer is not None or isinstance(error, _KNOWN):
                return claim, refused  # another request executes, or may have
            return claim, decide_without_store(self._policy.on_store_unavailable)

    async def settle(
        self, claim: Claim, decision: Execute | TakeOver | RunUnprotected
    ) -> tuple[Claim, bool, Verdict | RunUnprotected]:
        """The verdict, its claim, and whether no attempt was taken over."""
        first = True
        verdict: Verdict | RunUnprotected
        if isinstance(decision, TakeOver):
            claim, first, verdict = await self._take_over(claim)
        else:
            verdict = decision
        if isinstance(verdict, Execute) and self._is_late(claim):
            verdict = await self._confirm(claim, verdict, first)
        return claim, first, verdict

    def refusal(self, error: StoreUnavailable | RecordDamaged | NoRoom) -> Refuse:
        self._runtime.log_failure(error)
        match error:
            case NoRoom():
                return Refuse(Refusal.NO_ROOM)
            case RecordDamaged():
                return Refuse(Refusal.RECORD_DAMAGED)
            case StoreUnavailable():
                return Refuse(Refusal.STORE_UNAVAILABLE)

    def elapsed(self) -> float:
        return self._now() - self._begun

    async def _recorded(self, digest: Fingerprint) -> Replay | Refuse:
        """Without a claim, because the payment of this request is used."""
        held = Held(digest, self._policy.lease)  # as if; what is on record ends a wait
        try:
            found = await self._runtime.store.look(self._key)
            if found is None:
                return Refuse(Refusal.NOT_ON_RECORD)
            if found.fingerprint not in (None, digest):
                return Refuse(Refusal.DIFFERENT_REQUEST)
            if self._is_crowded():
                return Refuse(Refusal.IN_PROGRESS)
            seen = await self._wait(held, max(_READ, self._patience_left()))
        except (StoreUnavailable, RecordDamaged, NoRoom) as error:
            return self.refusal(error)
        if isinstance(seen, Finished):
            self.trace = seen.trace
        match decide(seen, digest, takes_over=False, patience_left=0.0):
            case Replay() | Refuse() as verdict:
                return verdict
            case _:
                return Refuse(Refusal.NOT_ON_RECORD)

    async def _follow(
        self, claim: Claim, answer: Answer
    ) -> tuple[Claim, Verdict | TakeOver]:
        """The decision about the answer, after waiting for other attempts."""
        digest = claim.fingerprint
        takes_over = self._policy.on_abandoned != "refuse"
        while True:
            patience_left = 0.0
            if isinstance(answer, Held):
                self.trace, patience_left = answer.trace, self._patience_left()
            elif isinstance(answer, Finished):
                self.trace = answer.trace
            match decide(answer, digest, takes_over, patience_left):
                case Wait(held, timeout):
                    if self._is_crowded():
                        return claim, Refuse(Refusal.IN_PROGRESS)
                    answer = await self._wait(held, timeout)
                case ClaimAgain():
                    claim = next_claim(claim)
                    answer = await self._send(self._runtime.store.claim, claim)
                case decision:
                    return claim, decision

    async def _take_over(self, claim: Claim) -> tuple[Claim, bool, Verdict]:
        store, first, asked = self._runtime.store, True, False
        try:
            while True:
                claim = next_claim(claim)
                answer = await self._send(store.take_over, claim)
                if isinstance(answer, Held) and not answer.abandoned:
                    asked = callable(self._policy.on_abandoned)
                if isinstance(answer, Claimed):
                    first = False
                    verdict = await self._rule(claim, answer.attempt)
                    if verdict is not None:
                        return claim, first, verdict
                    claim = next_claim(claim)
                    answer = await self._send(store.claim, claim)
                claim, decision = await self._follow(claim, answer)
                if not isinstance(decision, TakeOver):
                    return claim, first, decision
                if asked:  # the reconciler, by another request: it does not know
                    return claim, first, Refuse(Refusal.OUTCOME_UNKNOWN)
        except (StoreUnavailable, RecordDamaged, NoRoom) as error:
            return claim, first, self.refusal(error)

    async def _rule(self, claim: Claim, attempt: int) -> Verdict | None:
        """None where the key has to be claimed anew."""
        reconciler = self._policy.on_abandoned
        if callable(reconciler):
            method = self._scope["method"]
            case = Reconciliation(self._runtime, self._policy, method, self._key, claim)
            return await case.ask(reconciler, self._patience_left())
        self._runtime.observe(
            events.TakenOver, self._key, self.trace, policy=self._policy.name
        )
        return Execute(attempt)

    def _is_late(self, claim: Claim) -> bool:
        """Has so much time passed since the claim was sent that its lease may lapse
        before the first renewal? Then this process was stalled.
        """
        return self._now() - self._claimed > claim.lease / 2

    async def _confirm(
        self, claim: Claim, execute: Execute, first: bool
    ) -> Execute | Refuse:
        """A claim that may have been taken over meanwhile starts no handler."""
        store, key = self._runtime.store, self._key
        try:
            self._claimed = self._now()
            if not await store.renew(key, claim):
                return Refuse(Refusal.IN_PROGRESS)
            if not self._is_late(claim):
                return execute
            refused = Refuse(Refusal.STORE_UNAVAILABLE)
        except (StoreUnavailable, RecordDamaged) as error:
            refused = self.refusal(error)
        with suppress(StoreUnavailable, RecordDamaged):  # or else the lease lapses
            await (store.release if first else store.abandon)(key, claim)
        return refused

    def _send(self, make: _Make, claim: Claim) -> Awaitable[Answer]:
        self._claimed = self._now()
        return make(self._key, claim)

    async def _wait(self, held: Held, timeout: float) -> Absent | Held | Finished:
        waiting, key, since = self._runtime.waiting, self._key, self._now()
        waiting[key] += 1
        try:
            await self.body.spool()
            return await self._runtime.store.wait(key, held, timeout)
        finally:
            self.waited += self._now() - since
            waiting[key] -= 1
            if not waiting[key]:
                del waiting[key]

    def _is_crowded(self) -> bool:
        return self._runtime.waiting[self._key] >= _MOST_WAITING

    def _patience_left(self) -> float:
        return self._policy.patience - self.elapsed()
