"""Who knows whether money has come: a gateway, behind an interface of two questions; and Razorpay's.

    [pack.storefront]
    gateway = "shop.money:gateway"      # a function of the options that returns a PaymentGateway

Each method makes one call, ends in time, and returns what it was told or the outcome of the call; it raises nothing.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any, Protocol
from urllib.parse import quote

from sexton import Again, CallOutcome, Down, HttpAnswer, PolicyError, http_call
from sexton.setting_fields import VariableMissing, value_of

from .options import StorefrontOptions

KNOWN_STATES = ("created", "authorized", "captured", "refunded", "failed")
"""States of a payment at the gateway; another one means nothing to us."""


@dataclass(frozen=True, slots=True)
class GatewayPayment:
    """One payment as the gateway knows it. order: its own order, "" if none.  amount: in the smallest unit."""

    id: str
    order: str
    status: str
    amount: int
    currency: str


class PaymentGateway(Protocol):
    """Whom the job asks. timeout: seconds until the hard end of the call."""

    def find(self, order: str | None, payment: str | None, *, timeout: float) -> Sequence[GatewayPayment] | CallOutcome:
        """All payments of an order of the gateway; without one, the payment of that id. Empty: there is none."""
        ...

    def capture(self, payment: GatewayPayment, *, timeout: float) -> GatewayPayment | CallOutcome:
        """Take the money that is authorised; the payment as it is then."""
        ...


@dataclass(frozen=True, slots=True)
class RazorpayGateway:
    """Razorpay's API, and what has the same shape. key, secret: of the account; in no error and no log."""

    url: str
    key: str = field(repr=False)
    secret: str = field(repr=False)

    def find(self, order: str | None, payment: str | None, *, timeout: float) -> Sequence[GatewayPayment] | CallOutcome:
        """See `PaymentGateway.find`; 404 means that there is none."""
        if not self.key or not self.secret:
            return Down("pack.storefront: gateway_key and gateway_secret are not set", lasting=True)
        path = f"orders/{quote(order, safe='')}/payments" if order else f"payments/{quote(payment or '', safe='')}"
        answer = http_call("GET", f"{self._base}/{path}", headers=self._headers(), timeout=timeout, answers=(400, 404))
        if not isinstance(answer, HttpAnswer):
            return answer
        if answer.status in (400, 404):
            return Again(f"the gateway does not know this {'order' if order else 'payment'}")
        listed = answer.json.get("items") if order and isinstance(answer.json, dict) else [answer.json]
        if not isinstance(listed, list):
            return Again("the gateway answered with no list of payments")
        found = [read_payment(one) for one in listed]
        known = [one for one in found if one is not None]
        return known if len(known) == len(found) else Again("the gateway answered with what is no payment")

    def capture(self, payment: GatewayPayment, *, timeout: float) -> GatewayPayment | CallOutcome:
        """See `PaymentGateway.capture`. Refused when it was captured before: the next question tells."""
        answer = http_call(
            "POST",
            f"{self._base}/payments/{quote(payment.id, safe='')}/capture",
            json={"amount": payment.amount, "currency": payment.currency},
            headers=self._headers(),
            timeout=timeout,
            answers=(400,),
        )
        if not isinstance(answer, HttpAnswer):
            return answer
        taken = read_payment(answer.json)
        return Again("the gateway did not capture it") if taken is None else taken

    @property
    def _base(self) -> str:
        return f"{self.url.rstrip('/')}/v1"

    def _headers(self) -> Mapping[str, str]:
        pair = b64encode(f"{self.key}:{self.secret}".encode()).decode("ascii")
        return {"authorization": f"Basic {pair}"}


def read_payment(said: Any) -> GatewayPayment | None:
    """A payment out of the gateway's JSON, of an answer or of a webhook; None for anything else, never half of one."""
    if not isinstance(said, dict):
        return None
    texts = [said.get(name) for name in ("id", "status", "currency")]
    order, amount = said.get("order_id"), said.get("amount")
    if not all(isinstance(text, str) and text for text in texts) or texts[1] not in KNOWN_STATES:
        return None
    if not isinstance(amount, int) or isinstance(amount, bool) or amount < 0 or not isinstance(order, str | None):
        return None
    key, status, currency = texts
    return GatewayPayment(str(key), order or "", str(status), amount, str(currency).upper())


def gateway_of(options: StorefrontOptions) -> PaymentGateway:
    """The gateway that the options name. PolicyError for one that cannot be loaded."""
    if not options.gateway:
        key, secret = (_secret(options, name) for name in ("gateway_key", "gateway_secret"))
        return RazorpayGateway(options.gateway_url, key, secret)
    module, _, name = options.gateway.partition(":")
    try:
        made: PaymentGateway = getattr(import_module(module), name)(options)
    except (ImportError, AttributeError, ValueError, TypeError) as error:
        kind = type(error).__name__
        raise PolicyError(f"pack.storefront.gateway: {options.gateway!r} gives no gateway ({kind})") from None
    return made


def _secret(options: StorefrontOptions, name: str) -> str:
    """What the option holds, or the variable that it names. PolicyError for one that is not set."""
    try:
        return value_of(getattr(options, name))
    except VariableMissing as missing:
        words = f"names {missing.name}, which the environment does not have; set it there"
        raise PolicyError(f"pack.storefront: {name} {words}") from None
