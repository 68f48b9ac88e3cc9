"""The files of policies that archive: list them, see whether they are as they were written, put their rows back.

sexton archive                      files on record, the newest first
sexton archive verify [FILE ...]    read files, and compare them with their manifests; all by default
sexton archive restore FILE         insert its rows again; those that are there stay as they are
sexton archive forget FILE          a file that is lost: no run looks for it any more

A file is found by its name in the folder of its policy, or by its path.
"""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import select

from ..app import App
from ..config.exposure import open_archives
from ..console import remark, say
from ..db.connect import reaching, read_only
from ..db.migrate import require_schema
from ..db.tables import own_tables
from ..errors import DONE, FAILED, PARTIAL, JobFailed, UsageError
from ..runs.archive.files import ENDING, manifest_of, verify
from .shared import add_json, open_app, print_json, table

if TYPE_CHECKING:
    from ..declared.restore import Restored

ACTIONS = ("list", "verify", "restore", "forget")
MOST = 200
"""Files that are listed."""

NAMED = 20
"""Rows of a table that are named when they could not be put back."""

HEADINGS = ("WRITTEN", "ROWS", "DELETED", "SIZE", "FILE")


def arguments(parser: ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("action", nargs="?", choices=ACTIONS, default="list", help="list by default")
    parser.add_argument("files", nargs="*", metavar="FILE", type=Path, help="archive files")
    parser.add_argument(
        "--without-triggers",
        action="store_true",
        help="restore: no trigger fires (PostgreSQL, where the role may); references are looked up instead",
    )
    add_json(parser)


def run(arguments: Namespace) -> int:
    """Do it."""
    app = open_app(arguments, partly=True)
    if arguments.action == "verify":
        return _verify(_found(app, arguments.files) or _all_files(app), arguments.json)
    if arguments.action == "restore":
        return _restore(app, _found(app, arguments.files), arguments.without_triggers)
    if arguments.action == "forget":
        return _forget(app, arguments.files)
    return _list(app, arguments.json)


def _list(app: App, as_json: bool) -> int:
    archives = own_tables(app.engine.dialect.name).archives
    newest = select(archives).order_by(archives.c.created_at.desc(), archives.c.file.desc()).limit(MOST)
    with read_only(app.engine) as connection:
        require_schema(connection)
        rows = [dict(row) for row in connection.execute(newest).mappings()]
    if as_json:
        print_json(rows)
    elif not rows:
        say("no policy has archived anything yet")
    else:
        say(*table(HEADINGS, [_listed(row) for row in rows], right=HEADINGS[1:4]))
        if any(row["finished_at"] is None for row in rows):
            say("* to be taken up by the next run")
    return DONE


def _listed(row: dict[str, Any]) -> tuple[str, ...]:
    unfinished = "*" if row["finished_at"] is None else ""
    rows = "?" if row["rows"] is None else f"{row['rows']:,}"
    size = "?" if row["size"] is None else f"{row['size']:,}"
    return f"{row['created_at']:%Y-%m-%d %H:%M}{unfinished}", rows, f"{row['deleted']:,}", size, row["file"]


def _folders(app: App) -> dict[str, Path]:
    """Where the files of each job are that archives."""
    return {f"policies.{name}": app.folder / one.into / name for name, one in app.policies.items() if one.archive}


def _found(app: App, files: list[Path]) -> list[Path]:
    """Bare names, as they are listed, with the folder where they are."""
    folders = _folders(app).values()
    return [
        next((folder / path for folder in folders if path.parent == Path() and (folder / path).exists()), path)
        for path in files
    ]


def _all_files(app: App) -> list[Path]:
    """In the folders of all policies that archive, and those on record there, whether they are there or not."""
    folders = _folders(app)
    files = {path for folder in folders.values() for path in folder.glob(f"*{ENDING}")}
    archives = own_tables(app.engine.dialect.name).archives
    known = select(archives.c.job, archives.c.file).where(archives.c.rows.is_not(None))
    with read_only(app.engine) as connection:
        require_schema(connection)
        files |= {folders[job] / name for job, name in connection.execute(known) if job in folders}
    return sorted(files)


def _verify(files: list[Path], as_json: bool) -> int:
    findings = []
    for path in files:
        try:
            manifest = verify(path)
            findings.append({"file": str(path), "ok": True, "text": f"{manifest.rows:,} rows, as they were written"})
        except JobFailed as error:
            findings.append({"file": str(path), "ok": False, "text": str(error)})
    exposed = open_archives([*files, *map(manifest_of, files)])
    if as_json:
        print_json(findings)
    else:
        for finding in findings:
            say(f"{'ok' if finding['ok'] else 'wrong':<6} {finding['file']}: {finding['text']}")
        if not findings:
            say("there are no archive files")
    if exposed is not None:
        remark(f"warning: {exposed}")
    return DONE if all(finding["ok"] for finding in findings) else FAILED


def _restore(app: App, files: list[Path], without_triggers: bool) -> int:
    from ..declared.restore import restore, triggers

    if len(files) != 1:
        raise UsageError("name one file: sexton archive restore FILE")
    with reaching(app.engine):
        if fire := triggers(app.engine, files[0], without=without_triggers):
            remark(f"triggers fire: {'; '.join(fire)}")
        if without_triggers:
            remark("no other trigger fires; what rows refer to is looked up instead")
        restored = restore(app.engine, files[0], without_triggers=without_triggers)
    for one in restored:
        say(*_told(one))
    return PARTIAL if any(one.refused for one in restored) else DONE


def _told(one: Restored) -> Iterator[str]:
    """What became of one table."""
    gone = f"; columns that are gone: {', '.join(one.dropped)}" if one.dropped else ""
    if one.rows or not one.links:
        yield f"{one.table}: {one.new:,} of {one.rows:,} rows put back{gone}"
    if one.nameless:
        yield f"{one.table}: the columns of its key are gone, so putting this file back again would double its rows"
    if one.links:
        yield f"{one.table}: {one.linked:,} of {one.links:,} links set again; the others are not empty any more"
    if one.changed:
        columns = ", ".join(f"{name} ({rows:,})" for name, rows in one.changed.items())
        yield f"{one.table}: not as they were written, though put back: {columns}; see its triggers and types"
    if one.other:
        yield f"{one.table}: {one.other:,} rows were there with other content, and stayed as they are"
    for number, (name, reason) in enumerate(one.refused.items()):
        if number == NAMED:
            yield f"{one.table}: … and {len(one.refused) - NAMED:,} more that were not put back"
            return
        yield f"{one.table} {name}: not put back: {reason}"


def _forget(app: App, files: list[Path]) -> int:
    from ..runs.archive.records import forget

    if len(files) != 1:
        raise UsageError("name one file: sexton archive forget FILE")
    (path,) = _found(app, files)
    if path.exists() and _is_whole(path):
        raise UsageError(f"archive {path.name} is there, as it was written; nothing has to be forgotten")
    with reaching(app.engine), app.engine.begin() as connection:
        require_schema(connection)
        deleted = forget(connection, path.name)
    if deleted is None:
        raise UsageError(f"no archive {path.name} is on record; see: sexton archive")
    say(f"{path.name}: given up; {deleted:,} rows that were deleted on its strength are in no other file")
    return DONE


def _is_whole(path: Path) -> bool:
    try:
        verify(path)
    except JobFailed:
        return False
    return True
