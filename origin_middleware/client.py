"""The connection to whoever asked. It may vanish at any time; the handler's work does
not depend on it.
"""

from .asgi import Message, Receive, Send


class ClientGone(OSError):
    """ASGI's sign that a message has nobody to go to."""


class Client:
    __slots__ = ("_send", "gone", "receive")

    def __init__(self, receive: Receive, send: Send) -> None:
        self.receive = receive
        self._send = send
        self.gone = False

    async def send(self, message: Message) -> None:
        """Raises OSError once the client is gone, and from then on without asking the
        server.

        A server whose request was cancelled has answered 500 itself; it takes further
        messages for a bug of ours.
        """
        if self.gone:
            raise ClientGone
        try:
            await self._send(message)
        except OSError:
            self.gone = True
            raise
