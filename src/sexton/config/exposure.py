"""What `check` says about files that somebody else could write, and about secrets and rows that all can read (SEC-13).

Settings, jobs and the folders on the way to them are obeyed, so who can write them runs code as this user. Root does
not start at all then: see `sexton.files`, which the readers of these files call themselves.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

from ..files import others_may_read, others_may_write, trusted_owners, user_name
from ..jobs.modules import sources_of
from ..masking import without_secrets
from ..setting_fields import leaves, rule_of
from .policy_settings import PolicySettings
from .settings import Settings

_PATH = "PYTHONPATH"


class Exposed(NamedTuple):
    """about: a file, or a policy.  text: what somebody else can do there, and what ends that."""

    about: str
    text: str


def exposures(
    settings: Settings, read: Iterable[Path], folder: Path, policies: Mapping[str, PolicySettings]
) -> Iterator[Exposed]:
    """All of them. read: the settings files that were.  folder: that of the settings file.

    policies: those that can be loaded; their archives are looked at.
    """
    parts = os.environ.get(_PATH)
    if parts and not all(os.path.isabs(part) for part in parts.split(os.pathsep)):
        why = "so Python imports from the working directory, before its own library"
        yield Exposed("environment", f"{_PATH}={parts} has a part that is empty or relative, {why}; take it out")
    for file in read:
        yield from _written(file)
        yield from _told(file)
    paths = [path for source in settings.jobs for path in sources_of(source, folder)]
    # Of a folder it is said once, about the first file that is in it.
    yield from {found.text: found for path in reversed(paths) for found in _written(path)}.values()
    if (base := _sqlite(settings.database)) is not None:
        yield from _open(base, "and holds history and errors of jobs")
    for name, policy in policies.items():
        if policy.files is not None:
            yield from _archives(f"policies.{name}", folder / policy.files / name)


def open_archives(files: Iterable[Path]) -> str | None:
    """That all may read some of these archives or their manifests; None: nobody but this user and a group may."""
    found = []
    for path in files:
        with suppress(OSError):
            if path.stat().st_mode & 0o004 and others_may_read(path) is not None:
                found.append(path)
    if not found:
        return None
    more = f", and {len(found) - 1:,} more of its folder" if len(found) > 1 else ""
    return f"{found[0].name}{more} can be read by everybody; chmod o-rwx {found[0].parent}"


def _written(path: Path) -> Iterator[Exposed]:
    """Of a file that is obeyed."""
    if (exposed := others_may_write(path, trusted_owners())) is not None:
        yield Exposed(str(path), f"{exposed.what}; it is obeyed as {user_name()}; {exposed.remedy}")


def _told(file: Path) -> Iterator[Exposed]:
    """Of a file that holds passwords: `.env` is there for them, sexton.toml may."""
    exposed = others_may_read(file)
    if exposed is not None and (file.name == ".env" or _has_secret(file)):
        yield Exposed(str(file), f"{exposed.what}, and it holds secrets; {exposed.remedy}")


def _has_secret(file: Path) -> bool:
    try:
        values = tomllib.loads(file.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError, RecursionError):
        return False
    by_looks = (("database",), ("engines",))  # of an address only its password is one, found like that of any other
    secret = (path for path, declared, _ in leaves(Settings) if rule_of(declared).secret and path not in by_looks)
    return without_secrets(values) != values or any(_at(values, path) is not None for path in secret)


def _at(values: Any, path: Iterable[str]) -> object:
    for key in path:
        values = values.get(key) if isinstance(values, Mapping) else None
    return values


def _sqlite(url: str) -> Path | None:
    """The file of a SQLite database; None for another one, and for one in memory."""
    scheme, _, rest = url.partition(":///")
    name = rest.partition("?")[0]
    return (
        Path(name) if scheme in ("sqlite", "sqlite+pysqlite") and name and not name.startswith((":", "file:")) else None
    )


def _open(path: Path, why: str) -> Iterator[Exposed]:
    if path.exists() and (exposed := others_may_read(path)) is not None:
        yield Exposed(str(path), f"{exposed.what}, {why}; {exposed.remedy}")


def _archives(about: str, folder: Path) -> Iterator[Exposed]:
    """Of the files of a policy, also of those that an older version made, and of where they lie."""
    if (exposed := others_may_write(folder, trusted_owners())) is not None:
        yield Exposed(about, f"archive: {exposed}")
    if (text := open_archives(sorted(folder.glob("*.jsonl.gz")) + sorted(folder.glob("*.manifest.json")))) is not None:
        yield Exposed(about, f"archive: {text}")
