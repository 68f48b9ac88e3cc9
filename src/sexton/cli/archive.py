"""The files of policies that archive: list them, see whether they are as they were written, put their rows back.

sexton archive                      files on record, the newest first
sexton archive verify [FILE ...]    read files, and compare them with the database's record; all by default
sexton archive restore FILE         insert its rows again; those that are there stay as they are
sexton archive forget FILE          a file that is lost: no run looks for it any more

A file is found by its name in the folder of its policy, or by its path. What it has to be, the database has on record
since it was written; a file of another database is taken only with --without-record, as its manifest describes it.
"""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import or_, select

from ..app import App
from ..archives.file_format import ENDING, manifest_of
from ..config.child_settings import tables_of
from ..config.exposure import open_archives
from ..console import remark, say
from ..db.connect import connection_errors_translated, read_only
from ..db.migrate import require_schema, revision
from ..db.tables import own_tables
from ..declared.restore import restore, triggers
from ..errors import JobFailed, UsageError
from ..exit_codes import DONE, FAILED, PARTIAL
from ..runs.archive.believed_files import verify_by_manifest, verify_by_record
from ..runs.archive.records import forget, record_of
from ..texts import one_line
from ._common import add_json, confirmed, open_app, print_json, table

if TYPE_CHECKING:
    from ..declared.restore import Restored
    from ..runs.archive.believed_files import Archive

ARCHIVE_ACTIONS = ("list", "verify", "restore", "forget")
MAX_LISTED_FILES = 200
"""Files that are listed."""

MAX_NAMED_ROWS = 20
"""Rows of a table that are named when they could not be put back."""

ARCHIVE_HEADINGS = ("WRITTEN", "ROWS", "DELETED", "SIZE", "FILE")


