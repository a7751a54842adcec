"""The reasons for CloudFront to answer with a page of its own.

    DistributionError
    ├── ViewerRequestError     the viewer's request breaks a limit      400, 403, 413
    ├── FunctionError          the function timed out, or ended         503
    │   └── FunctionRaisedError   the function raised                   503
    ├── FunctionResultError    the function returned something invalid  502
    └── OriginError            the origin refused or broke off          502
        └── OriginTimeoutError the origin did not answer                504

AWS "Testing and debugging Lambda@Edge functions", "HTTP 502 status code (Bad Gateway)"
and "HTTP 504 status code (Gateway Timeout)".
"""

from html import escape
from http import HTTPStatus

from .messages import Response


class DistributionError(Exception):
    """The viewer gets an error page. The message says what to look at."""

    status: HTTPStatus
    x_cache = "Error from cloudfront"


class ViewerRequestError(DistributionError):
    """The request is not one CloudFront accepts."""

    def __init__(self, status: HTTPStatus, message: str) -> None:
        super().__init__(message)
        self.status = status


class FunctionError(DistributionError):
    """The function did not return."""

    status = HTTPStatus.SERVICE_UNAVAILABLE
    x_cache = "LambdaExecutionError from cloudfront"


class FunctionRaisedError(FunctionError):
    """The handler raised; its environment lives on, as Lambda's does."""


class FunctionResultError(DistributionError):
    """The function returned something that fails CloudFront's validation."""

    status = HTTPStatus.BAD_GATEWAY
    x_cache = "LambdaValidationError from cloudfront"

    def __init__(self, message: str) -> None:
        super().__init__(f"The Lambda function result failed validation: {message}.")


class OriginError(DistributionError):
    """The origin could not be connected to, or dropped the connection."""

    status = HTTPStatus.BAD_GATEWAY


class OriginTimeoutError(OriginError):
    """The origin did not answer within its timeout, as often as it was asked."""

    status = HTTPStatus.GATEWAY_TIMEOUT


def error_page(error: DistributionError) -> Response:
    """The page CloudFront generates; unlike the real one it says what went wrong."""
    body = (
        "<html><head><title>ERROR: The request could not be satisfied</title></head>"
        f"<body><h1>{error.status.value} ERROR</h1>"
        f"<p>{escape(str(error))}</p></body></html>\n"
    ).encode()
    headers = (
        (b"Content-Type", b"text/html"),
        (b"Content-Length", str(len(body)).encode()),
    )
    return Response(error.status.value, error.status.phrase, headers, body)
