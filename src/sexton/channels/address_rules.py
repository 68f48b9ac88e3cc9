"""Which addresses a stranger may have us call: the public ones, by a table of our own; and what an operator may change.

Python's `is_global` and `is_private` are not asked: what they pass differs by version, and 3.11 takes 168.63.129.16,
3fff::/20, 2002::/16 and multicast for public. Sources: the registries of IANA for special purposes (RFC 6890), by date
of November 2026; addresses where clouds tell credentials, see `addresses`.
"""

from __future__ import annotations

import re
import socket
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_network

from ..addresses import Address, is_forbidden

_NOT_PUBLIC = tuple(
    IPv4Network(text)
    for text in (
        "0.0.0.0/8",  # this network
        "10.0.0.0/8",
        "100.64.0.0/10",  # of providers; Alibaba's metadata
        "127.0.0.0/8",
        "168.63.129.16/32",  # Azure's
        "169.254.0.0/16",  # link-local; nearly everybody's metadata
        "172.16.0.0/12",
        "192.0.0.0/24",  # assignments of protocols; Oracle's metadata
        "192.0.2.0/24",  # for documentation, as 198.51.100 and 203.0.113
        "192.88.99.0/24",  # relays of 6to4
        "192.168.0.0/16",
        "198.18.0.0/15",  # benchmarks
        "198.51.100.0/24",
        "203.0.113.0/24",
        "224.0.0.0/3",  # multicast, reserved, broadcast
    )
)
_UNICAST = IPv6Network("2000::/3")
"""All that is public in IPv6, less what follows; so nothing new is public before somebody has looked at it."""

_NOT_PUBLIC_6 = tuple(
    IPv6Network(text)
    for text in (
        "2001::/23",  # assignments of protocols: Teredo, ORCHID
        "2001:db8::/32",  # for documentation, as 3fff
        "2002::/16",  # 6to4: any address of IPv4 in disguise
        "3fff::/20",
    )
)
_MAPPED = IPv6Network("::ffff:0:0/96")
_TRANSLATED = (_MAPPED, IPv6Network("64:ff9b::/96"))
"""Addresses that stand for one of IPv4: mapped, and of NAT64."""

_RANGE = re.compile(r"\[(?P<six>[0-9A-Fa-f:./]+)\](?::(?P<port6>[0-9]+))?|(?P<four>[0-9./]+)(?::(?P<port4>[0-9]+))?")


@dataclass(frozen=True, slots=True)
class AddressRange:
    """Addresses of a network, on one port or on all."""

    network: IPv4Network | IPv6Network
    port: int | None = None

    @classmethod
    def parse(cls, text: str) -> AddressRange:
        """Read "10.1.0.0/16", "10.1.2.3:8443", "fd00::/8", "[fd00::1]:8443". ValueError says what is wrong."""
        found = _RANGE.fullmatch(text)
        place = (found["six"] or found["four"]) if found else text
        port = (found["port6"] or found["port4"]) if found else None
        try:
            network = ip_network(place)
            if "%" in place or (isinstance(network, IPv6Network) and network.subnet_of(_MAPPED)):
                raise ValueError  # what is mapped is judged as IPv4, so it has to be written so
            if port is not None and not 1 <= int(port) <= 65535:
                raise ValueError
        except ValueError:
            raise ValueError(
                f'{text!r} is no range of addresses; write "10.1.0.0/16", "10.1.2.3:8443" or "[fd00::1]:8443"'
            ) from None
        return cls(network, int(port) if port is not None else None)

    @property
    def exact(self) -> bool:
        """Whether it is one address."""
        return self.network.num_addresses == 1

    def covers(self, address: Address, port: int) -> bool:
        """Whether the address is in it, on that port."""
        return self.port in (None, port) and address.version == self.network.version and address in self.network


@dataclass(frozen=True, slots=True)
class AddressRules:
    """What strangers may have called: deny before allow before the table. ports: where `allow` names none.

    http: whether unencrypted addresses are taken.  proxy: everything goes through it, and it judges.
    """

    allow: tuple[AddressRange, ...] = ()
    deny: tuple[AddressRange, ...] = ()
    ports: frozenset[int] = frozenset({443})
    http: bool = False
    proxy: str | None = field(default=None, repr=False)

    @classmethod
    def parse(
        cls, *, allow: Iterable[str], deny: Iterable[str], ports: Sequence[int], http: bool, proxy: str | None
    ) -> AddressRules:
        """Of settings. ValueError says what is wrong."""
        return cls(
            tuple(map(AddressRange.parse, allow)),
            tuple(map(AddressRange.parse, deny)),
            frozenset(ports) | ({80} if http else set()),
            http,
            proxy,
        )

    def permit(self, address: Address, port: int) -> bool:
        """Whether it may be connected to. What stands for an address of IPv4 is judged as that one."""
        plain = untranslated(address)
        if any(one.covers(each, port) for one in self.deny for each in (address, plain)):
            return False
        allowed = [one for one in self.allow if one.covers(plain, port)]
        if allowed:  # where clouds tell credentials: only by naming the very address
            return not is_forbidden(str(plain)) or any(one.exact for one in allowed)
        return port in self.ports and is_public(plain) and not is_own(plain)


def untranslated(address: Address) -> Address:
    """The address of IPv4 that one of IPv6 stands for, else itself."""
    if isinstance(address, IPv6Address) and any(address in network for network in _TRANSLATED):
        return IPv4Address(int(address) & 0xFFFFFFFF)
    return address


def is_public(address: Address) -> bool:
    """Whether anybody may have it called, by the table."""
    if isinstance(address, IPv4Address):
        return not any(address in network for network in _NOT_PUBLIC)
    return address.scope_id is None and address in _UNICAST and not any(address in network for network in _NOT_PUBLIC_6)


def is_own(address: Address) -> bool:
    """Whether it is one of this machine's own. Nothing is sent: the system is asked from where it would send there.

    An address that a router keeps for this machine cannot be told from others; an operator may deny it."""
    family = socket.AF_INET if address.version == 4 else socket.AF_INET6
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.connect((str(address), 9))
            return str(probe.getsockname()[0]) == str(address)
    except OSError:
        return False  # no way leads there at all