def arguments(parser: ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("action", nargs="?", choices=ARCHIVE_ACTIONS, default="list", help="list by default")
    parser.add_argument("files", nargs="*", metavar="FILE", type=Path, help="archive files")
    parser.add_argument(
        "--without-triggers",
        action="store_true",
        help="restore: no trigger fires (PostgreSQL, where the role may); references are looked up instead",
    )
    parser.add_argument(
        "--without-record",
        action="store_true",
        help="verify, restore: also a file that this database has no record of; its manifest is believed",
    )
    parser.add_argument("--yes", action="store_true", help="restore: do not ask")
    add_json(parser)


def run(arguments: Namespace) -> int:
    """Do it."""
    app = open_app(arguments, partly=True)
    if arguments.action == "verify":
        return _verify(app, arguments)
    if arguments.action == "restore":
        return _restore(app, _found(app, arguments.files), arguments)
    if arguments.action == "forget":
        return _forget(app, arguments.files)
    return _list(app, arguments.json)


def _list(app: App, as_json: bool) -> int:
    archives = own_tables(app.database.dialect.name).archives
    newest = select(archives).order_by(archives.c.created_at.desc(), archives.c.file.desc()).limit(MAX_LISTED_FILES)
    with read_only(app.database) as connection:
        require_schema(connection)
        rows = [dict(row) for row in connection.execute(newest).mappings()]
    if as_json:
        print_json(rows)
    elif not rows:
        say("no policy has archived anything yet")
    else:
        say(*table(ARCHIVE_HEADINGS, [_listed(row) for row in rows], right=ARCHIVE_HEADINGS[1:4]))
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
    return {f"policies.{name}": app.folder / one.files / name for name, one in app.policies.items() if one.files}


def _found(app: App, files: list[Path]) -> list[Path]:
    """Bare names, as they are listed, with the folder where they are."""
    folders = _folders(app).values()
    return [
        next((folder / path for folder in folders if path.parent == Path() and (folder / path).exists()), path)
        for path in files
    ]


def _all_files(app: App) -> tuple[list[Path], list[str]]:
    """In the folders of all policies that archive, and those on record there, whether they are there or not.

    Then the names of those whose policy the settings do not have any more, so that nobody knows their folder.
    """
    folders = _folders(app)
    files = {path for folder in folders.values() for path in folder.glob(f"*{ENDING}")}
    archives = own_tables(app.database.dialect.name).archives
    went = or_(archives.c.deleted > 0, archives.c.finished_at.is_not(None))
    known = select(archives.c.job, archives.c.file).where(archives.c.rows.is_not(None), went)
    with read_only(app.database) as connection:
        require_schema(connection)
        names = connection.execute(known).all()
    files |= {folders[job] / name for job, name in names if job in folders}
    return sorted(files), sorted(name for job, name in names if job not in folders)


def _opened(app: App, path: Path, without_record: bool) -> Archive:
    """The file by its record; by its manifest where there is none, and that was asked for. JobFailed."""
    with read_only(app.database) as connection:
        bare = without_record and revision(connection) is None
        if not bare:
            require_schema(connection)
        record = None if bare else record_of(connection, path.name)
    if without_record and (record is None or record.seal is None):
        return verify_by_manifest(path, _tables(app))
    return verify_by_record(path, record)


def _tables(app: App) -> dict[str, list[str]]:
    """Of each job that archives, the tables of its policy and what hangs on them, as the settings have them (SEC-3)."""
    policies = ((name, one) for name, one in app.policies.items() if one.files)
    return {f"policies.{name}": [one.table, *tables_of(one.children)] for name, one in policies}


def _verify(app: App, arguments: Namespace) -> int:
    findings: list[dict[str, Any]] = []
    files, homeless = (_found(app, arguments.files), []) if arguments.files else _all_files(app)
    for path in files:
        try:
            archive = _opened(app, path, arguments.without_record)
            as_said = "as they were written" if archive.recorded else "as its manifest says, and on record nowhere here"
            findings.append({"file": str(path), "ok": True, "text": f"{archive.manifest.rows:,} rows, {as_said}"})
        except JobFailed as error:
            findings.append({"file": str(path), "ok": False, "text": str(error)})
    exposed = open_archives([*files, *map(manifest_of, files)])
    if arguments.json:
        print_json(findings)
    else:
        for finding in findings:
            say(f"{'ok' if finding['ok'] else 'wrong':<6} {finding['file']}: {finding['text']}")
        if not findings:
            say("there are no archive files" + " of policies in the settings" * bool(homeless))
    if homeless:
        remark(
            f"warning: {len(homeless):,} files on record were not looked at, as the settings have no policy of their"
            f" name any more; name them with their folder: sexton archive verify …/{homeless[0]}"
        )
    if exposed is not None:
        remark(f"warning: {exposed}")
    return DONE if all(finding["ok"] for finding in findings) else FAILED


def _restore(app: App, files: list[Path], arguments: Namespace) -> int:
    if len(files) != 1:
        raise UsageError("name one file: sexton archive restore FILE")
    with connection_errors_translated(app.database):
        archive = _opened(app, files[0], arguments.without_record)
        remark(*_shown(archive))
        if fire := triggers(app.database, archive, without=arguments.without_triggers):
            remark(f"triggers fire: {'; '.join(fire)}")
        if arguments.without_triggers:
            remark("no other trigger fires; what rows refer to is looked up instead")
        if not arguments.yes and not confirmed("Put them back?", "to put its rows back"):
            say("no row was put back")
            return FAILED
        restored = restore(app.database, archive, without_triggers=arguments.without_triggers)
    for one in restored:
        say(*_told(one))
    return PARTIAL if any(one.refused for one in restored) else DONE


def _shown(archive: Archive) -> Iterator[str]:
    """What is about to be put back, and who says so."""
    manifest = archive.manifest
    by = "" if archive.recorded else "; this database has no record of it, and its manifest may say anything"
    yield one_line(
        f"{archive.path.name}: {manifest.rows:,} rows of {manifest.table} in {manifest.lines:,} lines, "
        f"by run {manifest.run} of {manifest.policy} at {manifest.as_of}{by}"
    )
    for name, columns in manifest.columns.items():
        yield one_line(f"  {name}: {', '.join(columns)}")


def _told(one: Restored) -> Iterator[str]:
    """What became of one table."""
    gone = f"; columns that are gone: {one_line(', '.join(one.dropped))}" if one.dropped else ""
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
        if number == MAX_NAMED_ROWS:
            yield f"{one.table}: … and {len(one.refused) - MAX_NAMED_ROWS:,} more that were not put back"
            return
        yield f"{one.table} {name}: not put back: {reason}"


def _forget(app: App, files: list[Path]) -> int:
    if len(files) != 1:
        raise UsageError("name one file: sexton archive forget FILE")
    (path,) = _found(app, files)
    if path.exists() and _is_whole(app, path):
        raise UsageError(f"archive {path.name} is there, as it was written; nothing has to be forgotten")
    with connection_errors_translated(app.database), app.database.begin() as connection:
        require_schema(connection)
        deleted = forget(connection, path.name)
    if deleted is None:
        raise UsageError(f"no archive {path.name} is on record; see: sexton archive")
    say(f"{path.name}: given up; {deleted:,} rows that were deleted on its strength are in no other file")
    return DONE


def _is_whole(app: App, path: Path) -> bool:
    try:
        _opened(app, path, without_record=False)
    except JobFailed:
        return False
    return True
