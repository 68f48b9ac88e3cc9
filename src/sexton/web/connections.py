"""Connections of strangers have an end: whoever sends half a request, or reads no answer, does not keep probes out."""

from __future__ import annotations

import asyncio

from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

HEAD = 5.0
"""Seconds in which a whole request has to come, the first one and each that follows on the same connection."""

ANSWER = 15.0
"""Seconds in which the answer has to be made and read."""

MAX_CONNECTIONS = 128
"""Connections at a time; for one more the one that has waited longest is ended."""

MAX_REQUESTS = 32
"""Requests that are worked on at a time; who comes then gets 503. A monitor needs one. Probes are always answered."""

PROBES = ("/healthz", "/readyz")


class Connection(H11Protocol):
    """One connection, and the timer that ends it."""

    since = 0.0
    """Loop time from which it waits for a request."""

    _timer: asyncio.TimerHandle | None = None
    _last = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Somebody has come."""
        super().connection_made(transport)
        self._wait()
        self._make_room()

    def handle_events(self) -> None:
        """Some bytes have come; they may complete a request."""
        before = self.cycle
        super().handle_events()
        if self.cycle is not before:
            self._end_in(ANSWER)

    def on_response_complete(self) -> None:
        """The answer is on its way; another request may follow."""
        super().on_response_complete()
        if self._last:
            self.transport.close()
        elif self._idle:
            self._wait()

    def eof_received(self) -> bool:  # type: ignore[override]
        """They will send no more, and may still want the answer."""
        self._last = True
        return not self._idle

    def connection_lost(self, exc: Exception | None) -> None:
        """It has ended."""
        if self._timer is not None:
            self._timer.cancel()
        super().connection_lost(exc)

    @property
    def _idle(self) -> bool:
        return self.cycle is None or self.cycle.response_complete

    def _wait(self) -> None:
        self.since = self.loop.time()
        self._end_in(HEAD)

    def _end_in(self, seconds: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        # Not `close`, which would wait for as long as its answer is not read.
        self._timer = self.loop.call_later(seconds, self.transport.abort)

    def _make_room(self) -> None:
        """The one that has come last is spared: its request comes with the next turn of the loop."""
        others = [each for each in self.connections if isinstance(each, Connection) and each is not self]
        open_ones = [each for each in others if not each.transport.is_closing()]
        if len(open_ones) >= MAX_CONNECTIONS:
            min(open_ones, key=lambda each: (not each._idle, each.since)).transport.abort()


class Crowd:
    """Answers probes however many other requests are under way."""

    def __init__(self, pages: ASGIApp) -> None:
        self._pages = pages
        self._under_way = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["path"] in PROBES:
            await self._pages(scope, receive, send)
            return
        if self._under_way >= MAX_REQUESTS:
            full = PlainTextResponse("too many requests at once\n", 503, {"cache-control": "no-store"})
            await full(scope, receive, send)
            return
        self._under_way += 1
        try:
            await self._pages(scope, receive, send)
        finally:
            self._under_way -= 1
