"""SEC-3, SEC-4: an older record, or one that somebody has edited, makes no file go and no column vanish."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from sexton.archives.file_format import manifest_of
from sexton.db.tables import own_tables
from sexton.runs.archive import archiver
from tests.cli.shell import Shell
from tests.declared.shop import Shop
from tests.declared.test_archive import archiving, ran

from .forged import archive, orders_of

pytestmark = pytest.mark.databases("sqlite", "postgres15")


def edit(orders: Shop, **values: object) -> None:
    """As a role that may write to the table, or as an older version left it."""
    with orders.engine.begin() as connection:
        connection.execute(own_tables(orders.engine.dialect.name).archives.update().values(**values))


def test_sec_3_attack_a_manifest_of_an_older_record_leaves_no_column_out(orders: Shop, tmp_path: Path) -> None:
    """It would come back as its default, and the file be called as it was written."""
    path = archive(orders, tmp_path)
    edit(orders, longest=None, text_size=None, manifest=None)
    known = json.loads(manifest_of(path).read_text())
    del known["columns"]["orders"]["note"]
    manifest_of(path).write_text(json.dumps(known))

    for words in (["verify"], ["restore", path.name, "--yes"]):
        done = Shell(tmp_path).sexton("archive", *words)
        assert done.code == 1
        assert "is not the one of this file: it leaves out columns of orders: note" in done.out + done.err
    assert orders_of(orders) == []


@pytest.mark.parametrize("waiting", ["{", "7", "[1, [2]]", '[[{"a": 1}]]', "[" * 100_000])
def test_sec_22_attack_keys_on_record_that_nobody_wrote_are_looked_for_in_the_file(
    waiting: str, orders: Shop, tmp_path: Path
) -> None:
    archive(orders, tmp_path)
    edit(orders, finished_at=None, waiting=waiting)

    outcome = ran(orders, archiving(orders, tmp_path, children={"items": "order_id"}))

    assert (outcome.state, outcome.total.changed) == ("succeeded", 0)


def test_sec_4_attack_a_record_leads_out_of_its_folder_nowhere(orders: Shop, tmp_path: Path) -> None:
    """What had been written under temporary names on the way to a file is removed: here it would be of others."""
    archive(orders, tmp_path)
    victims = [tmp_path / "victim.jsonl.gz.tmp", tmp_path / "victim.manifest.json"]
    for victim in victims:
        victim.write_text("of somebody else")
    edit(orders, file="../victim.jsonl.gz", deleted=0, sha256=None, finished_at=None)

    outcome = ran(orders, archiving(orders, tmp_path, children={"items": "order_id"}))

    assert outcome.state == "failed"
    assert "names '../victim.jsonl.gz', which is no archive file; delete that record" in str(outcome.error)
    assert all(victim.exists() for victim in victims)


@pytest.mark.parametrize("step", ["register", "measured", "publish"])
def test_sec_23_attack_a_folder_that_is_replaced_meanwhile_gets_no_more(
    step: str, orders: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By a link to where others read, between the first file and the second: no row goes by what is written there."""
    elsewhere, folder = tmp_path / "elsewhere", tmp_path / "archive"
    elsewhere.mkdir()
    real, calls = getattr(archiver, step), []

    def then(*given: Any) -> Any:
        done = real(*given)
        calls.append(step)
        if len(calls) == 2:
            (folder / "tidy").rename(folder / "moved")
            (folder / "tidy").symlink_to(elsewhere)
        return done

    monkeypatch.setattr(archiver, "MAX_FILE_ROWS", 4)
    monkeypatch.setattr(archiver, step, then)
    outcome = ran(orders, archiving(orders, tmp_path, children={"items": "order_id"}))

    assert outcome.state == "failed"
    assert "is another folder than when the run began; no more rows were deleted" in str(outcome.error)
    assert len(orders_of(orders)) == 2 * 5
    assert list(elsewhere.glob("*")) == []


def test_sec_3_attack_files_of_a_policy_that_was_renamed_are_not_passed_over(orders: Shop, tmp_path: Path) -> None:
    path = archive(orders, tmp_path)
    settings = tmp_path / "sexton.toml"
    settings.write_text(settings.read_text().replace("policies.tidy", "policies.neat"))

    done = Shell(tmp_path).sexton("archive", "verify")
    assert (done.code, done.out) == (0, "there are no archive files of policies in the settings\n")
    assert "warning: 1 files on record were not looked at, as the settings have no policy of" in done.err
    assert f"sexton archive verify …/{path.name}" in done.err
    assert (
        Shell(tmp_path).sexton("archive", "verify", str(path)).out == f"ok     {path}: 9 rows, as they were written\n"
    )
