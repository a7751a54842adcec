"""One viewer request, from the first byte to the last.

    viewer ─▶ limits ─▶ behaviour ─▶ viewer-request ─┬▶ generated response ─▶ viewer
                                                     └▶ cache ─┬▶ hit ─▶ viewer
                                                               ▼
                     (error page) ◀─ origin-response ◀─ origin, or origin group

A failure anywhere is a page of CloudFront's own (errors.py): even when the origin has
answered already and only the function behind origin-response fails.
"""

from dataclasses import dataclass, replace
from http import HTTPStatus
from typing import Self, assert_never

from starlette.types import Send

from .cache import CACHED_METHODS, Cache, Clock, cache_key, time_to_live
from .distribution import FAILED_OVER, Behaviour, Distribution, Origin, OriginGroup
from .errors import DistributionError, OriginError, error_page
from .events import origin_response_event, viewer_request_event
from .lambda_function import LambdaFunction
from .messages import Request, Response
from .origin import OriginClient, origin_request
from .results import origin_response_result, viewer_request_result
from .transcript import Transcript
from .viewer import check, check_method, send_response


class EdgeLocation:
    """One place where CloudFront serves a distribution, and what it keeps between
    requests: warm functions, cached responses, connections to the origins."""

    def __init__(
        self,
        distribution: Distribution,
        clock: Clock,
        function: LambdaFunction | None = None,
    ) -> None:
        self.distribution = distribution
        self.function = function or LambdaFunction(distribution.function)
        self.cache = Cache(clock)
        self._clients = {each: OriginClient(each) for each in distribution.origins()}

    def client_of(self, origin: Origin) -> OriginClient:
        """The client that asks this origin."""
        return self._clients[origin]

    async def open(self) -> None:
        """Before the first request."""
        await self.function.open()

    async def close(self) -> None:
        """After the last one; nothing of it is left behind."""
        await self.function.close()
        for client in self._clients.values():
            await client.close()


@dataclass(frozen=True, slots=True)
class ViewerResponse:
    """A response for the viewer, and the X-Cache that says where it came from."""

    response: Response
    x_cache: str

    @classmethod
    def of(cls, response: Response, outcome: str) -> Self:
        """A response with a `Hit` or a `Miss`, which an error hides."""
        said = "Error" if response.status >= 400 else outcome
        return cls(response, f"{said} from cloudfront")

    def with_status(self, status: int, x_cache: str) -> "ViewerResponse":
        """The same body under another status."""
        reason = HTTPStatus(status).phrase
        return ViewerResponse(
            replace(self.response, status=status, reason=reason), x_cache
        )


