"""Messages say where a database really is, whatever way a URL or the environment leads there (REP-37)."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest
from sqlalchemy.engine import make_url

from sexton.db.connect import open_database, place, read_only
from sexton.errors import DatabaseUnreachable, SettingsError

HOST = "postgresql+psycopg://app:hunter2@"


@pytest.fixture(autouse=True)
def _plain_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("PG")]:
        monkeypatch.delenv(name)


@pytest.mark.parametrize(
    ("url", "environment", "words"),
    [
        ("h/shop", {}, "database shop on h:5432"),
        ("/shop?host=/run/x&port=5477", {}, "database shop on the socket /run/x/.s.PGSQL.5477"),
        ("%2Frun%2Fx:5477/shop", {}, "database shop on the socket /run/x/.s.PGSQL.5477"),
        ("h:1/shop?host=other&port=2&dbname=till", {}, "database till on other:2"),
        ("/shop?host=h1,h2&port=1,2", {}, "database shop on h1:1, h2:2"),
        ("/shop?host=h1:1&host=h2:2", {}, "database shop on h1:1, h2:2"),
        ("/shop", {"PGHOST": "h1,h2", "PGPORT": "7"}, "database shop on h1:7, h2:7"),
        ("h1:5/shop?hostaddr=10.0.0.1", {}, "database shop on 10.0.0.1:5 (h1)"),
        ("[::1]/shop", {}, "database shop on [::1]:5432"),
        ("/shop?service=main&password=hunter2", {}, "database shop of service main"),
        ("/?service=main", {}, "database of service main"),
        ("/shop", {}, "database shop on the local socket:5432"),
        ("/shop", {"PGHOST": "/run/y", "PGPORT": "6"}, "database shop on the socket /run/y/.s.PGSQL.6"),
        ("/shop", {"PGHOST": "far", "PGHOSTADDR": "10.0.0.2"}, "database shop on 10.0.0.2:5432 (far)"),
        ("h/", {"PGDATABASE": "till", "PGPORT": "6"}, "database till on h:6"),
        ("h/", {}, "database named as its user on h:5432"),
        ("h/shop?password=hunter2", {}, "database shop on h:5432"),
    ],
)
def test_rep_37_messages_name_the_place_that_the_driver_goes_to(
    url: str, environment: dict[str, str], words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)

    assert place(open_database(f"{HOST}{url}").url) == words


def test_rep_37_nobody_answers_on_a_socket(tmp_path: Path) -> None:
    engine = open_database(f"{HOST}/shop?host={tmp_path}&port=5477&password=hunter2")

    with pytest.raises(DatabaseUnreachable) as refused, read_only(engine):
        pass

    assert str(refused.value).startswith(f"database shop on the socket {tmp_path}/.s.PGSQL.5477 cannot be reached: ")
    assert "hunter2" not in str(refused.value)


def test_rep_37_hosts_in_two_ways_at_once_are_no_address() -> None:
    with pytest.raises(SettingsError, match=r"^database: not a URL"):
        open_database(f"{HOST}/shop?host=h1&host=h2:77&port=1")


def test_rep_37_the_place_of_a_file_is_its_name() -> None:
    assert re.fullmatch(r"SQLite file shop\.db", place(make_url("sqlite:///shop.db")))
