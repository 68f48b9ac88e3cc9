"""Settings of the pages, the textfile and the heartbeat."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from sexton.config import Settings, read_into
from sexton.config.monitoring_settings import address_of
from sexton.errors import SettingsError


def settings(values: Mapping[str, Mapping[str, object]]) -> Settings:
    """Settings from these tables."""
    return read_into(Settings, values, where="sexton.toml")


def test_all_are_off_by_default() -> None:
    assert (Settings().web.listen, Settings().metrics.textfile, Settings().metrics.heartbeat) == (None, None, None)


FORBIDDEN = [
    "169.254.169.254",
    "169.254.1.1",
    "2852039166",
    "0xa9fea9fe",
    "0251.0376.0251.0376",
    "169.254.43518",
    "169.254.169.254.",
    "[fe80::1]",
    "[fd00:ec2::254]",
    "[::ffff:169.254.169.254]",
    "[::ffff:a9fe:a9fe]",
    "[::a9fe:a9fe]",
    "[64:ff9b::a9fe:a9fe]",
    "[2002:a9fe:a9fe::1]",
    "metadata.google.internal",
    "METADATA.google.internal.",
    "100.100.100.200",
]


@pytest.mark.parametrize(
    ("listen", "host", "port"),
    [
        ("127.0.0.1:8787", "127.0.0.1", 8787),
        ("[::1]:80", "::1", 80),
        ("0.0.0.0:0", "0.0.0.0", 0),
        ("localhost:65535", "localhost", 65535),
    ],
)
def test_an_address_has_a_host_and_a_port(listen: str, host: str, port: int) -> None:
    assert settings({"web": {"listen": listen}}).web.listen == listen
    assert address_of(listen) == (host, port)


@pytest.mark.parametrize(
    "listen",
    ["8787", "localhost", "127.0.0.1:", "127.0.0.1:65536", "127.0.0.1:-1", "::1:80", "h:８", "h:" + "9" * 5000],
)
def test_what_is_no_address_is_named_with_its_key(listen: str) -> None:
    with pytest.raises(SettingsError, match=r"web\.listen: .*127\.0\.0\.1:8787|brackets"):
        settings({"web": {"listen": listen}})


def test_node_exporter_reads_only_files_that_end_in_prom() -> None:
    with pytest.raises(SettingsError, match=r'metrics\.textfile: "sexton\.txt" must end in \.prom'):
        settings({"metrics": {"textfile": "sexton.txt"}})


def test_x1_the_heartbeat_is_shown_neither_by_repr_nor_in_an_error() -> None:
    """Whoever knows the address can keep the monitor quiet."""
    secret = "qXcanaryX7"

    assert secret not in repr(settings({"metrics": {"heartbeat": f"https://hc.example.com/{secret}"}}))
    with pytest.raises(SettingsError, match=r"metrics\.heartbeat") as wrong:
        settings({"metrics": {"heartbeat": f"ftp://hc.example.com/{secret}"}})
    assert secret not in str(wrong.value)


def test_sec_21_a_port_alone_is_no_address() -> None:
    """It meant every address of the machine."""
    with pytest.raises(
        SettingsError, match=r'web\.listen: ":8787" names no address; write "127\.0\.0\.1:8787", or "0\.'
    ):
        settings({"web": {"listen": ":8787"}})


@pytest.mark.parametrize("host", ["", "a b", "https://x.example", "x.example:80", "-x", "ö.example", "x" * 254])
def test_sec_21_what_is_no_name_of_a_host_is_named(host: str) -> None:
    with pytest.raises(SettingsError, match=r"web\.hosts"):
        settings({"web": {"hosts": [host]}})
    assert settings({"web": {"hosts": ["*", "worker", "a.b-c.example"]}}).web.hosts == ("*", "worker", "a.b-c.example")


@pytest.mark.parametrize("table", ["channel.webhook", "channel.slack", "channel.discord"])
@pytest.mark.parametrize("host", FORBIDDEN)
def test_sec_25_where_clouds_keep_credentials_is_no_address_of_a_channel(table: str, host: str) -> None:
    _, name = table.split(".")
    with pytest.raises(SettingsError, match=r"\.url: this is where a cloud tells its machines their credentials"):
        settings({"channel": {name: {"url": f"http://{host}/x"}}})
    with pytest.raises(SettingsError, match=r"heartbeat: this is where"):
        settings({"metrics": {"heartbeat": f"https://{host}:8443/x"}})
