"""The address of somebody who gets mail: looked at before a relay sees it, and written as a relay takes it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from unicodedata import category, normalize

LONGEST_MAIL_ADDRESS = 254
"""Bytes of an address in all (RFC 5321, 4.5.3.1.3, less the angle brackets)."""

LONGEST_LOCAL_PART = 64
"""Bytes before the @ (RFC 5321, 4.5.3.1.1)."""

_LOCAL = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]+")
_LABEL = r"[A-Za-z0-9-]{1,63}"
_DOMAIN = re.compile(rf"{_LABEL}(?:\.{_LABEL})*")
_NAMED = re.compile(r"([^<>]*)<([^<>]*)>\s*")


@dataclass(frozen=True, slots=True)
class MailAddress:
    """One that can be written into an envelope. name: of the person, as their program shows it; may be empty."""

    local: str
    domain: str
    name: str = ""

    def __str__(self) -> str:
        return f"{self.local}@{self.domain}"

    @property
    def needs_utf8(self) -> bool:
        """Whether only a relay that offers SMTPUTF8 (RFC 6531) can take it."""
        return not self.local.isascii()


def parse_mail_address(text: str) -> MailAddress:
    """Read "ann@example.com", or "Ann <ann@example.com>". A domain in other letters is written as "xn--…".

    ValueError, with what is wrong, when no relay could take it. The text itself is not repeated: it may be anything.
    """
    if not is_one_line(text):
        raise ValueError("the address holds a line end, or a control character")
    named = _NAMED.fullmatch(text)
    name, address = (named[1].strip(), named[2]) if named else ("", text.strip())
    if not address:
        raise ValueError("the address is empty")
    local, at, domain = address.rpartition("@")
    if not at:
        raise ValueError("the address has no @")
    if len(address.encode("utf-8", "replace")) > LONGEST_MAIL_ADDRESS or len(local.encode()) > LONGEST_LOCAL_PART:
        raise ValueError(
            f"the address is longer than {LONGEST_MAIL_ADDRESS} bytes, or {LONGEST_LOCAL_PART} before the @"
        )
    if not _is_local(local):
        raise ValueError("what stands before the @ cannot be in an address")
    return MailAddress(local, _ascii_domain(domain), _unquoted(name))


def is_one_line(text: str) -> bool:
    """Whether it holds nothing that ends a header, no control character and no half of a surrogate pair (M7)."""
    return len(text.splitlines()) < 2 and not any(category(one) in ("Cc", "Cs", "Zl", "Zp") for one in text)


def _is_local(local: str) -> bool:
    if local.isascii():
        return _LOCAL.fullmatch(local) is not None
    return all(_LOCAL.fullmatch(one) if one.isascii() else category(one)[0] not in "CZ" for one in local)


def _ascii_domain(domain: str) -> str:
    """The standard library knows IDNA 2003, which turns some letters into others: those are refused, as the mail would
    go to somebody else ("ß" became "ss")."""
    plain = domain
    if not domain.isascii():
        try:
            plain = domain.encode("idna").decode()
            same = plain.encode().decode("idna") == normalize("NFKC", domain).lower()
        except UnicodeError:
            same = False
        if not same:
            raise ValueError("the domain cannot be written in plain letters for sure; write it as xn--…")
    if len(plain) > 253 or _DOMAIN.fullmatch(plain) is None:
        raise ValueError("what stands after the @ is no domain")
    return plain.lower()


def _unquoted(name: str) -> str:
    """ "Ann \\"A\\" Lee" in quotes, as address books write it."""
    if len(name) > 1 and name[0] == name[-1] == '"':
        return re.sub(r"\\(.)", r"\1", name[1:-1])
    return name
