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
    r"(access|activity|api|audit|call|change|error|event|login|mail|email|print|query|request|sms|sync|system|task)"
    r"(log|history|queue|result|meta|trail)s?"
    r"|([a-z]*?)(sso)?(access|api|auth|blacklisted|id|outstanding|refresh|reset|revoked|social|verification)(token)s?"
    r"|(access|login)(attempt|failure)(log|expiration)?s?"
    r"|(api|webhook)(call|delivery|event|log|payload)(retry|retries)?s?"
    r"|(access|admin|checkout|login|staff|user|web)(session)s?"
    r"|([a-z]*)(api|auth|device|oauth|sso)(grant)s?"
    r"|(lost)(password)(hash)(?:es)?"
    r"|(password)(reset)s?"
    r"|(monitor)(checkin)s?"
    r"|(user)(ip)s?"
    r"|(email)(confirmation|verification)s?"
    r"|(auth|openid)(nonce|state|code)s?"
    r"|(event)(delivery|payload)(attempt)?s?"
    r"|(known)(login)(source)s?"
    r"|(last)(seen|used)"
    r"|(cached)([a-z]{3,})"
    r"|(outgoing|sent)(e?mail)s?"
)
"""Words written as one, as Django has them: `oauth2_provider_accesstoken`, `customerssoaccesstoken`."""

_WEAK = frozenset(each("data detail entity entry item line record row store table tbl"))
"""Last words that say nothing: `log_entries`."""

_PIECES = frozenset(("detail", "item"))
"""Last words of tables whose rows are part of something else, and are deleted with it."""

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

_SIGN_ON = (
    "auth authentication authorization authorize csrf idp login mfa oauth oidc openid pkce saml signin sso webauthn"
)
"""What stands before the name of something that lives for the minutes in which a program signs somebody in."""

_BY_PERSON = (
    f"{_SIGN_ON} 2fa backup confirmation device email exchange logout magic mail otp passcode passkey password phone "
    "pin recover recovery registration reset signup sms totp verification verify"
)
"""The same, where it is a person who has to answer."""

_HEADS = {
    "session": "sessions",
    **dict.fromkeys(each("captcha challenge invitation invite nonce otp token verifier"), "tokens"),
    **dict.fromkeys(each("basket cart hold reservation"), "reservations"),
    **dict.fromkeys(each("heartbeat presence"), "signs of life"),
    **dict.fromkeys(each("lease lock mutex semaphore"), "locks"),
    **dict.fromkeys(each("audit trail"), "audit trails"),
    "history": "a history",
    **dict.fromkeys(each("event exception log pageview ping span telemetry trace"), "logs"),
    "notification": "notifications",
    **dict.fromkeys(each("execution job outbox queue task taskmeta taskresult"), "jobs"),
    **dict.fromkeys(each("cache temp temporary tmp"), "temporary data"),
    "export": "exports",
    "upload": "uploads",
}
"""Last words that say enough."""

_BESIDE = {
    "attempt": ("logs", "access auth delivery hook failed job login password signin webhook"),
    "checkin": ("logs", "cron health monitor"),
    "call": ("logs", "api http incoming outgoing rest rpc service webhook"),
    "access": ("tokens", "oauth"),
    "activation": ("sessions", "session"),
    "activity": ("logs", "auth login signin"),
    "address": ("signs of life", "ip"),
    "assertion": ("tokens", _SIGN_ON),
    "batch": ("jobs", "job task"),
    "blacklist": ("tokens", "jti jwt token"),
    "blocklist": ("tokens", "jti jwt token"),
    "code": ("tokens", f"{_BY_PERSON} time"),
    "confirmation": ("tokens", "account email mail phone sms"),
    "context": ("tokens", _SIGN_ON),
    "denylist": ("tokens", "jti jwt token"),
    "entry": ("temporary data", "cache"),
    "delivery": ("logs", "email event hook mail message notification push sms webhook"),
    "error": ("logs", "api app application import job log request server sync system"),
    "expiration": ("tokens", "attempt"),
    "failure": ("logs", "auth delivery import job login sync webhook"),
    "flow": ("tokens", f"{_BY_PERSON} selfservice settings"),
    "grant": ("tokens", f"{_SIGN_ON} device provider"),
    "handshake": ("tokens", _SIGN_ON),
    "hash": ("tokens", "lost password reset"),
    "hit": ("logs", "cache page rate site web"),
    "interaction": ("tokens", "idp oauth oidc openid saml sso"),
    "ip": ("signs of life", "device login session user visitor"),
    "key": ("tokens", "idempotence idempotency idempotent"),
    "link": ("tokens", "login magic reset signin"),
    "limit": ("locks", "rate"),
    "message": ("logs", "ahoy courier email mail outgoing sent sms"),
    "oidc": ("tokens", "oauth"),
    "payload": ("logs", "event hook request webhook"),
    "pkce": ("tokens", "oauth"),
    "redirect": ("tokens", _SIGN_ON),
    "refresh": ("tokens", "oauth"),
    "request": ("logs", "api graphql http incoming outgoing rest rpc server slow web webhook"),
    "reset": ("tokens", "password"),
    "seen": ("signs of life", "device last user"),
    "source": ("signs of life", "login"),
    "state": ("tokens", _SIGN_ON),
    "throttle": ("locks", "auth login rate request"),
    "ticket": ("tokens", _SIGN_ON),
    "transaction": ("tokens", _SIGN_ON),
    "run": ("jobs", "cron job pipeline task workflow"),
    "value": ("temporary data", "key"),
    "verification": ("tokens", "account email mail phone sms user"),
    "view": ("logs", "page"),
    "visit": ("logs", "page site web"),
    "result": ("jobs", "job task"),
    "email": ("logs", "delivered outgoing sent"),
    "mail": ("logs", "delivered outgoing sent"),
}
"""Last words that need another one: `api_calls`, not `calls`."""

_REQUESTS = frozenset(each(f"{_SIGN_ON} device password reset"))
"""Whose requests are no logs: people are amid signing in."""


def words_of_name(name: str) -> tuple[str, ...]:
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
    return name.lower() in _MIGRATIONS or "migration" in map(singular, words_of_name(name))


def is_business(name: str) -> bool:
    """Whether the rows are what the product is about."""
    return not BUSINESS.isdisjoint(telling(name)[-1:])


def family_of(name: str) -> str | None:
    """What the rows look like, by the table's name alone; None: nothing that has its time."""
    found = telling(name)
    if not found or found[-1] in BUSINESS:
        return None
    if "outbox" in found or "queue" in found:
        return "jobs"
    if found[0] in ("temp", "temporary", "tmp"):
        return "temporary data"
    if singular(words_of_name(name)[-1]) in _PIECES:
        return None
    last, others = found[-1], set(found[:-1])
    if last == "request" and others & _REQUESTS:
        return "tokens"
    if "cached" in found[:-1]:
        return "temporary data"
    if "audit" in others and last in ("event", "log"):
        return "audit trails"
    if last in _HEADS:
        return _HEADS[last]
    family, beside = _BESIDE.get(last, ("", ""))
    return family if others & set(beside.split()) else None


def telling(name: str) -> list[str]:
    """The words of a table's name without those that say nothing: numbers, and `entries` at the end."""
    found = [singular(word) for word in words_of_name(name) if not word.isdigit()]
    while len(found) > 1 and found[-1] in _WEAK:
        found.pop()
    return found
