"""One viewer request, from the first byte to the last.

    viewer ─▶ limits ─▶ behaviour ─▶ viewer-request ─┬▶ generated response ─▶ viewer
                                                     └▶ cache ─┬▶ hit ─▶ viewer
                                                               ▼
                     (error page) ◀─ origin-response ◀─ origin, or origin group

A failure anywhere is a page of CloudFront's own (errors.py): even when the origin has
answered already and only the function behind origin-response fails.
"""

from dataclasses import dataclass
from typing import assert_never

from starlette.types import Send

from .cache import CACHED_METHODS, cache_key, time_to_live
from .distribution import Behaviour
from .edge_location import EdgeLocation
from .errors import DistributionError, error_page
from .events import viewer_request_event
from .fetch import Answer, Fetch
from .messages import Request, Response
from .results import viewer_request_result
from .viewer import check, check_method, send_response


@dataclass(frozen=True, slots=True)
class Fetched:
    """What came of asking the origin, and for how many seconds it may be reused."""

    answer: Answer
    seconds: float


class Exchange:
    """One viewer request."""

    def __init__(self, location: EdgeLocation, request_id: str) -> None:
        self._location = location
        self._distribution = location.distribution
        self._request_id = request_id

    async def run(self, request: Request, send: Send) -> None:
        """Answer the viewer, with an error page if need be."""
        try:
            answer = await self._answer(request)
        except DistributionError as error:
            answer = Answer(error_page(error), error.x_cache)
        await send_response(
            send, request, answer.response, answer.x_cache, self._request_id
        )

    async def _answer(self, request: Request) -> Answer:
        check(request)
        behaviour = self._distribution.behaviour_for(request.path)
        check_method(request, behaviour.allowed_methods)
        outcome = await self._viewer_request(behaviour, request)
        match outcome:
            case Response():
                return Answer(outcome, "LambdaGeneratedResponse from cloudfront")
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
        return viewer_request_result(
            request, await self._location.function.invoke(event)
        )

    async def _through_cache(self, behaviour: Behaviour, request: Request) -> Answer:
        if not behaviour.cache_policy.caches or request.method not in CACHED_METHODS:
            return (await self._fetch(behaviour, request)).answer
        cache, key = self._location.cache, cache_key(request)
        async with cache.collapsing(key):
            kept = cache.lookup(key)
            if kept is not None:
                return Answer.of(kept, "Hit")
            fetched = await self._fetch(behaviour, request)
            cache.keep(key, fetched.answer.response, fetched.seconds)
            return fetched.answer

    async def _fetch(self, behaviour: Behaviour, request: Request) -> Fetched:
        answer = await self._ask(behaviour, request)
        # The time is that of the error, also where a page is delivered in its place.
        seconds = time_to_live(
            answer.response,
            behaviour.cache_policy,
            self._distribution.error_minimum_ttl(answer.response.status),
        )
        return Fetched(await self._customised(answer, request), seconds)

    async def _customised(self, answer: Answer, request: Request) -> Answer:
        custom = self._distribution.error_response(answer.response.status)
        if custom is None or custom.page is None or custom.response_status is None:
            return answer
        asked = request.for_page(custom.page.encode())
        page = await self._ask(self._distribution.behaviour_for(asked.path), asked)
        if page.response.status != 200:  # then the page's own error is what there is
            return page
        return page.with_status(custom.response_status, answer.x_cache)

    async def _ask(self, behaviour: Behaviour, request: Request) -> Answer:
        fetch = Fetch(self._location, behaviour, self._request_id)
        return await fetch.run(request)
