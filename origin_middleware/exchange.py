"""One request with a key, from its body to its answer. Read it from the top."""

from collections.abc import Awaitable
from contextlib import suppress
from functools import partial
from typing import assert_never

from . import events
from .admission import Admission, Admitted
from .asgi import Receive, Scope, Send, declared_length
from .attempt import Attempt
from .claimant import Claimant
from .client import Client, ClientGone, is_departure
from .decision import Execute, Refusal, Refuse, Replay, RunUnprotected, TakeOver
from .errors import RecordDamaged
from .execution import Execution
from .policy import Policy
from .problem import refuse
from .reading import Reading, forget, read_before
from .record import Claim, Fingerprint
from .request import BodyTooLarge, NoRoom, RequestBody, fingerprint
from .response import StoredResponse, marking
from .runtime import Runtime
from .scope import Passage


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
        self._claimant = Claimant(runtime, policy, admitted, scope, self._body)
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
                claim, decision = await self._claimant.ask(digest)
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
            self._claimant.body = self._body
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
            return self._claimant.refusal(full)
        if self._admission.has_expired(self._admitted):
            return Refuse(Refusal.SIGNATURE_REFUSED)
        admitted, headers = self._admitted, policy.fingerprint_headers
        digest = self._body.digest
        return fingerprint(scope, digest, headers, admitted.tenant, admitted.proof)

    async def _carry_out(
        self,
        claim: Claim,
        decision: Execute | TakeOver | RunUnprotected,
        client: Client,
    ) -> None:
        scope, store, key = self._scope, self._runtime.store, self._key
        try:
            claim, first, verdict = await self._claimant.settle(claim, decision)
            if isinstance(verdict, (Replay, Refuse)):
                with suppress(ClientGone):  # `run` raises its reason
                    await self._answer(verdict, client.send)
                return
            with Passage(scope, store, key, client, signed=self._admission.verifies):
                match verdict:
                    case Execute(number):
                        attempt = Attempt(
                            key,
                            first=first,
                            number=number,
                            begin=partial(self._begin_effects, claim),
                        )
                        self._on_record = await Execution(
                            self._runtime,
                            self._policy,
                            attempt,
                            claim,
                            scope,
                            client,
                            self._claimant.waited,
                        ).run(self._body)
                    case RunUnprotected():
                        await self._run_unprotected(client)
                    case _:
                        assert_never(verdict)
        finally:
            self._body.close()
            client.ask_no_more()

    async def _begin_effects(self, claim: Claim) -> bool:
        store, key = self._runtime.store, self._key
        if await store.begin_effects(key, claim):
            return True
        # A background task begins when the outcome is on record.
        found = await store.look(key)
        return (
            found is not None and found.owner == claim.owner and found.ended is not None
        )

    async def _run_unprotected(self, client: Client) -> None:
        self._runtime.observe(
            events.RanUnprotected, self._key, policy=self._policy.name
        )
        receive = self._body.then(client.receive, client.seems_gone)
        send = marking(client.send) if self._policy.private else client.send
        await self._runtime.app(self._scope, receive, send)

    def _answer(self, verdict: Replay | Refuse, send: Send) -> Awaitable[None]:
        match verdict:
            case Replay(response):
                return self._replay(response, send)
            case Refuse(refusal):
                return self._refuse(refusal, send)
            case _:
                assert_never(verdict)

    async def _replay(self, recorded: bytes, send: Send) -> None:
        claimant = self._claimant
        try:
            response = StoredResponse.from_bytes(recorded)
        except RecordDamaged as damaged:
            await self._refuse(claimant.refusal(damaged).refusal, send)
            return
        self._runtime.observe(
            events.Replayed,
            self._key,
            claimant.waited,
            claimant.elapsed(),
            claimant.trace,
            policy=self._policy.name,
        )
        self._on_record = True
        await response.replay(send)

    async def _refuse(self, refusal: Refusal, send: Send) -> None:
        claimant = self._claimant
        self._runtime.observe(
            events.Refused,
            self._key,
            refusal,
            claimant.waited,
            claimant.elapsed(),
            claimant.trace,
            policy=self._policy.name,
        )
        await refuse(send, refusal, key=self._key)
