"""The two HTTP messages that travel through a distribution, in their own bytes."""

from dataclasses import dataclass, replace

Headers = tuple[tuple[bytes, bytes], ...]


@dataclass(frozen=True, slots=True)
class Request:
    """A request as the viewer sent it, or as it goes to the origin."""

    method: str
    path: bytes
    query: bytes
    headers: Headers
    body: bytes
    client_ip: str

    @property
    def target(self) -> bytes:
        """Raw path and query. ASGI does not tell `/a?` from `/a`: its `?` is lost."""
        return self.path + b"?" + self.query if self.query else self.path

    def for_page(self, path: bytes) -> "Request":
        """The request for an error page: a GET, with the headers of this one."""
        return replace(self, method="GET", path=path, query=b"", body=b"")

    @property
    def size(self) -> int:
        """Bytes of request line and headers, as on the wire."""
        return (
            len(f"{self.method}  HTTP/1.1\r\n") + len(self.target) + size(self.headers)
        )


@dataclass(frozen=True, slots=True)
class Response:
    """A response, buffered whole."""

    status: int
    reason: str
    headers: Headers
    body: bytes


def size(headers: Headers) -> int:
    """Bytes of the header lines, as on the wire."""
    return sum(len(name) + len(value) + len(b": \r\n") for name, value in headers)


def values(headers: Headers, name: bytes) -> list[bytes]:
    """Every value of one header, in order; `name` in lower case."""
    return [value for key, value in headers if key.lower() == name]


def without(headers: Headers, *names: bytes) -> Headers:
    """The headers less those named; `names` in lower case."""
    return tuple(pair for pair in headers if pair[0].lower() not in names)
