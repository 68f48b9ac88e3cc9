"""SHAAM, the tax authority's service: renews tokens (OAuth 2, RFC 6749) and gives allocation numbers to invoices.

    [pack.invoicing]
    shaam = "billing.tax:client"      # a function of the options that returns a ShaamClient

Each method makes one call, ends in time, and returns what it was told or the outcome of the call; it raises nothing.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any, Protocol

from sexton import Again, CallOutcome, Down, Failed, HttpAnswer, PolicyError, Unknown, http_call

from .options import InvoicingOptions
from .sealing import secret_of

ASSUMED_SECONDS = 1800
"""Life of an access token of which SHAAM does not say how long it lives."""

LONGEST_SECONDS = 366 * 86_400
"""A longer life is no answer to rely on."""


@dataclass(frozen=True, slots=True)
class TokenPair:
    """What came of a renewal. refresh: the next refresh token.  seconds: how long `access` is good."""

    access: str = field(repr=False)
    refresh: str = field(repr=False)
    seconds: int = ASSUMED_SECONDS


@dataclass(frozen=True, slots=True)
class GrantRefused:
    """SHAAM does not take this refresh token any more (invalid_grant)."""


@dataclass(frozen=True, slots=True)
class AllocationRefused:
    """SHAAM gives no number to this invoice. why: in its words, one line."""

    why: str


class ShaamClient(Protocol):
    """Whom the jobs ask. timeout: seconds until the hard end of the call."""

    def renew(self, refresh_token: str, *, timeout: float) -> TokenPair | GrantRefused | CallOutcome:
        """New tokens for this refresh token, which may be worth nothing afterwards."""
        ...

    def allocate(
        self, access_token: str, invoice: Mapping[str, Any], *, key: str, timeout: float
    ) -> str | AllocationRefused | CallOutcome:
        """The allocation number of an invoice. key: the same in every attempt for the same version of it."""
        ...


@dataclass(frozen=True, slots=True)
class ShaamHttp:
    """Both by HTTP. client, secret: of the application; in no error and no log."""

    token_url: str
    allocation_url: str
    client: str = field(repr=False)
    secret: str = field(repr=False)

    def renew(self, refresh_token: str, *, timeout: float) -> TokenPair | GrantRefused | CallOutcome:
        """See `ShaamClient.renew`. An answer without a refresh token means that the old one stays good."""
        if not (self.token_url and self.client and self.secret):
            words = "pack.invoicing: shaam_token_url, shaam_client and shaam_secret are not all set"
            return Down(words, lasting=True)
        pair = b64encode(f"{self.client}:{self.secret}".encode()).decode("ascii")
        answer = http_call(
            "POST",
            self.token_url,
            form={"grant_type": "refresh_token", "refresh_token": refresh_token},
            headers={"authorization": f"Basic {pair}"},
            timeout=timeout,
            answers=(400, 401),
        )
        if not isinstance(answer, HttpAnswer):
            return answer
        said = answer.json if isinstance(answer.json, dict) else {}
        if answer.status == 200:
            return _pair(said, refresh_token)
        if said.get("error") == "invalid_grant":
            return GrantRefused()
        if answer.status == 401 or said.get("error") in ("invalid_client", "unauthorized_client"):
            return Down("SHAAM refuses the application; check shaam_client and shaam_secret", lasting=True)
        return Again("SHAAM refused to renew a token, and not because of the token")

    def allocate(
        self, access_token: str, invoice: Mapping[str, Any], *, key: str, timeout: float
    ) -> str | AllocationRefused | CallOutcome:
        """See `ShaamClient.allocate`. The key goes along as `Idempotency-Key`."""
        if not self.allocation_url:
            return Down("pack.invoicing: shaam_allocation_url is not set", lasting=True)
        answer = http_call(
            "POST",
            self.allocation_url,
            json=dict(invoice),
            headers={"authorization": f"Bearer {access_token}", "idempotency-key": key},
            timeout=timeout,
            answers=(400, 409, 422),
        )
        if not isinstance(answer, HttpAnswer):
            return answer
        said = answer.json if isinstance(answer.json, dict) else {}
        number = said.get("confirmation_number")
        if isinstance(number, str | int) and not isinstance(number, bool) and str(number).strip():
            return str(number).strip()[:100]
        if answer.status in (400, 409, 422):
            return AllocationRefused(" ".join(str(said.get("message", "no reason given")).split())[:200])
        return Unknown("SHAAM answered without an allocation number")


def _pair(said: Mapping[str, Any], before: str) -> TokenPair | CallOutcome:
    """Tokens out of the answer; whatever it lacks, a token that came is never thrown away."""
    access, refresh, seconds = (said.get(name) for name in ("access_token", "refresh_token", "expires_in"))
    if not isinstance(access, str) or not access:
        return Unknown("SHAAM answered without a token")
    life = seconds if isinstance(seconds, int) and 0 < seconds <= LONGEST_SECONDS else ASSUMED_SECONDS
    return TokenPair(access, refresh if isinstance(refresh, str) and refresh else before, life)


def client_of(options: InvoicingOptions) -> ShaamClient:
    """The client that the options name. PolicyError for one that cannot be loaded."""
    if not options.shaam:
        client, secret = (secret_of(options, name) for name in ("shaam_client", "shaam_secret"))
        return ShaamHttp(options.shaam_token_url, options.shaam_allocation_url, client, secret)
    module, _, name = options.shaam.partition(":")
    try:
        made: ShaamClient = getattr(import_module(module), name)(options)
    except (ImportError, AttributeError, ValueError, TypeError) as error:
        kind = type(error).__name__
        raise PolicyError(f"pack.invoicing.shaam: {options.shaam!r} gives no client ({kind})") from None
    return made


def unanswered(outcome: CallOutcome) -> Again | Down:
    """What is left of an outcome that is no answer: tried again later, or SHAAM as a whole is down."""
    if isinstance(outcome, Down):
        return outcome
    if isinstance(outcome, Again):
        return outcome
    # A refusal of the request as such (404, 410) is about the address, never about one business.
    return Again(outcome.why, fault=isinstance(outcome, Unknown | Failed))
