"""What the guides "write a channel" and "write a policy kind" add is added as they say, and used from end to end."""

from __future__ import annotations

import json
import os
import sys
import tomllib
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace

import pytest
from sqlalchemy import Engine, text

from sexton import Again, Done, Down, Failed
from sexton.channels import registry as channels
from sexton.channels.contract import ConfiguredChannel, OutgoingMessage
from sexton.config import environment, load
from sexton.config.policy_in_words import sentence
from sexton.config.template import env_template, toml_template
from sexton.db.connect import open_database
from sexton.declared.kinds import registry as kinds
from sexton.declared.policy_tables import read_policy
from sexton.errors import SettingsError
from tests.channels.web import Web, web_server
from tests.cli.shell import Shell
from tests.support.databases import Databases, kinds_for
from tests.support.patience import PATIENCE

from .pages import DOCS, blocks

JOBS = """
from sexton import Job, every

def breaks(run):
    raise RuntimeError("no more stock")

stock = Job("shop.stock", schedule=every("1m"), work=breaks, catch_up=True)
"""


def installed(page: str, folder: Path) -> Shell:
    """A shell in whose Python the package of the page is installed: its files, and what pip writes of its project."""
    for block in blocks(DOCS / "how-to" / page):
        if block.title:
            (folder / block.title).write_text(block.text)
    project = tomllib.loads((folder / "pyproject.toml").read_text())["project"]
    about = folder / f"{project['name'].replace('-', '_')}-{project['version']}.dist-info"
    about.mkdir()
    (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n")
    lines = [
        line
        for group, points in project["entry-points"].items()
        for line in (f"[{group}]", *(f"{name} = {value}" for name, value in points.items()))
    ]
    (about / "entry_points.txt").write_text("\n".join(lines) + "\n")
    path = os.pathsep.join(filter(None, [os.environ.get("PYTHONPATH"), str(folder)]))
    return Shell(folder, {"PYTHONPATH": path, "NO_PROXY": "127.0.0.1,localhost"})


def lengthen(shell: Shell, *, replacing: str, by: str) -> None:
    settings = (shell.folder / "sexton.toml").read_text()
    assert replacing in settings
    shell.write("sexton.toml", settings.replace(replacing, by))


@pytest.fixture
def web() -> Iterator[Web]:
    with web_server() as server:
        yield server


@pytest.fixture
def pager(tmp_path: Path, web: Web) -> Shell:
    shell = installed("write-a-channel.md", tmp_path)
    lengthen(shell, replacing="https://pager.example.com/v1", by=web.url)
    shell.write("shop_jobs.py", JOBS)
    assert shell.sexton("migrate").code == 0
    return shell


def test_the_channel_of_the_guide_delivers_a_real_alert(pager: Shell, web: Web) -> None:
    for _ in range(2):  # the second round tells what the first one found
        assert pager.sexton("run", "--due").code in (0, 1)

    (message,) = [one for one in (request.json() for request in web.requests) if "failing" in one["text"]]
    assert (message["urgency"], message["mute"]) == (4, False)
    assert "no more stock" in message["text"]
    assert message["id"].startswith("alert:")
    assert "not sent" not in pager.sexton("alerts").out


def test_the_channel_of_the_guide_delivers_messages_one_by_one(
    here: Path, web: Web, monkeypatch: pytest.MonkeyPatch
) -> None:
    """(promise 3) Each with the id that is the same in every try, and an outcome of its own."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1,localhost")
    installed("write-a-channel.md", here)
    channel = channels.channel_for("pager", {"pager": SimpleNamespace(url=web.url, urgency=3, mute=False)})
    assert isinstance(channel, ConfiguredChannel)
    assert channel.delivers
    web.answers = [(204, {}), (500, {}), (401, {}), (400, {}), (410, {})]
    message = OutgoingMessage(
        "msg_7", "late:7", "payment.late", "+4930123", {"payment": 7}, datetime.now(UTC), text="look"
    )

    outcomes = list(channel.deliver([message] * 5, seconds=PATIENCE))

    assert [type(one) for one in outcomes] == [Done, Again, Down, Failed, Down]
    told = web.requests[0].json()
    assert (told["id"], told["text"], told["to"]) == ("msg_7", "look", "+4930123")


def test_it_is_tried_checked_and_set_like_one_of_ours(pager: Shell, web: Web) -> None:
    tried = pager.sexton("alerts", "--test", "pager", SEXTON_CHANNEL__PAGER__URGENCY="2")
    checked = pager.sexton("check", SEXTON_CHANNEL__PAGER__MUTE="true")

    assert (tried.code, tried.out.split()) == (0, ["CHANNEL", "RESULT", "pager", "sent"])
    assert web.requests[-1].json()["urgency"] == 2
    assert "nobody hears a pager that is mute" in checked.out + checked.err
    assert "qXcanaryX7" not in str((tried, checked))


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder whose packages are installed in this process, until the test ends."""
    monkeypatch.syspath_prepend(str(tmp_path))
    caches = (channels._installed, channels.channel_type, kinds._installed, kinds.kind_type, environment._of)
    for cache in caches:
        cache.cache_clear()
    yield tmp_path
    for name in ("pager_channel", "move_kind"):
        sys.modules.pop(name, None)
    for cache in caches:
        cache.cache_clear()


@pytest.mark.parametrize(
    ("environ", "words"),
    [
        ({"SEXTON_CHANNEL__PAGER__URGENCY": "6"}, "SEXTON_CHANNEL__PAGER__URGENCY: 6 is out of range"),
        ({"SEXTON_CHANNEL__PAGER__URGNCY": "6"}, "SEXTON_CHANNEL__PAGER__URGNCY: unknown setting; did you mean"),
        ({"SEXTON_ALERTS__CHANNELS": "pagre"}, "no channel named 'pagre'; did you mean pager?"),
        (
            {"SEXTON_CHANNEL__PAGER__URGENCY": "5", "SEXTON_CHANNEL__PAGER__MUTE": "true"},
            "urgency 5 cannot be mute; choose one",
        ),
    ],
)
def test_what_cannot_be_right_is_one_line(here: Path, environ: dict[str, str], words: str) -> None:
    shell = installed("write-a-channel.md", here)
    lengthen(shell, replacing="https://pager.example.com/v1", by="https://pager.example.com/qXcanaryX7")

    with pytest.raises(SettingsError) as refused:
        load(here / "sexton.toml", environ=environ)

    assert words in str(refused.value)
    assert "\n" not in str(refused.value)
    assert "qXcanaryX7" not in str(refused.value)


def test_it_stands_in_the_template_and_without_its_address_is_not_set_up(here: Path) -> None:
    shell = installed("write-a-channel.md", here)
    assert "[channel.pager]" in toml_template()
    assert "SEXTON_CHANNEL__PAGER__URL" in env_template()

    lengthen(shell, replacing='url = "https://pager.example.com/v1"', by="")

    with pytest.raises(SettingsError, match=r'"pager" is not set up; give \[channel.pager\] its url'):
        load(here / "sexton.toml", environ={})


@pytest.fixture(params=["sqlite", "postgres15"])
def mover(request: pytest.FixtureRequest, databases: Databases, tmp_path: Path) -> Iterator[tuple[Shell, Engine]]:
    """The package of the guide, and a database with four orders, of which three are old."""
    kind = kinds_for([request.param])[0]
    with databases.fresh(kind, migrated=True) as url:
        shell = installed("write-a-policy-kind.md", tmp_path)
        shell.write("sexton.toml", f'database = "{url}"\n' + (tmp_path / "sexton.toml").read_text())
        engine = open_database(url)
        columns = "id bigint PRIMARY KEY, buyer text, note text, created_at timestamp"
        with engine.begin() as connection:
            connection.execute(text(f"CREATE TABLE orders ({columns}, secret text)"))
            connection.execute(text(f"CREATE TABLE old_orders ({columns})"))
            for number in range(1, 5):
                born = "2020-01-01 00:00:00" if number < 4 else "2099-01-01 00:00:00"
                values = f"{number}, 'buyer {number}', 'note', '{born}', 'x'"
                connection.execute(text(f"INSERT INTO orders VALUES ({values})"))
        yield shell, engine
        engine.dispose()


JOB = "policies.old_orders"


def ids(engine: Engine, table: str) -> list[int]:
    with engine.connect() as connection:
        return list(connection.execute(text(f"SELECT id FROM {table} ORDER BY id")).scalars())


def test_the_kind_of_the_guide_is_explained_foreseen_armed_and_run(mover: tuple[Shell, Engine]) -> None:
    shell, engine = mover

    explained = shell.sexton("explain", JOB)
    assert explained.code == 0
    assert f"{JOB}: move rows of orders to old_orders 90d after their created_at" in explained.out
    assert "leaves out note" in explained.out
    assert "only counts" in explained.out

    counted = json.loads(shell.sexton("run", JOB, "--json").out.splitlines()[-1])
    assert (ids(engine, "orders"), ids(engine, "old_orders")) == ([1, 2, 3, 4], [])
    foreseen = shell.sexton("run", JOB, "--dry-run")
    assert foreseen.code == 0
    assert "old_orders" in foreseen.out
    assert counted["state"] == "succeeded"

    assert shell.sexton("arm", "old_orders", "--yes").code == 0
    assert shell.sexton("run", JOB).code == 0
    assert (ids(engine, "orders"), ids(engine, "old_orders")) == ([4], [1, 2, 3])
    with engine.connect() as connection:
        moved = connection.execute(text("SELECT buyer, note FROM old_orders ORDER BY id")).all()
    assert [tuple(row) for row in moved] == [(f"buyer {number}", None) for number in range(1, 4)]


def test_a_changed_setting_of_its_own_disarms_it(mover: tuple[Shell, Engine]) -> None:
    shell, engine = mover
    assert shell.sexton("arm", "old_orders", "--yes").code == 0

    lengthen(shell, replacing='leave_out = ["note"]', by="leave_out = []")

    assert shell.sexton("run", JOB).code == 0
    assert ids(engine, "orders") == [1, 2, 3, 4]


@pytest.mark.parametrize(
    ("written", "words"),
    [
        ({"destination": ""}, "tidy.destination: the text is empty"),
        ({}, "tidy: destination is missing: the table that rows are moved to"),
        ({"destinaton": "old"}, "tidy.destinaton: unknown key; did you mean destination?"),
        ({"destination": "old", "set": {"note": "x"}}, "tidy.set: set has no meaning for move"),
        ({"destination": "old", "purge": "orders"}, "tidy: exactly one of purge, archive, transition, anonymise, warn"),
    ],
)
def test_what_does_not_make_a_policy_is_one_line(here: Path, written: dict[str, object], words: str) -> None:
    installed("write-a-policy-kind.md", here)
    moving = read_policy({"move": "a", "by": "b", "destination": "c"}, ("policies", "tidy"))
    assert sentence(moving).startswith("move ")

    with pytest.raises(SettingsError) as refused:
        read_policy({"move": "orders", "by": "created_at", **written}, ("policies", "tidy"))

    assert str(refused.value).startswith(f"policies.{words}")
    assert "\n" not in str(refused.value)