class Pipeline:
    """One viewer request."""

    def __init__(
        self, location: EdgeLocation, request_id: str, transcript: Transcript
    ) -> None:
        self._location = location
        self._distribution = location.distribution
        self._request_id = request_id
        self._transcript = transcript

    async def run(self, request: Request, send: Send) -> int:
        """Answer the viewer, with an error page if need be. Returns the status."""
        try:
            answer = await self._answer(request)
        except DistributionError as error:
            self._transcript.add("CloudFront", f"{error.status.value}: {error}")
            answer = ViewerResponse(error_page(error), error.x_cache)
        await send_response(
            send, request, answer.response, answer.x_cache, self._request_id
        )
        return answer.response.status

    async def _answer(self, request: Request) -> ViewerResponse:
        check(request)
        behaviour = self._distribution.behaviour_for(request.path)
        check_method(request, behaviour.allowed_methods)
        outcome = await self._viewer_request(behaviour, request)
        match outcome:
            case Response():
                return ViewerResponse(
                    outcome, "LambdaGeneratedResponse from cloudfront"
                )
            case Request():
                return await self._through_cache(behaviour, outcome)
            case _:
                assert_never(outcome)

    async def _viewer_request(
        self, behaviour: Behaviour, request: Request
    ) -> Request | Response:
        if not behaviour.viewer_request:
            return request
        event = viewer_request_event(self._distribution, self._request_id, request)
        log: list[str] = []
        outcome = None
        try:
            result = await self._location.function.invoke(event, log)
            outcome = viewer_request_result(request, result)
        finally:
            self._transcript.viewer_request(log, outcome)
        return outcome

    async def _through_cache(
        self, behaviour: Behaviour, request: Request
    ) -> ViewerResponse:
        if not behaviour.cache_policy.caches or request.method not in CACHED_METHODS:
            return (await self._fetch(behaviour, request))[0]
        cache, key = self._location.cache, cache_key(request)
        async with cache.collapsing(key):
            entry = cache.lookup(key)
            if entry is not None:
                self._transcript.add("cache", f"hit: {entry.status}")
                return ViewerResponse.of(entry, "Hit")
            answer, seconds = await self._fetch(behaviour, request)
            cache.keep(key, answer.response, seconds)
            return answer

    async def _fetch(
        self, behaviour: Behaviour, request: Request
    ) -> tuple[ViewerResponse, float]:
        """The answer, and for how many seconds it may be reused."""
        answer = await self._ask(behaviour, request)
        # The time is that of the error, also where a page is delivered in its place.
        seconds = time_to_live(
            answer.response,
            behaviour.cache_policy,
            self._distribution.error_minimum_ttl(answer.response.status),
        )
        return await self._customised(answer, request), seconds

    async def _customised(
        self, answer: ViewerResponse, request: Request
    ) -> ViewerResponse:
        custom = self._distribution.error_response(answer.response.status)
        if custom is None or custom.page is None or custom.response_status is None:
            return answer
        asked = request.for_page(custom.page.encode())
        page = await self._ask(self._distribution.behaviour_for(asked.path), asked)
        if page.response.status != 200:  # then the page's own error is what there is
            return page
        return page.with_status(custom.response_status, answer.x_cache)

    async def _ask(self, behaviour: Behaviour, request: Request) -> ViewerResponse:
        """The answer of the origin, or of the one that stands in for it."""
        target = self._distribution.target_of(behaviour)
        match target:
            case Origin():
                return await self._from_origin(target, behaviour, request)
            case OriginGroup():
                return await self._from_group(target, behaviour, request)
            case _:
                assert_never(target)

    async def _from_group(
        self, group: OriginGroup, behaviour: Behaviour, request: Request
    ) -> ViewerResponse:
        if request.method not in FAILED_OVER:
            return await self._from_origin(group.primary, behaviour, request)
        try:
            answer, status = await self._ask_origin(group.primary, behaviour, request)
        except OriginError:
            return await self._from_origin(group.secondary, behaviour, request)
        if status in group.statuses:
            return await self._from_origin(group.secondary, behaviour, request)
        return answer

    async def _from_origin(
        self, origin: Origin, behaviour: Behaviour, request: Request
    ) -> ViewerResponse:
        try:
            answer, _ = await self._ask_origin(origin, behaviour, request)
        except OriginError as error:
            # Counts as the origin's 5xx and is cached as one, but triggers nothing.
            return ViewerResponse(error_page(error), error.x_cache)
        return answer

    async def _ask_origin(
        self, origin: Origin, behaviour: Behaviour, request: Request
    ) -> tuple[ViewerResponse, int]:
        """The response to deliver, and the status that the origin itself gave."""
        policy = behaviour.origin_request_policy
        sent = origin_request(request, policy, origin, self._request_id)
        client = self._location.client_of(origin)
        response = await client.fetch(sent, self._transcript)
        delivered = response
        if behaviour.origin_response:
            delivered = await self._origin_response(origin, sent, response)
        return ViewerResponse.of(delivered, "Miss"), response.status

    async def _origin_response(
        self, origin: Origin, request: Request, response: Response
    ) -> Response:
        event = origin_response_event(
            self._distribution, origin, self._request_id, request, response
        )
        log: list[str] = []
        delivered = None
        try:
            result = await self._location.function.invoke(event, log)
            delivered = origin_response_result(response, result)
        finally:
            self._transcript.origin_response(log, returned=delivered is not None)
        return delivered
