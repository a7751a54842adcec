"""Asking an origin, or an origin group, with origin-response after each answer."""

from dataclasses import dataclass, replace
from http import HTTPStatus
from typing import Self, assert_never

from .distribution import Behaviour
from .edge_location import EdgeLocation
from .errors import OriginError, error_page
from .events import origin_response_event
from .messages import Request, Response
from .origin_request import origin_request
from .origins import FAILED_OVER, Origin, OriginGroup
from .results import origin_response_result


@dataclass(frozen=True, slots=True)
class Answer:
    """What the viewer gets, and the X-Cache that says where it came from."""

    response: Response
    x_cache: str

    @classmethod
    def of(cls, response: Response, outcome: str) -> Self:
        """A response with a `Hit` or a `Miss`, which an error hides."""
        said = "Error" if response.status >= 400 else outcome
        return cls(response, f"{said} from cloudfront")

    def with_status(self, status: int, x_cache: str) -> "Answer":
        """The same body under another status."""
        reason = HTTPStatus(status).phrase
        return Answer(replace(self.response, status=status, reason=reason), x_cache)


class Fetch:
    """What one behaviour does on a miss."""

    def __init__(
        self, location: EdgeLocation, behaviour: Behaviour, request_id: str
    ) -> None:
        self._location = location
        self._distribution = location.distribution
        self._behaviour = behaviour
        self._request_id = request_id

    async def run(self, request: Request) -> Answer:
        """The answer of the origin, or of the one that stands in for it."""
        target = self._distribution.target_of(self._behaviour)
        match target:
            case Origin():
                return await self._from_origin(target, request)
            case OriginGroup():
                return await self._from_group(target, request)
            case _:
                assert_never(target)

    async def _from_group(self, group: OriginGroup, request: Request) -> Answer:
        if request.method not in FAILED_OVER:
            return await self._from_origin(group.primary, request)
        try:
            answer, status = await self._ask(group.primary, request)
        except OriginError:
            return await self._from_origin(group.secondary, request)
        if status in group.statuses:
            return await self._from_origin(group.secondary, request)
        return answer

    async def _from_origin(self, origin: Origin, request: Request) -> Answer:
        try:
            answer, _ = await self._ask(origin, request)
        except OriginError as error:
            # Counts as the origin's 5xx and is cached as one, but triggers nothing.
            return Answer(error_page(error), error.x_cache)
        return answer

    async def _ask(self, origin: Origin, request: Request) -> tuple[Answer, int]:
        """What is delivered, and the status that the origin itself gave."""
        policy = self._behaviour.origin_request_policy
        sent = origin_request(request, policy, origin, self._request_id)
        response = await self._location.client_of(origin).fetch(sent)
        answered = await self._origin_response(origin, sent, response)
        return Answer.of(answered, "Miss"), response.status

    async def _origin_response(
        self, origin: Origin, request: Request, response: Response
    ) -> Response:
        if not self._behaviour.origin_response:
            return response
        event = origin_response_event(
            self._distribution, origin, self._request_id, request, response
        )
        return origin_response_result(
            response, await self._location.function.invoke(event)
        )
