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
        "a claim that is read too late is believed",
        "            if now() > usable_until:\n"
        "                await self._renew(kind, name, claim)\n",
        "",
        "exchange",
        "return self._now() - self._claimed > claim.lease / 2",
        "return False",
    ),
    _in(
        _STORE + "claims",
        "a claim that is given up is not withdrawn",
        "                self._ghosts.add(ghost._replace(until=until))\n            raise",
        "                pass\n            raise",
    ),
    _in(
        _STORE + "claims",
        "a withdrawal is taken for conclusive at once",
        "    return clock > ghost.not_after or ghost.not_after == _APPLIED",
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
        "a quarantine is ignored",
        "trusted = not quarantine or self._calls.now() >= quarantine",
        "trusted = True",
    ),
    _in(
        _STORE + "claims",
        "a claim does not recognise itself",
        "                if found.owner != claim.owner:",
        "                if True:",
    ),
    _in(
        _STORE + "claims",
        "a try in doubt is forgotten where another holds the key",
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
        "a claim that is cancelled is not in doubt",
        "        except BaseException:\n            self._doubt(kind, name, claim, not_after)",
        "        except Exception:\n            self._doubt(kind, name, claim, not_after)",
    ),
    _in(
        _STORE + "claims",
        "a claim that is cancelled is not withdrawn",
        "        except BaseException:\n            if ghost :=",
        "        except Exception:\n            if ghost :=",
    ),
    _in(
        _STORE + "claims",
        "to close does not wait for claims in doubt",
        "            await asyncio.wait([self._task], timeout=until - now())\n",
        "            await asyncio.wait([self._task], timeout=min(0, until - now()))\n",
    ),
    _in(
        _STORE + "claims",
        "an inquiry that is undone takes an attempt along",
        "counted = 0 if kind is TAKE_OVER and claim.inquires else 1",
        "counted = 1",
    ),
    _in(
        _STORE + "claims",
        "somebody has set the server's clock, and nobody asks for it",
        "            await visit.read_clock()\n            raise\n",
        "            raise\n",
    ),
    _in(
        _STORE + "claims",
        "a withdrawal waits for a clock that was set back",
        "    await visit.evaluate(ghost.undo, ghost.name, ghost.header, ghost.counted)\n",
        "    if clock > ghost.not_after or ghost.not_after == _APPLIED:\n"
        "        await visit.evaluate(\n"
        "            ghost.undo, ghost.name, ghost.header, ghost.counted\n"
        "        )\n",
    ),
    _in(
        _STORE + "store",
        "a release forgets that a try is in doubt",
        "        self._session.claims.released(claim)\n        return released\n",
        "        return released\n",
    ),
    _in(
        _STORE + "store",
        "a claim that is lost leaves its doubt behind",
        "        if not renewed:\n            self._session.claims.released(claim)\n",
        "",
    ),
    # Connections
    _in(
        _STORE + "calls",
        "a server that has lost the scripts is not given them",
        'if error.code == "NOSCRIPT" and not spelled_out:',
        "if False:",
    ),
    _in(
        _STORE + "shared_line",
        "a reply that comes late goes to the next command",
        '                reply.set_exception(TimeoutError("no reply within the budget"))\n',
        '                reply.set_exception(TimeoutError("no reply within the budget"))\n'
        "        self._pending = deque(p for p in self._pending if not p[0].done())\n"
        "        if not self._pending:\n"
        "            return\n",
    ),
    _in(
        _STORE + "shared_line",
        "a connection that is silent is kept",
        "        if now >= self._due():",
        "        if False:",
    ),
    _in(
        _STORE + "safety",
        "a server that is not empty is trusted, whatever its mark",
        'kept = seen.aof_enabled != "0" and marked and not seen.empty',
        'kept = seen.aof_enabled != "0" and not seen.empty',
    ),
    _in(
        _STORE + "safety",
        "a server that lost our latest claim is trusted",
        'return begins == b"" and now() < expires',
        "return False",
    ),
    _in(
        _STORE + "safety",
        "a replica that was promoted is trusted",
        "            return not (self._replicated and seen.up > now() - continued.at + 1)",
        "            return False",
        _STORE + "safety",
        "            return promoted and not self._replicated",
        "            return False",
    ),
    _in(
        _STORE + "safety",
        "a quarantine begins when a process hears of it",
        "since = told if seen.was_replica else told - seen.up",
        "since = told",
    ),
    _in(
        _STORE + "bodies",
        "a body and its record, seen at different times, count as damaged",
        "            if await self._is_gone(name, place, record, until):",
        "            if True:",
    ),
    _in(
        "stores/waiting",
        "a wake-up that is lost is never made good",
        "pause = min(_FLOOR, seen.lease_left)",
        "pause = seen.lease_left + 100",
        "stores/waiting",
        "        self._woken.set()\n        self.loop.call_later(_LAST_LOOK",
        "        self.loop.call_later(_LAST_LOOK",
    ),
    # What a request gets
    _in(
        "exchange",
        "the work of a claim is part of its request",
        "await self._runtime.outlive(client, self._carry_out(*ours, client))",
        "await self._carry_out(*ours, client)",
    ),
    _in(
        "exchange",
        "what is abandoned is taken over, whatever the policy",
        'takes_over = self._policy.on_abandoned != "refuse"',
        "takes_over = True",
    ),
    _in(
        "exchange",
        "a store that goes away in the middle counts as one that was away",
        "            if answer is not None or isinstance(error, _KNOWN):",
        "            if isinstance(error, _KNOWN):",
    ),
    _in(
        "exchange",
        "a claim that is made again has the token of the first",
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
        "without a store the handler runs",
        '    if on_store_unavailable == "execute":',
        "    if True:",
    ),
    _in(
        "decision",
        "an attempt that has lapsed is waited for",
        "    if held.abandoned:\n",
        "    if held.abandoned and patience_left <= 0:\n",
    ),
    # Execution and record
    _in(
        "execution",
        "an outcome that is unknown is given back",
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
        "a handler that is told that its client has left has failed",
        "            case None if self._heard or self._recorder.told:",
        "            case None if False:",
    ),
    _in(
        "execution",
        "a handler that is cancelled has failed",
        "            if not is_interrupted(error):\n",
        "            if True:\n",
    ),
    _in(
        "execution",
        "a handler that raises has not failed",
        "            if not is_interrupted(error):\n                await self._failed(error)\n",
        "",
    ),
    _in(
        "persistence",
        "what cannot be recorded is given back",
        "            self._runtime.observe(NotRecorded, self._key, policy=self._policy.name)\n",
        "            self._runtime.observe(NotRecorded, self._key, policy=self._policy.name)\n"
        "            with suppress(Exception):\n"
        "                await self._runtime.store.release(self._key, self._claim)\n",
    ),
    _in(
        "persistence",
        "what cannot be recorded is not tried again",
        "            self._runtime.observe(NotRecorded, self._key, policy=self._policy.name)\n"
        "            self._postpone(write)\n",
        "            self._runtime.observe(NotRecorded, self._key, policy=self._policy.name)\n",
    ),
    _in(
        "persistence",
        "what could not be recorded is told to nobody",
        "            self._runtime.observe(NotRecorded, self._key, policy=self._policy.name)\n",
        "",
    ),
    _in(
        "persistence",
        "a run that comes second answers for itself",
        "                if fingerprint == self.claim.fingerprint:",
        "                if False:",
    ),
    _in(
        "persistence",
        "a run that comes second answers with another request's response",
        "                if fingerprint == self.claim.fingerprint:",
        "                if True:",
    ),
    _in(
        "lease",
        "a lease is not renewed",
        "        self._ticker.start(self._fire, self._claim.lease / 4)",
        "        pass",
    ),
    _in(
        "lease",
        "a lease is renewed once",
        "        if ours:\n            self._await_next()\n",
        "        if ours:\n            pass\n",
    ),
    _in(
        "lease",
        "a lease is renewed when it has lapsed",
        "self._claim.lease / 4",
        "self._claim.lease",
    ),
    _in(
        "lease",
        "a renewal that crosses the end of its claim raises an alarm",
        "        if self._stopped:\n            return\n",
        "",
    ),
    _in(
        "reconciliation",
        "a ruling is carried out under a claim that may be lost",
        "            return Execute(attempt) if ours else None",
        "            return Execute(attempt)",
    ),
    _in(
        "reconciliation",
        "a lease is not renewed while a reconciler thinks",
        "        renewal.start()\n",
        "",
    ),
    _in(
        "reconciliation",
        "what nobody knows is given back",
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
        "a handler hears that its client has left, and is cut off",
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
        "effects begin though the claim is lost",
        "        if not await self._begin():\n",
        "        if await self._begin() is None:\n",
    ),
    _in(
        "execution",
        "a handler that failed after its effects began has done nothing",
        "return declared and not self._attempt.effects_may_have_begun",
        "return declared",
    ),
    _in(
        "exchange",
        "that effects begin is not told to the store",
        "        return partial(self._runtime.store.begin_effects, self._key, claim)",
        "        return partial(self._runtime.store.renew, self._key, claim)",
    ),
)
