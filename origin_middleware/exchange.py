"""One request with a key, from its claim to its answer. Read it from the top."""

from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import partial
from typing import assert_never

from . import events
from .admission import Admission, Admitted
from .asgi import Receive, Scope, Send, declared_length
from .attempt import Attempt
from .client import Client, ClientGone, is_departure
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
from .key import Key
from .lease import first_claim, next_claim
from .policy import Policy
from .problem import refuse
from .reading import Reading, forget, read_before
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
from .request import (
    BodyTooLarge,
    NoRoom,
    RequestBody,
    fingerprint,
)
from .response import StoredResponse, marking
from .runtime import Runtime, event_loop
from .scope import Passage
from .trace import trace_of

# A claim, or a take-over.
_Make = Callable[[Key, Claim], Awaitable[Answer]]

# The key holds a record, so on_store_unavailable="execute" must not run the handler.
_KNOWN = (RecordDamaged, ResponseUnavailable)

# How long reading a response may take, whatever the patience, in seconds.
_READ = 1.0

# Requests of one key that may wait in one process: each holds a connection and a body.
_MOST_WAITING = 1_000


class Exchange:
    """One request with a key.

    Until it holds a claim, it is part of its request, which a server may cancel. The
    work that is done under a claim is not.
    """

    def __init__(
        self,
        runtime: Runtime,
        admission: Admission,
        policy: Policy,
        admitted: Admitted,
        scope: Scope,
    ) -> None:
        self._runtime = runtime
        self._admission = admission
        self._policy = policy
        self._admitted = admitted
        self._key = admitted.key
        self._scope = scope
        self._body = RequestBody()
        self._now = event_loop().time
        self._begun = self._claimed = self._now()
        self._waited = 0.0
        """Seconds spent on waiting for other attempts."""
        self._trace = NO_TRACE
        """Of the attempt that was found last."""
        self._on_record = False
        self._read_outside: Reading | None = None
        """By another instance."""

    async def run(self, receive: Receive, send: Send) -> None:
        """Raises what the handler raises, and what `send` raises."""
        ours: tuple[Claim, Execute | TakeOver | RunUnprotected] | None = None
        try:
            digest = await self._read(receive)
            if isinstance(digest, Refuse):
                await self._answer(digest, send)
            elif digest is not None:
                claim = first_claim(
                    self._policy, digest, trace_of(self._admitted.headers)
                )
                claim, decision = await self._ask(claim)
                if isinstance(decision, (Replay, Refuse)):
                    await self._answer(decision, send)
                else:
                    ours = claim, decision
            if ours is not None:
                client = Client(receive, send)
                try:
                    await self._runtime.outlive(client, self._carry_out(*ours, client))
                except Exception as error:
                    if is_departure(error):
                        client.raise_failure()
                    raise
                client.raise_failure()
        finally:
            if ours is None:
                self._body.close()
            if self._read_outside is not None:
                self._read_outside.begin(self._scope)
            elif self._on_record:
                forget(self._scope)

    async def _read(self, receive: Receive) -> Fingerprint | Refuse | None:
        """The whole request. None where the client left before its end."""
        scope, policy, reader = self._scope, self._policy, self._runtime
        limit = policy.max_request_bytes
        before = read_before(scope)
        if before is not None:
            if before.reader is not reader:
                self._read_outside = before
            receive, self._body = await before.again(reader, receive)
        Reading(reader, receive, self._body).begin(scope)
        try:
            declared = declared_length(self._admitted.headers)
            if limit is not None and declared is not None and declared > limit:
                return Refuse(Refusal.REQUEST_TOO_LARGE)
            if not await self._body.read(receive, limit):
                return None
        except BodyTooLarge:
            return Refuse(Refusal.REQUEST_TOO_LARGE)
        except NoRoom as full:
            return self._refusal(full)
        if self._admission.has_expired(self._admitted):
            return Refuse(Refusal.SIGNATURE_REFUSED)
        admitted, headers = self._admitted, policy.fingerprint_headers
        digest = self._body.digest
        return fingerprint(scope, digest, headers, admitted.tenant, admitted.proof)

    async def _ask(
        self, claim: Claim
    ) -> tuple[Claim, Verdict | TakeOver | RunUnprotected]:
        """The decision, and the last claim that was made for it."""
        if self._admitted.replays:
            return claim, await self._recorded(claim.fingerprint)
        answer: Answer | None = None
        try:
            answer = await self._send(self._runtime.store.claim, claim)
            return await self._follow(claim, answer)
        except NoRoom as full:
            return claim, self._refusal(full)
        except (StoreUnavailable, RecordDamaged) as error:
            refused = self._refusal(error)
            if answer is not None or isinstance(error, _KNOWN):
                return claim, refused  # another request executes, or may have
            return claim, decide_without_store(self._policy.on_store_unavailable)

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
            return self._refusal(error)
        if isinstance(seen, Finished):
            self._trace = seen.trace
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
                self._trace, patience_left = answer.trace, self._patience_left()
            elif isinstance(answer, Finished):
                self._trace = answer.trace
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

    def _is_crowded(self) -> bool:
        return self._runtime.waiting[self._key] >= _MOST_WAITING

    def _send(self, make: _Make, claim: Claim) -> Awaitable[Answer]:
        self._claimed = self._now()
        return make(self._key, claim)

    async def _wait(self, held: Held, timeout: float) -> Absent | Held | Finished:
        waiting, key, since = self._runtime.waiting, self._key, self._now()
        waiting[key] += 1
        try:
            await self._body.spool()
            return await self._runtime.store.wait(key, held, timeout)
        finally:
            self._waited += self._now() - since
            waiting[key] -= 1
            if not waiting[key]:
                del waiting[key]

    async def _carry_out(
        self,
        claim: Claim,
        decision: Execute | TakeOver | RunUnprotected,
        client: Client,
    ) -> None:
        first = True
        verdict: Verdict | RunUnprotected
        scope, store, key = self._scope, self._runtime.store, self._key
        try:
            if isinstance(decision, TakeOver):
                claim, first, verdict = await self._take_over(claim)
            else:
                verdict = decision
            if isinstance(verdict, Execute) and self._is_late(claim):
                verdict = await self._confirm(claim, verdict, first)
            if isinstance(verdict, (Replay, Refuse)):
                with suppress(ClientGone):  # `run` raises its reason
                    await self._answer(verdict, client.send)
                return
            with Passage(scope, store, key, client, signed=self._admission.verifies):
                match verdict:
                    case Execute(number):
                        attempt = Attempt(
                            key, first=first, number=number, begin=self._begin(claim)
                        )
                        self._on_record = await Execution(
                            self._runtime,
                            self._policy,
                            attempt,
                            claim,
                            scope,
                            client,
                            self._waited,
                        ).run(self._body)
                    case RunUnprotected():
                        await self._run_unprotected(client)
                    case _:
                        assert_never(verdict)
        finally:
            self._body.close()
            client.ask_no_more()

    async def _take_over(self, claim: Claim) -> tuple[Claim, bool, Verdict]:
        """The verdict, its claim, and whether no attempt was taken over after all."""
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
            return claim, first, self._refusal(error)

    async def _rule(self, claim: Claim, attempt: int) -> Verdict | None:
        """None where the key has to be claimed anew."""
        reconciler = self._policy.on_abandoned
        if callable(reconciler):
            method = self._scope["method"]
            case = Reconciliation(self._runtime, self._policy, method, self._key, claim)
            return await case.ask(reconciler, self._patience_left())
        self._runtime.observe(
            events.TakenOver, self._key, self._trace, policy=self._policy.name
        )
        return Execute(attempt)

    def _begin(self, claim: Claim) -> Callable[[], Awaitable[bool]]:
        return partial(self._runtime.store.begin_effects, self._key, claim)

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
            refused = self._refusal(error)
        with suppress(StoreUnavailable, RecordDamaged):  # or else the lease lapses
            await (store.release if first else store.abandon)(key, claim)
        return refused

    def _answer(self, verdict: Replay | Refuse, send: Send) -> Awaitable[None]:
        match verdict:
            case Replay(response):
                return self._replay(response, send)
            case Refuse(refusal):
                return self._refuse(refusal, send)
            case _:
                assert_never(verdict)

    async def _replay(self, recorded: bytes, send: Send) -> None:
        try:
            response = StoredResponse.from_bytes(recorded)
        except RecordDamaged as damaged:
            await self._refuse(self._refusal(damaged).refusal, send)
            return
        self._runtime.observe(
            events.Replayed,
            self._key,
            self._waited,
            self._elapsed(),
            self._trace,
            policy=self._policy.name,
        )
        self._on_record = True
        await response.replay(send)

    def _refusal(self, error: StoreUnavailable | RecordDamaged | NoRoom) -> Refuse:
        self._runtime.log_failure(error)
        match error:
            case NoRoom():
                return Refuse(Refusal.NO_ROOM)
            case RecordDamaged():
                return Refuse(Refusal.RECORD_DAMAGED)
            case StoreUnavailable():
                return Refuse(Refusal.STORE_UNAVAILABLE)

    async def _refuse(self, refusal: Refusal, send: Send) -> None:
        self._runtime.observe(
            events.Refused,
            self._key,
            refusal,
            self._waited,
            self._elapsed(),
            self._trace,
            policy=self._policy.name,
        )
        await refuse(send, refusal, key=self._key)

    async def _run_unprotected(self, client: Client) -> None:
        self._runtime.observe(
            events.RanUnprotected, self._key, policy=self._policy.name
        )
        receive = self._body.then(client.receive, client.seems_gone)
        send = marking(client.send) if self._policy.private else client.send
        await self._runtime.app(self._scope, receive, send)

    def _patience_left(self) -> float:
        return self._policy.patience - self._elapsed()

    def _elapsed(self) -> float:
        return self._now() - self._begun
