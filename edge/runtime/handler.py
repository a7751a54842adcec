"""What AWS calls. Each trigger has three beats: convert, ask the gate, act."""

import time
from collections.abc import Callable, Mapping

from . import cloudfront, gate, log, refusal, settlement, signature
from .facilitator import Facilitator
from .hints import Any, Protocol, assert_never
from .intent import carried, contract_headers
from .memory import Memory
from .routes import Table
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
        self._facilitator = facilitator or Facilitator(settings, memory=Memory(now))
        self._now = now
        self._clock = clock

    def __call__(self, event: Any, context: Context | None) -> Any:
        try:
            match cloudfront.trigger(event):
                case "viewer-request":
                    return self._viewer_request(event, context)
                case "origin-response":
                    withheld = self._origin_response(event, context)
                    if withheld:
                        return cloudfront.in_place_of(event, withheld)
        except Exception as bug:  # any bug, see above
            cors = refusal.cors(
                self._settings.allowed_origins, cloudfront.origin(event)
            )
            return _answer_failure(event, _described(bug), self._now(), cors)
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
        route, started = gated.route, self._clock()
        answer = self._facilitator.verify(
            route, request.headers, _seconds_for_a_call(context)
        )
        verdict = gate.judge(answer, self._now(), self._settings.lifetime)
        occasion = log.Occasion(self._now(), request.path, request.request_id)
        log.verified(
            occasion,
            route.resource_id,
            verdict,
            self._milliseconds_since(started),
            request.has_payment,
        )
        match verdict:
            case gate.Forward(intent, expires):
                told = contract_headers(intent, route.resource_id, route.network)
                return self._forwarded(request, told, expires)
            case gate.PaymentRequired(reason, requirement):
                cors = self._cors(request.headers)
                return refusal.payment_required(reason, requirement, cors)
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

    def _origin_response(
        self, event: Any, context: Context | None
    ) -> cloudfront.Event | None:
        """The replacement for the response; None if the response goes out."""
        response = cloudfront.origin_response(event)
        admission = gate.admit(response.method, response.path, self._routes)
        conclusion = settlement.conclude(
            admission, self._delivery(response), self._settings.settle
        )
        match conclusion:
            case settlement.NotOurs():
                return None
            case settlement.Skip():
                log.settle_skipped(
                    log.Occasion(self._now(), response.path, response.request_id),
                    conclusion,
                )
                return None
            case settlement.Settle():
                return self._settle(conclusion, response, context)
            case _:
                assert_never(conclusion)

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
        )

    def _settle(
        self,
        due: settlement.Settle,
        response: cloudfront.OriginResponse,
        context: Context | None,
    ) -> cloudfront.Event | None:
        started = self._clock()
        outcome = settlement.outcome(
            self._facilitator.settle(due, _seconds_for_a_call(context))
        )
        occasion = log.Occasion(self._now(), response.path, response.request_id)
        log.settled(occasion, due, outcome, self._milliseconds_since(started))
        if settlement.withholds(outcome, self._settings.refused):
            cors = self._cors(response.headers)
            return refusal.payment_required(outcome.reason, None, cors)
        return None

    def _milliseconds_since(self, started: float) -> int:
        return round((self._clock() - started) * 1000)


def bundled() -> Handler:
    """Called while Lambda initialises, when it has the most CPU.

    A bundle whose settings cannot be read still answers:
    raising here would be a 503 on every path, the free ones included."""
    try:
        return Edge(read())
    except SettingsError as wrong:
        error = str(wrong)
    except Exception as bug:  # the same reason
        error = _described(bug)
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


def _described(bug: Exception) -> str:
    """Where and what kind. Not the message: it may quote the event."""
    trace = bug.__traceback__
    while trace and trace.tb_next:
        trace = trace.tb_next
    place = (
        f" in {trace.tb_frame.f_code.co_name}, line {trace.tb_lineno}" if trace else ""
    )
    return f"{type(bug).__name__}{place}"


def _seconds_for_a_call(context: Context | None) -> float:
    """Less than the trigger has left, or what fails closed or open never runs."""
    if context is None:
        return LONGEST_CALL
    return min(LONGEST_CALL, context.get_remaining_time_in_millis() / 1000 - RESERVE)
