"""What AWS calls. Each trigger has three beats: convert, ask the gate, act."""

import time
from collections.abc import Callable, Mapping

from . import cloudfront, gate, log, refusal, settlement, signature
from .facilitator import Facilitator
from .hints import Any, NamedTuple, Protocol, assert_never
from .intent import (
    INTENT_HEADER,
    PROOF_HEADER,
    REPLAY_HEADER,
    carried,
    contract_headers,
)
from .memory import Memory
from .routes import Route, Table
from .settings import Settings, SettingsError, read

# The trigger's own timeout is 5 s and CloudFront answers it with a 503: be first.
LONGEST_CALL = 2.5
# What converting, logging and returning may take on the smallest Lambda.
RESERVE = 0.75

Clock = Callable[[], float]
Handler = Callable[[Any, Any], Any]


class Context(Protocol):
    """The part of Lambda's context that is used."""

    def get_remaining_time_in_millis(self) -> int: ...


class Edge:
    """Both triggers under one set of settings. It answers any event and never raises:
    that would be a 503, on origin-response in place of a paid response."""

    def __init__(
        self,
        settings: Settings,
        facilitator: Facilitator | None = None,
        *,
        now: Clock = time.time,
        clock: Clock = time.monotonic,
    ) -> None:
        self._settings = settings
        self._routes = Table(settings.routes)
        self._facilitator = facilitator or _facilitator(settings, now)
        self._now = now
        self._clock = clock

    def __call__(self, event: Any, context: Context | None) -> Any:
        try:
            match cloudfront.trigger(event):
                case "viewer-request":
                    return self._viewer_request(event, context)
                case "origin-response":
                    return self._origin_response(event, context)
        except Exception as bug:  # any bug, see above
            cors = refusal.cors(
                self._settings.allowed_origins, cloudfront.origin(event)
            )
            return _answer_failure(event, log.described(bug), self._now(), cors)
        return cloudfront.untouched(event)

    def _viewer_request(self, event: Any, context: Context | None) -> Any:
        request = cloudfront.viewer_request(event)
        admission = gate.admit(request.method, request.path, self._routes)
        match admission:
            case gate.Free() if request.method == "OPTIONS":
                return cloudfront.without_overrides(request.forwarded)
            case gate.Free():
                return request.forwarded
            case gate.Ambiguous():
                return refusal.ambiguous_path(self._cors(request.headers))
            case gate.Gated() if request.opens_websocket:
                return refusal.websocket(self._cors(request.headers))
            case gate.Gated():
                return self._verify(admission, request, context)
            case _:
                assert_never(admission)

    def _verify(
        self,
        gated: gate.Gated,
        request: cloudfront.ViewerRequest,
        context: Context | None,
    ) -> Any:
        route, since = gated.route, self._moment()
        verdict = self._facilitator.judge(
            route, request, self._now, _seconds_for_a_call(context)
        )
        occasion = log.Occasion(self._now(), request.path, request.request_id)
        log.verified(
            occasion,
            route.resource_id,
            verdict,
            self._latency(since),
            self._facilitator.payment_header in request.headers,
        )
        match verdict:
            case gate.Forward():
                told = _told(verdict, route)
                return self._forwarded(request, told, verdict.expires)
            case gate.PaymentRequired(headers=dict(headers)):
                return refusal.demand(headers, self._cors(request.headers))
            case gate.PaymentRequired(reason, requirement):
                cors = self._cors(request.headers)
                return refusal.payment_required(reason, requirement, cors)
            case gate.Malformed(reason):
                return refusal.malformed(reason, self._cors(request.headers))
            case gate.Unavailable():
                return refusal.unavailable(self._cors(request.headers))
            case _:
                assert_never(verdict)

    def _cors(self, headers: Mapping[str, str]) -> Mapping[str, str]:
        return refusal.cors(self._settings.allowed_origins, headers.get("origin"))

    def _forwarded(
        self,
        request: cloudfront.ViewerRequest,
        told: dict[str, str],
        expires: float | None,
    ) -> cloudfront.Event:
        """With the contract headers, signed if there is a key."""
        if self._settings.signing:
            message = signature.Message(
                request.method, request.path, request.query, told
            )
            key = self._settings.signing[0]
            told = told | signature.signed(message, key, self._now(), expires)
        forwarded = cloudfront.without_overrides(request.forwarded)
        return cloudfront.with_headers(forwarded, told)

    def _origin_response(self, event: Any, context: Context | None) -> object:
        response = cloudfront.origin_response(event)
        reply = self._reply(response, context)
        if reply.instead is not None:
            return cloudfront.in_place_of(event, reply.instead)
        tells = self._settings.x402 is not None and response.override is not None
        if reply.added or tells:
            return cloudfront.adjusted(event, reply.added or {})
        return cloudfront.untouched(event)

    def _reply(
        self, response: cloudfront.OriginResponse, context: Context | None
    ) -> "_Reply":
        admission = gate.admit(response.method, response.path, self._routes)
        if not isinstance(admission, gate.Gated):
            return _UNTOUCHED
        conclusion = settlement.conclude(
            admission, self._delivery(response), self._settings.settle
        )
        match conclusion:
            case settlement.NotOurs():
                return _UNTOUCHED
            case settlement.Skip():
                self._log_skipped(response, conclusion)
                return _UNTOUCHED
            case settlement.Replay(intent, status):
                skipped = settlement.Skip(intent, status, "the payment is used")
                self._log_skipped(response, skipped)
                return _UNTOUCHED
            case settlement.Settle():
                return self._settle(admission.route, conclusion, response, context)
            case _:
                assert_never(conclusion)

    def _log_skipped(
        self, response: cloudfront.OriginResponse, skip: settlement.Skip
    ) -> None:
        occasion = log.Occasion(self._now(), response.path, response.request_id)
        log.settle_skipped(occasion, skip)

    def _delivery(self, response: cloudfront.OriginResponse) -> settlement.Delivery:
        intent, resource_id, network = carried(response.headers)
        message = signature.Message(
            response.method, response.path, response.query, response.headers
        )
        return settlement.Delivery(
            method=response.method,
            status=response.status,
            intent=intent,
            resource_id=resource_id,
            network=network,
            distrust=signature.distrust(message, self._settings.signing),
            replay=response.headers.get(REPLAY_HEADER) if self._settings.x402 else None,
        )

    def _settle(
        self,
        route: Route,
        due: settlement.Settle,
        response: cloudfront.OriginResponse,
        context: Context | None,
    ) -> "_Reply":
        since = self._moment()
        seconds = _seconds_for_a_call(context, self._facilitator.longest_settle)
        outcome = self._facilitator.conclude(route, due, response, seconds)
        occasion = log.Occasion(self._now(), response.path, response.request_id)
        log.settled(occasion, due, outcome, self._latency(since))
        cors = self._cors(response.headers)
        if settlement.withholds(outcome, self._settings.refused):
            if outcome.headers is not None:
                return _Reply(refusal.demand(outcome.headers, cors))
            return _Reply(refusal.payment_required(outcome.reason, None, cors))
        match outcome:
            case settlement.Unpayable():
                return _Reply(refusal.unpayable(cors))
            case settlement.Unsettled(withheld=True):
                return _Reply(refusal.unsettled(cors))
            case settlement.Settled(headers=dict(added)):
                return _Reply(None, added)
        return _UNTOUCHED

    def _moment(self) -> tuple[float, int]:
        return self._clock(), self._facilitator.questions

    def _latency(self, since: tuple[float, int]) -> int:
        """In milliseconds; 0 if nothing was asked, however slow this machine is."""
        started, questions = since
        if self._facilitator.questions == questions:
            return 0
        return round((self._clock() - started) * 1000)


