"""A payment gateway on loopback, in the shape of Razorpay's, that answers about each order what the test says.

    gateway.plan["order_1"] = [says_payments(paid("pay_1", "order_1"))]

The last behaviour of an order stands for all further questions about it. What is not planned is 404.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from .hostile_http import Behaviour, answers, says

ASKED = re.compile(r"/v1/(?:orders/(?P<order>[^/]+)/payments|payments/(?P<payment>[^/]+)(?P<capture>/capture)?)")


@dataclass
class ScriptedGateway:
    """The server. plan: by order, payment, or payment + "/capture".  asked: those of the requests so far.

    keys: what each request gave as its authorisation.
    """

    url: str
    plan: dict[str, list[Behaviour]] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    keys: list[str] = field(default_factory=list)

    def behaviour(self, name: str) -> Behaviour:
        """What is done with a request about `name`."""
        planned = self.plan.get(name, [answers(404, b'{"error": {}}')])
        return planned.pop(0) if len(planned) > 1 else planned[0]


def paid(
    number: str, order: str | None, status: str = "captured", amount: Any = 1000, currency: Any = "INR", **more: Any
) -> dict[str, Any]:
    """A payment as the gateway writes it."""
    return {"id": number, "order_id": order, "status": status, "amount": amount, "currency": currency, **more}


def says_payments(*payments: dict[str, Any]) -> Behaviour:
    """The list of an order's payments."""
    return says({"entity": "collection", "count": len(payments), "items": list(payments)})


@contextmanager
def scripted_gateway() -> Iterator[ScriptedGateway]:
    """A gateway until the end of the block."""
    over = threading.Event()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            match = ASKED.fullmatch(self.path)
            name = "" if match is None else match["order"] or f"{match['payment']}{match['capture'] or ''}"
            self.rfile.read(int(self.headers.get("content-length", "0")))
            gateway.asked.append(name)
            gateway.keys.append(self.headers.get("authorization", ""))
            self.close_connection = True
            with suppress(OSError):  # clients hang up as they like
                gateway.behaviour(name)(self.connection, over)

        def do_POST(self) -> None:
            self.do_GET()

        def log_message(self, *words: object) -> None:
            """Quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    gateway = ScriptedGateway(f"http://127.0.0.1:{server.server_port}")
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield gateway
    finally:
        over.set()
        server.shutdown()
        thread.join()
        server.server_close()
