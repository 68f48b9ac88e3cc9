"""The tax authority of the demonstration: which tokens it knows, and whose they are."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs


@dataclass
class DemoShaam:
    """What the authority knows. tokens: good refresh tokens, and whose they are.

    renewals, failures: how many there were.
    """

    tokens: dict[str, int] = field(default_factory=dict)
    failing: set[str] = field(default_factory=set)
    renewals: int = 0
    failures: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def grant(self, business: int, story: str) -> None:
        """The business may renew by its first token, if its story is not another one."""
        token = f"refresh-{business}-0"
        if story != "refused":
            self.tokens[token] = business
        if story == "no answer":
            self.failing.add(token)

    def answer(self, path: str, body: str) -> tuple[int, dict[str, Any]]:
        """Status and body for a request."""
        token = parse_qs(body).get("refresh_token", [""])[0]
        with self.lock:
            if token in self.failing:
                self.failing.discard(token)
                self.failures += 1
                return 500, {}
            business = self.tokens.pop(token, None)
            if business is None:
                return 400, {"error": "invalid_grant"}
            self.renewals += 1
            new = f"refresh-{business}-{self.renewals}"
            self.tokens[new] = business
            return 200, {"access_token": f"access-{self.renewals}", "refresh_token": new, "expires_in": 3600}
