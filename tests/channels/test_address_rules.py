"""Which addresses strangers may have called: the table, and what an operator changes (W1)."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sexton.channels.address_rules import AddressRange, AddressRules, is_own, is_public, untranslated

PUBLIC_ONLY = AddressRules()
"""Nothing is allowed beside what the table lets through."""

PUBLIC = ["1.1.1.1", "8.8.8.8", "93.184.216.34", "223.255.255.255", "2606:2800:220:1::1", "2a00::1", "2001:200::1"]

REFUSED = {
    "this network": ["0.0.0.0", "0.1.2.3"],
    "private": ["10.0.0.1", "10.255.255.255", "172.16.0.1", "172.31.255.255", "192.168.1.1"],
    "of providers": ["100.64.0.1", "100.100.100.200", "100.127.255.255"],
    "loopback": ["127.0.0.1", "127.255.255.254", "::1"],
    "link-local": ["169.254.169.254", "169.254.0.1", "fe80::1", "fe80::1%eth0"],
    "metadata": ["168.63.129.16", "192.0.0.192", "fd00:ec2::254", "fd20:ce::254"],
    "unspecified": ["::"],
    "protocols": ["192.0.0.1", "192.0.0.9", "2001::1", "2001:1ff::1", "64:ff9b:1::1"],
    "documentation": ["192.0.2.1", "198.51.100.1", "203.0.113.1", "2001:db8::1", "3fff::1"],
    "6to4": ["192.88.99.1", "2002:7f00:1::", "2002:808:808::"],
    "benchmarks": ["198.18.0.1", "198.19.255.255"],
    "multicast and reserved": ["224.0.0.1", "240.0.0.1", "255.255.255.255", "ff02::1"],
    "unique local": ["fc00::1", "fd12:3456::1"],
    "site-local": ["fec0::1"],
    "IPv4 in IPv6": ["::127.0.0.1", "::ffff:127.0.0.1", "::ffff:169.254.169.254", "64:ff9b::7f00:1", "64:ff9b::a00:1"],
    "not yet given out": ["4000::1", "5f00::1", "100::1", "8000::1"],
}


@pytest.mark.parametrize("text", PUBLIC)
def test_w1_what_is_public_may_be_called_on_the_usual_port_only(text: str) -> None:
    assert PUBLIC_ONLY.permit(ip_address(text), 443)
    assert not PUBLIC_ONLY.permit(ip_address(text), 80)
    assert not PUBLIC_ONLY.permit(ip_address(text), 22)


@pytest.mark.parametrize("text", [text for kind in REFUSED.values() for text in kind])
def test_w1_nothing_else_may_be(text: str) -> None:
    assert not PUBLIC_ONLY.permit(ip_address(text), 443)


@pytest.mark.parametrize("text", ["::ffff:8.8.8.8", "64:ff9b::808:808"])
def test_w1_what_stands_for_a_public_address_of_ipv4_is_judged_as_that(text: str) -> None:
    assert untranslated(ip_address(text)) == ip_address("8.8.8.8")
    assert PUBLIC_ONLY.permit(ip_address(text), 443)
    assert not rules(deny=["8.8.0.0/16"]).permit(ip_address(text), 443)


def rules(*, allow: list[str] = [], deny: list[str] = [], ports: tuple[int, ...] = (443,)) -> AddressRules:  # noqa: B006
    return AddressRules.parse(allow=allow, deny=deny, ports=ports, http=False, proxy=None)


@pytest.mark.parametrize(
    ("made", "text", "port", "permitted"),
    [
        (rules(allow=["10.1.0.0/16"]), "10.1.2.3", 443, True),
        (rules(allow=["10.1.0.0/16"]), "10.1.2.3", 8443, True),
        (rules(allow=["10.1.0.0/16"]), "10.2.2.3", 443, False),
        (rules(allow=["10.1.0.0/16"]), "::ffff:10.1.2.3", 443, True),
        (rules(allow=["10.1.2.3:8443"]), "10.1.2.3", 8443, True),
        (rules(allow=["10.1.2.3:8443"]), "10.1.2.3", 443, False),
        (rules(allow=["[fd00::1]:8443"]), "fd00::1", 8443, True),
        (rules(allow=["fd00::/8"]), "fd00::1", 443, True),
        (rules(allow=["0.0.0.0/0"], deny=["10.0.0.0/8"]), "10.1.2.3", 443, False),
        (rules(allow=["10.1.2.3"], deny=["10.1.2.3"]), "10.1.2.3", 443, False),
        (rules(allow=["10.1.2.3"], deny=["10.1.2.3:22"]), "10.1.2.3", 22, False),
        (rules(allow=["10.1.2.3"], deny=["10.1.2.3:22"]), "10.1.2.3", 443, True),
        (rules(deny=["64:ff9b::/96"]), "64:ff9b::808:808", 443, False),
        (rules(deny=["8.8.8.8"]), "8.8.8.8", 443, False),
        (rules(ports=(443, 8443)), "8.8.8.8", 8443, True),
        (rules(ports=(8443,)), "8.8.8.8", 443, False),
    ],
)
def test_w1_deny_comes_before_allow_and_allow_before_the_table(
    made: AddressRules, text: str, port: int, permitted: bool
) -> None:
    assert made.permit(ip_address(text), port) == permitted


@pytest.mark.parametrize("text", ["169.254.169.254", "100.100.100.200", "192.0.0.192", "fd00:ec2::254", "fe80::1"])
def test_w1_where_clouds_tell_credentials_only_the_very_address_is_allowed(text: str) -> None:
    wide = rules(allow=["0.0.0.0/0", "::/0", "169.254.169.0/24", "fd00::/8"])

    assert not wide.permit(ip_address(text), 443)
    assert rules(allow=[text]).permit(ip_address(text), 443)


def test_unencrypted_addresses_have_their_port_where_they_are_taken() -> None:
    made = AddressRules.parse(allow=(), deny=(), ports=(443,), http=True, proxy=None)

    assert made.permit(ip_address("8.8.8.8"), 80)


@pytest.mark.parametrize(
    "text",
    [
        *("", "10.0.0.1/8", "10.0.0.0/33", "10.0.0.1:0", "10.0.0.1:65536", "10.0.0.1:443:1", "10.0.0.1 ", "[10.0.0.1"),
        *("fd00::1:443x", "[fd00::1", "a.example", "::ffff:10.0.0.1", "0x7f.1", "fe80::1%eth0"),
    ],
)
def test_a_range_that_is_none_is_one_line(text: str) -> None:
    with pytest.raises(ValueError, match="is no range of addresses; write") as refused:
        AddressRange.parse(text)
    assert "\n" not in str(refused.value)


def test_w1_an_address_of_this_machine_s_own_is_not_called() -> None:
    """Loopback stands for the public address of a machine: what the system would send from is what it would send to."""
    assert is_own(ip_address("127.0.0.1"))
    assert not is_own(ip_address("203.0.113.7"))
    assert not is_own(ip_address("255.255.255.255"))


@given(st.integers(0, 2**32 - 1).map(IPv4Address))
def test_w1_our_table_is_never_wider_than_python_s_and_holds_in_disguise(address: IPv4Address) -> None:
    public = is_public(address)
    assert not public or (address.is_global and not address.is_multicast)
    for disguise in (f"::ffff:{address}", f"64:ff9b::{address}"):
        assert is_public(untranslated(ip_address(disguise))) == public


@given(st.integers(0, 2**128 - 1).map(IPv6Address))
def test_w1_the_same_of_ipv6(address: IPv6Address) -> None:
    assert not is_public(address) or (address.is_global and address in AddressRange.parse("2000::/3").network)
