"""A web address that a stranger chose, read so strictly that no two programs can read it differently.

What RFC 3986, browsers and libraries disagree about is refused with one line: users, backslashes, control characters,
zones, numbers that resolvers take for addresses ("127.1", "0x7f.1", "2130706433"), other scripts' digits. The messages
are for whoever wrote the address, and do not repeat it: its path may be a secret.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from ipaddress import AddressValueError, IPv4Address, IPv6Address
from string import ascii_lowercase, ascii_uppercase

LONGEST_URL = 2048
"""Characters."""

STANDARD_PORTS = {"https": 443, "http": 80}

_URL = re.compile(r"(?P<scheme>[A-Za-z]+)://(?P<authority>[^/?#]*)(?P<rest>.*)", re.DOTALL)
_HOST = re.compile(r"(?P<host>\[[^\]]*\]|[^:\[\]]*)(?::(?P<port>.*))?", re.DOTALL)
_PORT = re.compile(r"[1-9][0-9]{0,4}")
_REST = re.compile(r"(?:[A-Za-z0-9._~!$&'()*+,;=:@/?\[\]-]|%[0-9A-Fa-f]{2})*")
_LABEL = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")
_SMALL = str.maketrans(ascii_uppercase, ascii_lowercase)
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")


@dataclass(frozen=True, slots=True)
class StrangerUrl:
    """An address that has been read. host: a name in lower case, in ASCII, or an address as its text.

    address: of a host that is one.  path: with what follows the question mark; it may be a secret.
    """

    scheme: str
    host: str
    port: int
    path: str = field(repr=False)
    address: IPv4Address | IPv6Address | None = None

    @property
    def netloc(self) -> str:
        """Host and port as the header Host has them."""
        host = f"[{self.host}]" if isinstance(self.address, IPv6Address) else self.host
        return host if self.port == STANDARD_PORTS[self.scheme] else f"{host}:{self.port}"


def read_stranger_url(text: str, *, http: bool = False) -> StrangerUrl:
    """Read it. ValueError, one line that tells what would be right. http: whether unencrypted ones are taken."""
    if not isinstance(text, str) or not text or len(text) > LONGEST_URL:
        raise ValueError(f"an address has 1 to {LONGEST_URL} characters")
    if any(character <= " " or character in "\\\x7f" for character in text):
        raise ValueError("an address has no blanks, control characters or backslashes")
    found = _URL.fullmatch(text)
    scheme = found["scheme"].lower() if found else ""
    if found is None or scheme not in ("https", "http") or (scheme == "http" and not http):
        raise ValueError("the address must begin with https://" + (" or http://" if http else ""))
    if "@" in found["authority"]:
        raise ValueError("the address must not name a user")
    place = _HOST.fullmatch(found["authority"])
    if place is None:
        raise ValueError("the host of the address cannot be read")
    host, address = _host(place["host"])
    return StrangerUrl(scheme, host, _port(place["port"], scheme), _path(found["rest"]), address)


def _port(text: str | None, scheme: str) -> int:
    if text is None:
        return STANDARD_PORTS[scheme]
    if not _PORT.fullmatch(text) or int(text) > 65535:
        raise ValueError("the port of the address must be a number from 1 to 65535")
    return int(text)


def _path(rest: str) -> str:
    if "#" in rest:
        raise ValueError("what follows a # is never sent; leave it out")
    if not _REST.fullmatch(rest):
        raise ValueError("the path of the address has characters that must be written as %xx")
    return rest if rest.startswith("/") else f"/{rest}"


def _host(written: str) -> tuple[str, IPv4Address | IPv6Address | None]:
    if written.startswith("["):
        try:
            address = IPv6Address(written[1:-1])
        except AddressValueError:
            address = None
        if address is None or address.scope_id is not None:
            raise ValueError("the host of the address is no IPv6 address; zones are not taken")
        return str(address), address
    name = _ascii(written)
    labels = name.split(".")
    if _NUMBER.fullmatch(labels[-1]):
        return _quad(written)
    if len(name) > 253 or not all(map(_LABEL.fullmatch, labels)):
        raise ValueError("the host of the address must be a name such as hooks.example.com, without a dot at its end")
    return name, None


def _quad(written: str) -> tuple[str, IPv4Address]:
    """A host that ends in a number is an address of IPv4, in its one usual form."""
    try:
        address = IPv4Address(written)
    except AddressValueError:
        address = None
    if address is None or str(address) != written:
        raise ValueError("a host that ends in a number must be four numbers from 0 to 255, such as 192.0.2.1")
    return written, address


def _ascii(name: str) -> str:
    """As DNS has it: IDNA 2008, where nothing stands for something else."""
    if name.isascii():
        return name.lower()
    import idna  # comes with the HTTP library

    try:  # capitals of ASCII only: U+212A becomes a plain k by lower()
        return idna.encode(name.translate(_SMALL)).decode("ascii")
    except (idna.IDNAError, UnicodeError):
        raise ValueError("the host of the address has letters that no name has; write it as xn--") from None
