"""The gateway of the demonstration: what it knows of payments."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

ASKED_FOR = re.compile(r"/v1/(?:orders/(?P<order>[^/]+)/payments|payments/(?P<payment>[^/]+)/capture)")


@dataclass
class DemoGateway:
    """What the gateway knows. payments: by its order.  failing: orders about which the next question gets a 500."""

    payments: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    failing: set[str] = field(default_factory=set)
    asked: int = 0

    def answer(self, path: str, body: str = "") -> tuple[int, dict[str, Any]]:
        """Status and body for a request."""
        self.asked += 1
        match = ASKED_FOR.fullmatch(path)
        if match is None:
            return 404, {}
        if match["payment"]:
            return self._captured(match["payment"])
        if match["order"] in self.failing:
            self.failing.discard(match["order"])
            return 500, {}
        return 200, {"entity": "collection", "items": self.payments.get(match["order"], [])}

    def _captured(self, number: str) -> tuple[int, dict[str, Any]]:
        for payment in (one for several in self.payments.values() for one in several):
            if payment["id"] == number and payment["status"] == "authorized":
                payment["status"] = "captured"
                return 200, payment
        return 400, {}
