"""Bugs to plant in the middleware and in the store. What finds them is in docs/proof.md."""

from .bug import Bug, Change

_STORE = "stores/redis/"


def _in(file: str, name: str, old: str, new: str, *more: str) -> Bug:
    """`more`: another file, its old text and its new one, where two lines of defence
    have to go for a bug to show."""
    parts = (file, old, new, *more)
    changes = (
        Change(f"origin_middleware/{parts[at]}.py", *parts[at + 1 : at + 3])
        for at in range(0, len(parts), 3)
    )
    return Bug(name, tuple(changes))


BUGS = (
    # The claims of the store
    _in(
        _STORE + "claims",
        "a reply to a claim is believed although it was read too late",
        "            if now() > usable_until:\n"
        "                await self._renew(kind, name, claim)\n",
        "",
        "claimant",
        "return self._now() - self._claimed > claim.lease / 2",
        "return False",
    ),
    _in(
        _STORE + "claims",
        "a claim that ran out of time is not withdrawn",
        "                self._ghosts.add(ghost._replace(until=until))\n            raise",
        "                pass\n            raise",
    ),
    _in(
        _STORE + "ghosts",
        "a withdrawal counts as final while the claim may still arrive",
        "    return clock > ghost.not_after or ghost.not_after == APPLIED",
        "    return True",
    ),
    _in(
        _STORE + "claims",
        "claims have no not-after instant",
        "not_after = visit.endpoint.offset + round(visit.until * 1000) if trusted else 0",
        "not_after = 9_000_000_000_000 if trusted else 0",
    ),
    _in(
        _STORE + "claims",
        "the quarantine is ignored",
        "return not quarantine or self._calls.now() >= quarantine",
        "return True",
    ),
    _in(
        _STORE + "claims",
        "effects begin during a quarantine",
        "            if not self._trusts(visit):\n"
        '                raise _quarantined("no effects begin")\n',
        "",
    ),
    _in(
        _STORE + "claims",
        "a repeated claim does not recognise its own record",
        "                if found.owner != claim.owner:",
        "                if True:",
    ),
    _in(
        _STORE + "claims",
        "a claim in doubt is forgotten when another request holds the key",
        "                    self.released(claim, until)\n",
        "                    self.finished(claim)\n",
    ),
    _in(
        _STORE + "claims",
        "a take-over in doubt is released, not abandoned",
        "TAKE_OVER = Kind(scripts.TAKE_OVER, undo=scripts.ABANDON)",
        "TAKE_OVER = Kind(scripts.TAKE_OVER, undo=scripts.RELEASE)",
    ),
    _in(
        _STORE + "claims",
        "a cancelled claim is not noted as in doubt",
        "        except BaseException:\n            self._doubt(kind, name, claim, not_after)",
        "        except Exception:\n            self._doubt(kind, name, claim, not_after)",
    ),
    _in(
        _STORE + "claims",
        "a cancelled claim is not withdrawn",
        "        except BaseException:\n            if ghost :=",
        "        except Exception:\n            if ghost :=",
    ),
    _in(
        _STORE + "ghosts",
        "closing the store does not wait for claims in doubt",
        "            await asyncio.wait([self._task], timeout=until - now())\n",
        "            await asyncio.wait([self._task], timeout=min(0, until - now()))\n",
    ),
    _in(
        _STORE + "claims",
        "undoing an inquiry subtracts an attempt",
        "counted = 0 if kind is TAKE_OVER and claim.inquires else 1",
        "counted = 1",
    ),
    _in(
        _STORE + "claims",
        "a server's clock that was set is not read again",
        "            await visit.read_clock()\n            raise\n",
        "            raise\n",
    ),
    _in(
        _STORE + "ghosts",
        "a withdrawal waits for the server's clock, which may be set back",
        "    await visit.evaluate(ghost.undo, ghost.name, ghost.header, ghost.counted)\n",
        "    if clock > ghost.not_after or ghost.not_after == APPLIED:\n"
        "        await visit.evaluate(\n"
        "            ghost.undo, ghost.name, ghost.header, ghost.counted\n"
        "        )\n",
    ),
    _in(
        _STORE + "store",
        "a release forgets that a claim is in doubt",
        "        self._session.claims.released(claim)\n        if released",
        "        if released",
    ),
    _in(
        _STORE + "store",
        "a lost claim stays among the claims in doubt",
        "        if not renewed:\n            self._session.claims.released(claim)\n",
        "",
    ),
    # Connections
    _in(
        _STORE + "calls",
        "scripts are not sent again to a server that lost them",
        'if error.code == "NOSCRIPT" and not spelled_out:',
        "if False:",
    ),
    _in(
        _STORE + "shared_line",
        "a late reply goes to the next command",
        '                reply.set_exception(TimeoutError("no reply within the budget"))\n',
        '                reply.set_exception(TimeoutError("no reply within the budget"))\n'
        "        self._pending = deque(p for p in self._pending if not p[0].done())\n"
        "        if not self._pending:\n"
        "            return\n",
    ),
    _in(
        _STORE + "shared_line",
        "a silent connection is kept",
        "        if now >= self._due():",
        "        if False:",
    ),
    _in(
        _STORE + "safety",
        "a server that is not empty is trusted whatever its mark",
        'kept = seen.aof_enabled != "0" and marked and not seen.empty',
        'kept = seen.aof_enabled != "0" and not seen.empty',
    ),
    _in(
        _STORE + "safety",
        "a mark that a process had not seen before counts as the one from before",
        "return before == found and not unclear",
        "return before == found",
    ),
    _in(
        _STORE + "safety",
        "a server that lost this process's latest claim is trusted",
        'return begins == b"" and now() < at + kept',
        "return False",
    ),
    _in(
        _STORE + "safety",
        "a promoted replica is trusted",
        "            return not (self._replicated and seen.up > now() - continued.at + 1)",
        "            return False",
        _STORE + "safety",
        "            return promoted and not self._replicated",
        "            return False",
    ),
    _in(
        _STORE + "safety",
        "the quarantine counts from when a process hears of the restart",
        "since = told if seen.was_replica else told - seen.up",
        "since = told",
    ),
    _in(
        _STORE + "bodies",
        "a record that changes while its body is read counts as damaged",
        "            if await self._is_gone(name, place, record, until):",
        "            if True:",
    ),
    _in(
        "stores/waiting",
        "a lost wake-up is never made up for",
        "pause = min(_FLOOR, seen.lease_left)",
        "pause = seen.lease_left + 100",
        "stores/waiting",
        "        self._woken.set()\n        self.loop.call_later(_LAST_LOOK",
        "        self.loop.call_later(_LAST_LOOK",
    ),
    # What a request gets
    _in(
        "exchange",
        "a handler runs in the task of its request",
        "await self._runtime.outlive(client, self._carry_out(*ours, client))",
        "await self._carry_out(*ours, client)",
    ),
    _in(
        "claimant",
        "abandoned records are taken over whatever the policy",
        'takes_over = self._policy.on_abandoned != "refuse"',
        "takes_over = True",
    ),
    _in(
        "claimant",
        "a store that fails during a wait counts as unavailable from the start",
        "            if answer is not None or isinstance(error, _KNOWN):",
        "            if isinstance(error, _KNOWN):",
    ),
    _in(
        "claimant",
        "a second claim reuses the owner token of the first",
        "                    claim = next_claim(claim)\n"
        "                    answer = await self._send(self._runtime.store.claim, claim)",
        "                    answer = await self._send(self._runtime.store.claim, claim)",
    ),
    _in(
        "decision",
        "the fingerprint is ignored",
        "        case Held() | Finished() if answer.fingerprint != fingerprint:",
        "        case Held() | Finished() if not answer.fingerprint:",
    ),
    _in(
        "decision",
        "the handler runs without the store, whatever the policy",
        '    if on_store_unavailable == "execute":',
        "    if True:",
    ),
    _in(
        "decision",
        "requests wait for an attempt whose lease has lapsed",
        "    if held.abandoned:\n",
        "    if held.abandoned and patience_left <= 0:\n",
    ),
    # Execution and record
    _in(
        "execution",
        "outcome_unknown() releases the key",
        "            case Statement.OUTCOME_UNKNOWN:\n                return False",
        "            case Statement.OUTCOME_UNKNOWN:\n                return True",
    ),
    _in(
        "execution",
        'on_failure="refuse" is ignored',
        'return self._policy.on_failure == "release"',
        "return True",
    ),
    _in(
        "execution",
        "a handler that ends because its client has left counts as failed",
        "            case None if self._heard or self._recorder.told:",
        "            case None if False:",
    ),
    _in(
        "execution",
        "a cancelled handler counts as failed",
        "            if not is_interrupted(error):\n",
        "            if True:\n",
    ),
    _in(
        "execution",
        "a handler that raises does not count as failed",
        "            if not is_interrupted(error):\n                await self._failed(error)\n",
        "",
    ),
    _in(
        "persistence",
        "the key is released when the outcome cannot be written",
        "            self._runtime.observe(NotRecorded, self._key, policy=self._policy.name)\n",
        "            self._runtime.observe(NotRecorded, self._key, policy=self._policy.name)\n"
        "            with suppress(Exception):\n"
        "                await self._runtime.store.release(self._key, self._claim)\n",
    ),
    _in(
        "persistence",
        "an outcome that could not be written is not tried again",
        "            self._runtime.observe(NotRecorded, self._key, policy=self._policy.name)\n"
        "            self._postpone(write)\n",
        "            self._runtime.observe(NotRecorded, self._key, policy=self._policy.name)\n",
    ),
    _in(
        "persistence",
        "no event says that an outcome could not be written",
        "            self._runtime.observe(NotRecorded, self._key, policy=self._policy.name)\n",
        "",
    ),
    _in(
        "persistence",
        "a run that completes second sends its own response",
        "                if fingerprint == self.claim.fingerprint:",
        "                if False:",
    ),
    _in(
        "persistence",
        "a run that completes second answers with a different request's response",
        "                if fingerprint == self.claim.fingerprint:",
        "                if True:",
    ),
    _in(
        "lease",
        "the lease is not renewed",
        "        self._ticker.start(self._fire, self._claim.lease / 4)",
        "        pass",
    ),
    _in(
        "lease",
        "the lease is renewed only once",
        "        if ours:\n            self._await_next()\n",
        "        if ours:\n            pass\n",
    ),
    _in(
        "lease",
        "the first renewal comes when the lease has lapsed",
        "self._claim.lease / 4",
        "self._claim.lease",
    ),
    _in(
        "lease",
        "a renewal that crosses the completion reports a lost lease",
        "        if self._stopped:\n            return\n",
        "",
    ),
    _in(
        "reconciliation",
        "a run that a reconciler allows is not claimed anew",
        "            await self.runtime.store.release(self.key, self.claim)\n"
        "            return None\n",
        "            from .decision import Execute\n\n            return Execute(1)\n",
    ),
    _in(
        "reconciliation",
        "the lease is not renewed while a reconciler runs",
        "        renewal.start()\n",
        "",
    ),
    _in(
        "reconciliation",
        "a reconciler that does not know releases the key",
        "            await self.runtime.store.abandon(self.key, self.claim)",
        "            await self.runtime.store.release(self.key, self.claim)",
    ),
    _in(
        "recorder",
        "the last byte leaves before the record is written",
        "        canonical = await self._conclude(self._status, response)\n",
        "        with suppress(OSError):\n"
        "            await self._flush()\n"
        "        canonical = await self._conclude(self._status, response)\n",
    ),
    _in(
        "recorder",
        "a handler is told at once that its client has left",
        "        self.hides_disconnect = True",
        "        self.hides_disconnect = False",
    ),
    _in(
        "runtime",
        "a shutdown does not wait for handlers",
        "        await self._wait(now + within)\n",
        "",
    ),
    # Effects that are declared
    _in(
        "attempt",
        "effects begin although the claim is lost",
        "if self._begin is not None and not await self._begin():",
        "if self._begin is not None and await self._begin() is None:",
    ),
    _in(
        "attempt",
        "a handler that failed after its effects began counts as having done nothing",
        "        if self._begun:\n            return False\n",
        "",
    ),
    _in(
        "attempt",
        "effects that the store did not confirm count as begun",
        "return self._unconfirmed is None or self._unconfirmed is sys.exception()",
        "return self._unconfirmed is None",
    ),
    _in(
        "exchange",
        "the store is not told that effects begin",
        "        if await store.begin_effects(key, claim):",
        "        if await store.renew(key, claim):",
    ),
)
