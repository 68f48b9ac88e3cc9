"""Keep passwords and tokens out of everything that is printed, logged or stored."""

from __future__ import annotations

import re
from collections.abc import Mapping
from urllib.parse import unquote_plus

MASK = "***"
SECRET_NAME_PARTS = "pass|pwd|secret|token|credential|private|signature|api_?key|access_?key"
"""Parts of names whose values are not printed; a regular expression, to be read without regard to case."""

SECRET_NAME = re.compile(SECRET_NAME_PARTS, re.IGNORECASE)
_PARAMETER = re.compile(r"([^&;=#]*)=([^&;#]*)")


def scrubbed(text: str) -> str:
    """A text that somebody else wrote, without credentials: what stands before an @ in a URL, secret parameters,
    what follows Authorization or Bearer."""
    text = re.sub(r"(\b[\w+.-]+://)[^\s/]*@", r"\1***@", text)
    text = re.sub(r"(?i)\b(authorization['\"]?\s*[=:]\s*['\"]?)(?:[a-z]+\s+)?[^\s,;'\"]+", r"\1***", text)
    text = re.sub(r"(?i)\b((?:bearer|basic)\s+)[\w.~+/=-]{6,}", r"\1***", text)
    secret = rf"(?i)\b([\w-]*(?:{SECRET_NAME_PARTS})[\w-]*['\"]?\s*[=:]\s*)(?:'[^']*'|\"[^\"]*\"|[^\s&,;]+)"
    return re.sub(secret, r"\1***", text)


def shown(url: str) -> str:
    """A database URL as it may be printed: the password and parameters that look secret become "***".

    A password may hold any character unescaped, so all up to the last @ is taken for it: rather too much than
    too little. Text that is no URL at all, such as "host=… password=…", becomes "***" as a whole."""
    scheme, separator, rest = url.partition("://")
    if not separator or not re.fullmatch(r"[A-Za-z0-9_+.-]+", scheme):
        return MASK
    credentials, at, place = rest.rpartition("@")
    if at and ":" in credentials:
        rest = f"{credentials.partition(':')[0]}:{MASK}@{place}"
    path, question, query = rest.partition("?")
    return f"{scheme}://{path}{question}{_PARAMETER.sub(_masked, query)}"


def shown_recipient(recipient: str) -> str:
    """Whoever knows the address of a webhook can post to it: only its host is shown. Other recipients as they are."""
    scheme, separator, rest = recipient.partition("://")
    return f"{scheme}://{rest.partition('/')[0].rpartition('@')[2]}/…" if separator else recipient


def without_secrets(value: object) -> object:
    """The same tables and lists, with URLs as `shown()` and values under secret-looking names masked."""
    if isinstance(value, Mapping):
        return {str(name): MASK if looks_secret(str(name)) else without_secrets(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [without_secrets(item) for item in value]
    if isinstance(value, str) and "://" in value:
        return shown(value)
    return value


def looks_secret(name: str) -> bool:
    """Whether a value with this name is better not printed: "smtp_password", "api_key", "sslpassword"."""
    return SECRET_NAME.search(name) is not None


def _masked(parameter: re.Match[str]) -> str:
    name, value = parameter.groups()
    return f"{name}={MASK}" if looks_secret(unquote_plus(name)) else f"{name}={value}"
