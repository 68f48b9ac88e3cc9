"""Settings of the pages, the textfile and the heartbeat."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from sexton.config import Settings, read_into
from sexton.config.monitoring import address_of
from sexton.errors import SettingsError


def settings(values: Mapping[str, Mapping[str, object]]) -> Settings:
    """Settings from these tables."""
    return read_into(Settings, values, where="sexton.toml")


def test_all_are_off_by_default() -> None:
    assert (Settings().web.listen, Settings().metrics.textfile, Settings().metrics.heartbeat) == (None, None, None)


@pytest.mark.parametrize(
    ("listen", "host", "port"),
    [
        ("127.0.0.1:8787", "127.0.0.1", 8787),
        ("[::1]:80", "::1", 80),
        (":0", "", 0),
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