class _Reply(NamedTuple):
    instead: cloudfront.Event | None = None
    """Of the origin's response."""
    added: dict[str, str] | None = None


_UNTOUCHED = _Reply()


def _facilitator(settings: Settings, now: Clock) -> Facilitator:
    """Imported here, because a bundle carries one of the two."""
    if settings.x402 is None:
        from .nexflow import NexFlow  # noqa: PLC0415 - see above

        return NexFlow(settings, memory=Memory(now))
    from .x402.facilitator import X402  # noqa: PLC0415 - see above

    return X402(settings, memory=Memory(now), now=now)


def _told(verdict: gate.Forward, route: Route) -> dict[str, str]:
    network = verdict.network or route.network
    told = contract_headers(verdict.intent, route.resource_id, network)
    if verdict.proof is not None:
        told[PROOF_HEADER] = verdict.proof
    if verdict.used:
        told[REPLAY_HEADER] = told.pop(INTENT_HEADER)
    return told


def bundled() -> Handler:
    """Called while Lambda initialises, when it has the most CPU.

    A bundle whose settings cannot be read still answers:
    raising here would be a 503 on every path, the free ones included."""
    try:
        return Edge(read())
    except SettingsError as wrong:
        error = str(wrong)
    except Exception as bug:  # the same reason
        error = log.described(bug)
    return lambda event, _context: _answer_failure(event, error, time.time())


def _answer_failure(
    event: Any, error: str, now: float, cors: Mapping[str, str] | None = None
) -> Any:
    """When something of ours went wrong: 500, or the untouched response.

    A bug of ours is not "payment required", and takes no response away."""
    occasion = log.Occasion(now, cloudfront.path(event), cloudfront.request_id(event))
    match cloudfront.trigger(event):
        case "viewer-request":
            has_payment = cloudfront.has_payment(event)
            log.verified(occasion, None, gate.Unavailable(error), 0, has_payment)
            return refusal.unavailable(cors or {})
        case "origin-response":
            log.settled(occasion, None, settlement.Unsettled(error), 0)
    return cloudfront.untouched(event)


def _seconds_for_a_call(
    context: Context | None, longest: float = LONGEST_CALL
) -> float:
    """Less than the trigger has left, or what fails closed or open never runs."""
    if context is None:
        return longest
    return min(longest, context.get_remaining_time_in_millis() / 1000 - RESERVE)
