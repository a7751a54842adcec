"""The emulator: an ASGI app that treats each request as CloudFront would.

    viewer ─▶ limits ─▶ behaviour ─▶ viewer-request ─┬▶ generated response ─▶ viewer
                                                     └▶ cache ─┬▶ hit ─▶ viewer
                                                               ▼
                                       origin ─▶ origin-response ─▶ viewer

A failure anywhere is a page of CloudFront's own (errors.py): even when the origin has
answered already and only the function behind origin-response fails.
"""

import secrets
import time
from dataclasses import dataclass
from typing import assert_never

from starlette.types import Receive, Scope, Send

from .cache import CACHED_METHODS, Cache, Clock, cache_key, time_to_live
from .distribution import Behaviour, Distribution
from .errors import DistributionError, OriginError, error_page
from .events import origin_response_event, viewer_request_event
from .lambda_function import LambdaFunction
from .messages import Request, Response
from .origin import OriginClient
from .origin_request import origin_request
from .results import origin_response_result, viewer_request_result
from .viewer import check, receive_request, send_response


class CloudFront:
    """One distribution. Serve it with `server_config`."""

    def __init__(
        self, distribution: Distribution, *, clock: Clock = time.monotonic
    ) -> None:
        self.distribution = distribution
        self.function = LambdaFunction(distribution.function)
        self.origin = OriginClient(distribution.origin)
        self.cache = Cache(clock)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._lifespan(receive, send)
            return
        if scope["type"] != "http":
            raise NotImplementedError(f"CloudFront does not do {scope['type']} here")
        request = await receive_request(scope, receive)
        if request is not None:
            await Exchange(self, secrets.token_urlsafe(40)).run(request, send)

    async def _lifespan(self, receive: Receive, send: Send) -> None:
        await receive()
        await self.function.open()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await self.function.close()
        await self.origin.close()
        await send({"type": "lifespan.shutdown.complete"})


@dataclass(frozen=True, slots=True)
class Answer:
    """What the viewer gets, and the X-Cache that says where it came from."""

    response: Response
    x_cache: str


class Exchange:
    """One viewer request."""

    def __init__(self, cloudfront: CloudFront, request_id: str) -> None:
        self._cloudfront = cloudfront
        self._distribution = cloudfront.distribution
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
            request, await self._cloudfront.function.invoke(event)
        )

    async def _through_cache(self, behaviour: Behaviour, request: Request) -> Answer:
        if not behaviour.cache_policy.caches or request.method not in CACHED_METHODS:
            return await self._from_origin(behaviour, request)
        cache, key = self._cloudfront.cache, cache_key(request)
        async with cache.collapsing(key):
            kept = cache.lookup(key)
            if kept is not None:
                return Answer(kept, _x_cache(kept, "Hit"))
            answer = await self._from_origin(behaviour, request)
            error_minimum = self._distribution.error_caching_minimum_ttl
            seconds = time_to_live(
                answer.response, behaviour.cache_policy, error_minimum
            )
            cache.keep(key, answer.response, seconds)
            return answer

    async def _from_origin(self, behaviour: Behaviour, request: Request) -> Answer:
        sent = origin_request(
            request,
            behaviour.origin_request_policy,
            self._distribution.origin,
            self._request_id,
        )
        try:
            response = await self._cloudfront.origin.fetch(sent)
        except OriginError as error:
            # Counts as the origin's 5xx and is cached as one, but triggers nothing.
            return Answer(error_page(error), error.x_cache)
        response = await self._origin_response(behaviour, sent, response)
        return Answer(response, _x_cache(response, "Miss"))

    async def _origin_response(
        self, behaviour: Behaviour, request: Request, response: Response
    ) -> Response:
        if not behaviour.origin_response:
            return response
        event = origin_response_event(
            self._distribution, self._request_id, request, response
        )
        return origin_response_result(
            response, await self._cloudfront.function.invoke(event)
        )


def _x_cache(response: Response, outcome: str) -> str:
    return f"{'Error' if response.status >= 400 else outcome} from cloudfront"
