"""`check` tries what `run` needs: a database that this user cannot write to is named, with the user (REP-15)."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from pwd import getpwuid
from tempfile import TemporaryDirectory

import pytest
from sqlalchemy import Engine, text
from sqlalchemy.engine import make_url

from .shell import Done, Shell

NOBODY = 65534
POWERLESS = """
import ctypes, sys
if ctypes.CDLL(None).capset((ctypes.c_uint32 * 2)(0x20080522, 0), (ctypes.c_uint32 * 6)()):
    sys.exit("capset")
from sexton.cli.main import main
sys.exit(main())
"""
"""Root may write anywhere, whatever the modes say, by capabilities: a child gives its own up."""


@pytest.fixture
def shared() -> Iterator[Shell]:
    """A folder that another user may read, with a SQLite file that has its tables."""
    with TemporaryDirectory(dir="/tmp") as folder:
        os.chmod(folder, 0o755)
        shell = Shell(Path(folder), {"SEXTON_DATABASE": "sqlite:///shop.db"})
        assert shell.sexton("migrate").code == 0
        yield shell
        os.chmod(folder, 0o755)


def check(shell: Shell) -> Done:
    """`sexton check` without root's powers, where we have them."""
    if os.geteuid():
        return shell.sexton("check")
    return shell.python("-c", POWERLESS, "check")


def everything(folder: Path) -> list[tuple[str, bytes, int]]:
    """All files with what they hold and their owner."""
    return sorted((file.name, file.read_bytes(), file.stat().st_uid) for file in folder.iterdir())


@pytest.mark.parametrize(
    ("modes", "words"),
    [
        ({".": 0o777, "shop.db": 0o444}, "may not write {folder}/shop.db, and no job can run without; it belongs to"),
        ({"shop.db": 0o666, ".": 0o555}, "may not write into {folder}, where SQLite keeps shop.db-wal; it belongs to"),
        ({"shop.db": 0o666, "shop.db-wal": 0o444, ".": 0o777}, "may not write {folder}/shop.db-wal, and no job can"),
    ],
    ids=["file", "folder", "wal"],
)
def test_rep_15_a_file_that_this_user_cannot_write_is_named(modes: dict[str, int], words: str, shared: Shell) -> None:
    for name, mode in modes.items():
        if name.endswith("-wal"):
            shared.write(name, "")
        os.chmod(shared.folder / name, mode)
        if os.geteuid() == 0:
            os.chown(shared.folder / name, NOBODY, NOBODY)
    before = everything(shared.folder)

    done = check(shared)

    assert done.code == 2
    assert f"wrong    database: user {getpwuid(os.geteuid()).pw_name} may not write " in done.out
    assert words.format(folder=shared.folder.resolve()) in done.out
    assert everything(shared.folder) == before


def test_rep_15_check_leaves_nothing_behind_where_all_is_well(shared: Shell) -> None:
    os.chmod(shared.folder, 0o777)
    os.chmod(shared.folder / "shop.db", 0o666)
    before = everything(shared.folder)

    assert check(shared).code == 0
    assert everything(shared.folder) == before


@pytest.mark.databases("postgres15")
@pytest.mark.parametrize(
    ("statements", "words"),
    [
        (
            ("ALTER ROLE rep15 SET default_transaction_read_only = on",),
            "default_transaction_read_only is on for role rep15",
        ),
        (
            ("REVOKE INSERT ON sexton.runs FROM rep15",),
            "role rep15 may not read and write 1 of Sexton's own tables; GRANT",
        ),
    ],
    ids=["read-only", "insert"],
)
def test_rep_15_a_server_that_takes_no_writes_is_named(
    statements: tuple[str, ...], words: str, engine: Engine, tmp_path: Path
) -> None:
    with engine.begin() as connection:
        for statement in (
            "DROP ROLE IF EXISTS rep15",
            "CREATE ROLE rep15 LOGIN",
            "GRANT USAGE ON SCHEMA sexton TO rep15",
            "GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA sexton TO rep15",
            "GRANT USAGE ON ALL SEQUENCES IN SCHEMA sexton TO rep15",
            *statements,
        ):
            connection.execute(text(statement))
    url = make_url(engine.url).set(username="rep15").render_as_string(hide_password=False)

    done = Shell(tmp_path, {"SEXTON_DATABASE": url}).sexton("check")

    with engine.begin() as connection:
        connection.execute(text("DROP OWNED BY rep15"))
        connection.execute(text("DROP ROLE rep15"))
    assert done.code == 2, done
    assert words in done.out
