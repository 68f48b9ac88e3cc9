"""What an address means that somebody wrote, or that a name leads to: this machine, its cloud's secrets, everywhere.

Needs no network: names are only looked at, numbers are read in every form that the system takes.
"""

from __future__ import annotations

import re
import socket
from contextlib import suppress
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from urllib.parse import urlsplit

Address = IPv4Address | IPv6Address

METADATA_NAMES = (
    "metadata",
    "metadata.goog",
    "metadata.google.internal",
    "instance-data",
    "instance-data.ec2.internal",
)
"""Names under which clouds tell a machine its credentials."""

METADATA_ADDRESSES = (
    "fd00:ec2::254",  # AWS
    "fd00:ec2::23",
    "fd20:ce::254",  # Google
    "100.100.100.200",  # Alibaba
    "192.0.0.192",  # Oracle
    "168.63.129.16",  # Azure
)
"""Addresses of the same that are not link-local."""

_OLD_FORMS = re.compile(r"[0-9A-Fa-fxX.]+")
"""Decimal, octal, hexadecimal, one to four parts: what inet_aton of the C library takes, and a resolver with it."""

_METADATA = frozenset(map(ip_address, METADATA_ADDRESSES))
_TRANSLATED = ip_network("64:ff9b::/96")


def numeric(host: str) -> Address | None:
    """The address that a host is, in any form: "::1", "127.1", "2852039166", "0xa9fea9fe"; None for a name."""
    host = host.strip("[]").partition("%")[0].removesuffix(".")
    with suppress(ValueError):
        return _plain(ip_address(host))
    with suppress(OSError):
        return IPv4Address(socket.inet_aton(host)) if _OLD_FORMS.fullmatch(host) else None
    return None


def _plain(address: Address) -> Address:
    """Of an IPv6 address that stands for one of IPv4, that one."""
    if not isinstance(address, IPv6Address):
        return address
    if address in _TRANSLATED or (int(address) >> 32 == 0 and int(address) > 0xFFFF):
        return IPv4Address(int(address) & 0xFFFFFFFF)
    return address.ipv4_mapped or address.sixtofour or address


def is_loopback(host: str) -> bool:
    """Whether it is this machine: "localhost", 127.0.0.0/8, ::1."""
    name, address = host.lower().rstrip("."), numeric(host)
    return address.is_loopback if address is not None else name == "localhost" or name.endswith(".localhost")


def is_everywhere(host: str) -> bool:
    """Whether listening on it means all addresses of this machine: "", 0.0.0.0, ::, also written as 0."""
    address = numeric(host)
    return not host or (address is not None and address.is_unspecified)


def unencrypted(url: str | None) -> str | None:
    """What `sexton check` says about a secret address that is called unencrypted, beyond this machine; None: nothing.

    The address itself is not in it."""
    parts = urlsplit(url or "")
    if parts.scheme == "http" and not is_loopback(parts.hostname or ""):
        return "http:// sends this secret address unencrypted; write https://"
    return None


def is_forbidden(host: str) -> bool:
    """Whether nothing of ours is sent there: link-local addresses, and where clouds tell credentials."""
    address = numeric(host)
    if address is None:
        return host.lower().rstrip(".") in METADATA_NAMES
    return address.is_link_local or address in _METADATA
