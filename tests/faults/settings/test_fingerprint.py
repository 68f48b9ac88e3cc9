"""C8: which settings a run had is on record, so that two configurations of one database become visible."""

from __future__ import annotations

import json
import re

import pytest
from sqlalchemy import Engine, select

from sexton.db.tables import own_tables
from tests.cli.shell import Shell

RUN = ("run", "shop.purge_sessions")

pytestmark = pytest.mark.databases("sqlite", "postgres18")


def test_c8_a_changed_setting_changes_what_show_says_about_a_run(shop_inside: Shell, engine: Engine) -> None:
    shop = shop_inside
    settings = (shop.folder / "sexton.toml").read_text()
    for text in (settings, settings, settings + "[run]\nbatch_rows = 7\n"):
        shop.write("sexton.toml", text)
        last = shop.sexton(*RUN, "--json")
        assert last.code == 0

    shown = [shop.sexton("show", str(number)).out for number in (1, 2, 3)]

    prints = [re.findall(r"settings +(2\.[0-9a-f]{4}:[0-9a-f]{16})$", text, re.MULTILINE) for text in shown]
    assert [len(found) for found in prints] == [1, 1, 1]
    assert prints[0] == prints[1] != prints[2]
    assert [one[0] for one in prints] == definitions(engine)
    assert "run 2" in json.loads(last.out.splitlines()[0])["note"]


@pytest.mark.databases("postgres18")
def test_c8_another_password_is_no_other_setting(shop_inside: Shell, engine: Engine) -> None:
    shop = shop_inside
    for password in ("one", "two"):
        url = engine.url.set(password=password).render_as_string(hide_password=False)
        assert shop.sexton(*RUN, SEXTON_DATABASE=url).code == 0

    assert len(set(definitions(engine))) == 1


def test_c8_an_upgrade_is_no_other_setting(shop_inside: Shell, engine: Engine) -> None:
    """Fingerprints of the version before were written otherwise, and say nothing about this one's."""
    shop, runs = shop_inside, own_tables(engine.dialect.name).runs
    assert shop.sexton(*RUN).code == 0
    with engine.begin() as connection:
        connection.execute(runs.update().values(definition="a97e7e7c0c67d7ec"))

    notes = [json.loads(shop.sexton(*RUN, "--json").out.splitlines()[0]).get("note") for _ in range(2)]

    assert notes == [None, None]


def definitions(engine: Engine) -> list[str]:
    runs = own_tables(engine.dialect.name).runs
    with engine.connect() as connection:
        return list(connection.execute(select(runs.c.definition).order_by(runs.c.id)).scalars())
