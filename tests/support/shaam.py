"""The tax authority's service on loopback: OAuth 2 with refresh tokens that are good once, and allocation numbers.

    shaam.refresh["refresh-1-0"] = 1        # business 1 may renew by this token
    shaam.plan["refresh-1-0"] = [answers(500)]

A renewal answers refresh-<business>-<n + 1> and forgets the old one. A behaviour that is planned comes instead of the
answer; with `lost` the tokens are renewed, and nobody hears of it.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs

from .hostile_http import Behaviour, cuts, says

INVALID_GRANT = says({"error": "invalid_grant"}, 400)


@dataclass
class Shaam:
    """The server. refresh: good refresh tokens, and whose they are.  plan: what comes instead, by refresh token or
    number of an invoice.

    renewed: how often, by business.  asked: refresh tokens as they came.  allocations: number by key of the request.
    lost: refresh tokens whose renewal is done, and whose answer is lost.  seconds: how long access tokens are good.
    """

    url: str
    refresh: dict[str, int] = field(default_factory=dict)
    plan: dict[str, list[Behaviour]] = field(default_factory=dict)
    renewed: dict[int, int] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    requests: list[dict[str, Any]] = field(default_factory=list)
    allocations: dict[str, str] = field(default_factory=dict)
    lost: set[str] = field(default_factory=set)
    seconds: int = 3600
    lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def options(self) -> dict[str, str]:
        """Options of the pack that lead here."""
        return {"shaam_token_url": f"{self.url}/token", "shaam_allocation_url": f"{self.url}/allocation"}

    def grant(self, *businesses: int) -> None:
        """Each may renew by its first token."""
        self.refresh |= {f"refresh-{business}-0": business for business in businesses}

    def renew(self, token: str) -> Behaviour:
        """What is done with a request for new tokens."""
        with self.lock:
            self.asked.append(token)
            if planned := self._planned(token):
                return planned
            business = self.refresh.pop(token, None)
            if business is None:
                return INVALID_GRANT
            number = self.renewed[business] = self.renewed.get(business, 0) + 1
            new = {"access_token": f"access-{business}-{number}", "refresh_token": f"refresh-{business}-{number}"}
            self.refresh[new["refresh_token"]] = business
            return cuts() if token in self.lost else says({**new, "expires_in": self.seconds, "token_type": "Bearer"})

    def allocate(self, request: dict[str, Any], key: str) -> Behaviour:
        """What is done with a request for an allocation number; the same number for the same key."""
        with self.lock:
            self.requests.append(request)
            if planned := self._planned(str(request.get("invoice_number"))):
                return planned
            number = self.allocations.setdefault(key, f"20260615{len(self.allocations) + 1:04}")
            return says({"confirmation_number": number})

    def _planned(self, name: str) -> Behaviour | None:
        planned = self.plan.get(name)
        if not planned:
            return None
        return planned.pop(0)


@contextmanager
def shaam_server() -> Iterator[Shaam]:
    """The service until the end of the block."""
    over = threading.Event()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length", "0"))).decode()
            headers = {name.lower(): value for name, value in self.headers.items()}
            shaam.headers.append(headers)
            if self.path == "/token":
                behaviour = shaam.renew(parse_qs(body).get("refresh_token", [""])[0])
            else:
                behaviour = shaam.allocate(json.loads(body), headers.get("idempotency-key", ""))
            self.close_connection = True
            with suppress(OSError):  # clients hang up as they like
                behaviour(self.connection, over)

        def log_message(self, *words: object) -> None:
            """Quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    shaam = Shaam(f"http://127.0.0.1:{server.server_port}")
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield shaam
    finally:
        over.set()
        server.shutdown()
        thread.join()
        server.server_close()
