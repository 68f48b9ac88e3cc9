"""What a table's name says about its rows: a family such as sessions or logs, read from the words of the name.

The last word counts, as in `order_events` (events) and `event_orders` (orders); some words mean a family only beside
another one, as in `api_calls`. What belongs to a product's business is in no family, whatever else it is called.
"""

from __future__ import annotations

import re


def each(text: str) -> tuple[str, ...]:
    """Words of a list as people write it, with blanks between."""
    return tuple(text.split())


_PARTS = re.compile(r"[A-Z]+(?=[A-Z][a-z])|[A-Z]?[a-z]+|[A-Z]+|[0-9]+")
_COMPOUND = re.compile(
    r"(access|activity|api|audit|call|change|error|event|login|mail|email|query|request|sms|system|task)"
    r"(log|history|queue|result|meta|trail)s?"
    r"|([a-z]*)(access|api|auth|id|outstanding|refresh|reset|verification)(token)s?"
    r"|(access|login)(attempt)s?"
    r"|(api|webhook)(call)s?"
    r"|(outgoing|sent)(e?mail)s?"
)
"""Words written as one, as Django has them: `oauth2_provider_accesstoken`, `customerssoaccesstoken`."""

_WEAK = frozenset(each("data detail entry item line record row store table tbl"))
"""Last words that say nothing: `log_entries`."""

_PIECES = frozenset(("detail", "item"))
"""Of these, what the rows are a piece of: they go with that."""

BUSINESS = frozenset(
    each(
        "account balance booking client company contract customer employee invoice journal ledger member order "
        "organisation organization payment person posting product receipt refund subscription tenant transaction "
        "user"
    )
)
"""Tables of these are never proposed, not even their rows that are marked as deleted."""

_MIGRATIONS = frozenset(
    each(
        "alembic_version ar_internal_metadata databasechangelog databasechangeloglock flyway_schema_history "
        "goose_db_version schema_version sequelizemeta typeorm_metadata __efmigrationshistory"
    )
)

_HEADS = {
    "session": "sessions",
    **dict.fromkeys(each("captcha challenge invitation invite nonce otp token"), "tokens"),
    **dict.fromkeys(each("basket cart hold reservation"), "reservations"),
    **dict.fromkeys(each("audit trail"), "audit trails"),
    "history": "a history",
    **dict.fromkeys(each("event exception heartbeat log pageview ping span telemetry trace"), "logs"),
    "notification": "notifications",
    **dict.fromkeys(each("job outbox queue task taskmeta taskresult"), "jobs"),
    **dict.fromkeys(each("cache temp temporary tmp"), "temporary data"),
    "export": "exports",
    "upload": "uploads",
}
"""Last words that say enough."""

_BESIDE = {
    "attempt": ("logs", "access auth delivery failed job login password signin webhook"),
    "call": ("logs", "api http incoming outgoing rest rpc service webhook"),
    "code": ("tokens", "auth authorization confirmation login magic otp passcode pin reset time verification"),
    "delivery": ("logs", "email mail message notification push sms webhook"),
    "error": ("logs", "api app application import job log request server sync system"),
    "execution": ("jobs", "command job query step task workflow"),
    "hit": ("logs", "cache page rate site web"),
    "key": ("tokens", "idempotence idempotency idempotent"),
    "link": ("tokens", "login magic reset signin"),
    "request": ("logs", "access api graphql http incoming outgoing rest rpc server slow web webhook"),
    "reset": ("tokens", "password"),
    "run": ("jobs", "cron job pipeline task workflow"),
    "verification": ("tokens", "account email mail phone"),
    "view": ("logs", "page"),
    "visit": ("logs", "page site web"),
    "result": ("jobs", "job task"),
    "email": ("logs", "delivered outgoing sent"),
    "mail": ("logs", "delivered outgoing sent"),
}
"""Last words that need another one: `api_calls`, not `calls`."""


def words(name: str) -> tuple[str, ...]:
    """The words of a name, in lower case: "refreshToken" and "REFRESH_TOKEN" are refresh, token."""
    parts: list[str] = []
    for part in _PARTS.findall(name):
        compound = _COMPOUND.fullmatch(part.lower())
        parts += filter(None, compound.groups()) if compound else [part.lower()]
    return tuple(parts)


def singular(word: str) -> str:
    """Good enough to compare with the words above."""
    if word.endswith("ies"):
        return word[:-3] + "y"
    return word[:-1] if word.endswith("s") and not word.endswith("ss") else word


def is_migrations(name: str) -> bool:
    """Whether a tool keeps there which of its migrations were applied."""
    return name.lower() in _MIGRATIONS or "migration" in map(singular, words(name))


def is_business(name: str) -> bool:
    """Whether the rows are what the product is about."""
    return not BUSINESS.isdisjoint(_telling(name)[-1:])


def family_of(name: str) -> str | None:
    """What the rows look like, by the table's name alone; None: nothing that has its time."""
    telling = _telling(name)
    if not telling or telling[-1] in BUSINESS:
        return None
    if "outbox" in telling or "queue" in telling:
        return "jobs"
    if telling[0] in ("temp", "temporary", "tmp"):
        return "temporary data"
    if singular(words(name)[-1]) in _PIECES:
        return None
    last, others = telling[-1], set(telling[:-1])
    if "audit" in others and last in ("event", "log"):
        return "audit trails"
    if last in _HEADS:
        return _HEADS[last]
    family, beside = _BESIDE.get(last, ("", ""))
    return family if others & set(beside.split()) else None


def _telling(name: str) -> list[str]:
    """The words of a table's name without those that say nothing: numbers, and `entries` at the end."""
    found = [singular(word) for word in words(name) if not word.isdigit()]
    while len(found) > 1 and found[-1] in _WEAK:
        found.pop()
    return found
