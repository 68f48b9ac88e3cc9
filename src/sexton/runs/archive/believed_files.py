"""Which archive files are believed: those that the database has on record, as the record says; others by a word only.

The folder is a place where others may write. The record lies beside the data: who can forge it need not forge a file.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from ...archives.file_format import ArchiveLine, Manifest, Written
from ...archives.manifests import read_manifest
from ...archives.reader import Seal, lines_of, measured
from ...errors import JobFailed
from .records import Record

BELIEVED_LINE = 256 << 20
"""Bytes of one line of a file that no database has on record."""

BELIEVED_TEXT = 4 << 30
"""Bytes of all of them."""

BELIEVED_LINES = 2_000_000
"""Their number."""

WITHOUT_RECORD = "--without-record"
"""The option by which a person believes a manifest."""


@dataclass(frozen=True, slots=True)
class Archive:
    """A file that was found to be what its seal says. recorded: the database's; else that of its own manifest."""

    path: Path
    manifest: Manifest
    seal: Seal
    written: Written
    recorded: bool = True

    def lines(self) -> Iterator[ArchiveLine]:
        """JobFailed: it is another file by now, or has rows of a table that its manifest does not name (SEC-3)."""
        for line in lines_of(self.path, self.seal):
            columns = self.manifest.columns.get(line.table)
            if columns is None or not columns.keys() >= set(line.link):
                raise JobFailed(f"archive {self.path.name} has a row of a table that its manifest does not name")
            yield line


def verify_by_record(path: Path, record: Record | None) -> Archive:
    """A file by its record in this database. JobFailed, with what is wrong.

    What `measured` finds in a file of that digest is what was written; of its manifest, older records know no digest.
    """
    if record is None or record.seal is None:
        raise JobFailed(
            f"archive {path.name} is not on record in this database, so nothing tells whether it is as it was written"
            f" (of another database: {WITHOUT_RECORD})"
        )
    seal, written = record.seal, measured(path, record.seal)
    manifest = read_manifest(path, seal.manifest)
    rows = manifest.rows if seal.rows is None else seal.rows
    own = (manifest.policy, manifest.run, manifest.sha256, manifest.size, manifest.rows)
    if own != (record.job, record.run_id, seal.sha256, seal.size, rows) or not _of_its_lines(manifest, written):
        raise JobFailed(f"the manifest of archive {path.name} is not the one of this file: it differs from the record")
    longest, text = written.longest, written.text
    archive = Archive(path, manifest, replace(seal, longest=longest, text=text), written)
    if seal.manifest is None:
        _require_all_columns(archive)
    return archive


def _require_all_columns(archive: Archive) -> None:
    """JobFailed where rows have columns that the manifest leaves out, which would come back as their defaults (SEC-3).

    Only records since revision 0011 know the digest of the manifest; before, the lines are all that is sure.
    """
    for line in archive.lines():
        try:
            names = json.loads(line.row)
        except (ValueError, RecursionError):
            continue  # `restore` says what is wrong with it
        if left_out := names.keys() - archive.manifest.columns[line.table].keys() if isinstance(names, dict) else ():
            raise JobFailed(
                f"the manifest of archive {archive.path.name} is not the one of this file: it leaves out columns of"
                f" {line.table}: {', '.join(sorted(left_out))}"
            )


def verify_by_manifest(path: Path, policies: Mapping[str, Collection[str]]) -> Archive:
    """A file that is on record nowhere, as its manifest has it. policies: of each job, the tables that it may be of.

    JobFailed when it is damaged, or is of another policy or table.
    """
    manifest = read_manifest(path)
    seal = Seal(manifest.sha256, manifest.size, manifest.rows, BELIEVED_LINE, BELIEVED_TEXT)
    if manifest.policy not in policies:
        raise JobFailed(f"archive {path.name} is of {manifest.policy}, which the settings do not have, or not here")
    if others := manifest.columns.keys() - set(policies[manifest.policy]):
        raise JobFailed(
            f"archive {path.name} has rows of {', '.join(sorted(others))}, which {manifest.policy} does not archive"
        )
    written = measured(path, seal)
    if written.lines > BELIEVED_LINES:
        raise JobFailed(f"archive {path.name} has more than {BELIEVED_LINES:,} lines, the most that are believed")
    if not _of_its_lines(manifest, written):
        raise JobFailed(f"archive {path.name} is not as it was written: its manifest is of other lines")
    return Archive(path, manifest, seal, written, recorded=False)


def _of_its_lines(manifest: Manifest, written: Written) -> bool:
    return (manifest.lines, manifest.content_sha256) == (written.lines, written.content_sha256)
