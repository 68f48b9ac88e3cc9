"""The one place that makes files and folders, and that says who else may read or write one (SEC-5, SEC-11, SEC-13).

A file is this user's alone, 0600, and a folder 0700, whatever the umask; where a group is named, its members may read:
0640 and 0750. A name that is taken, by a link as well, is never followed. What is there already keeps its mode.
"""

from __future__ import annotations

import errno
import grp
import os
import pwd
import stat
import struct
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from secrets import token_hex
from typing import BinaryIO, NamedTuple

from .errors import SettingsError

FILE, FOLDER = 0o600, 0o700
_GROUP_READS, _GROUP_ENTERS = 0o040, 0o050

FOR_ALL = 0o644
"""Mode of a file that holds no secret, and that a service of another user reads: metrics."""

TRUST = "SEXTON_TRUST_OWNER"
"""Variable of the environment: users, by name or number, whose files are obeyed beside root's and our own."""

_MOST_LINKS = 40

_LIST, _LISTED_USER, _OWNING_GROUP, _LISTED_GROUP = "system.posix_acl_access", 0x02, 0x04, 0x08
"""Where Linux keeps the access control list of a file, and kinds of its entries."""


def create(path: str | Path, *, group: str | None = None, mode: int | None = None) -> BinaryIO:
    """A new file, open for writing. group: its members may read it.  mode: instead of 0600, or 0640 with a group.

    FileExistsError when the name is taken; OSError; SettingsError for a group that cannot be given.
    """
    number = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, FILE)
    try:
        _settle(number, group, (FILE | (_GROUP_READS if group else 0)) if mode is None else mode)
        return os.fdopen(number, "wb")
    except BaseException:
        os.close(number)
        os.unlink(path)
        raise


def write_new(path: Path, content: bytes, *, group: str | None = None, mode: int | None = None) -> None:
    """A new file with this content. group, mode: as of `create`.

    FileExistsError when the name is taken; OSError, SettingsError: there is none of it.
    """
    with create(path, group=group, mode=mode) as file:
        try:
            file.write(content)
            file.flush()
        except BaseException:
            path.unlink(missing_ok=True)
            raise


def replace(path: Path, content: bytes, *, group: str | None = None, mode: int | None = None) -> None:
    """Give a file new content in one piece: who reads it sees all of the old or all of the new.

    It is written beside, under a name that nobody can guess. A link of the name is replaced, and not followed.
    OSError, SettingsError: the old content stays.
    """
    beside = path.with_name(f".{path.name}.{token_hex(8)}")
    write_new(beside, content, group=group, mode=mode)
    try:
        os.replace(beside, path)
    except BaseException:
        beside.unlink(missing_ok=True)
        raise


def provide(path: str) -> None:
    """An empty file where there is none, so that who opens it by name (SQLite) need not make one that all may read.

    What stands in the way is left to be said by who opens it.
    """
    with suppress(OSError):
        create(os.path.realpath(path)).close()


def make_folder(folder: Path, *, group: str | None = None) -> None:
    """A folder, with those above it that are missing; one that is there stays as it is.

    group: its members may enter those that are made, and list them. OSError, SettingsError.
    """
    missing = []
    if group is not None:
        group_number(group)  # before there is a folder that its members cannot enter, which would stay so
    for one in (folder, *folder.parents):
        if one.is_dir():
            break
        missing.append(one)
    for one in reversed(missing):
        try:
            one.mkdir(FOLDER)
        except FileExistsError:
            if not one.is_dir():
                raise
            continue  # somebody else was faster
        if group is not None:
            number = os.open(one, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
            try:
                _settle(number, group, FOLDER | _GROUP_ENTERS)
            finally:
                os.close(number)


def group_number(name: str) -> int:
    """The number of a group that files may be given to. SettingsError for one that is not there, or not our own."""
    try:
        number = grp.getgrnam(name).gr_gid
    except KeyError:
        raise SettingsError(f"group: there is no group {name!r} on this host") from None
    if os.geteuid() and number not in {os.getegid(), *os.getgroups()}:
        raise SettingsError(f"group: {user_name()} is not in group {name!r}, and so cannot give it files")
    return number


class Exposure(NamedTuple):
    """what: how somebody else gets at a file, as words that begin with the place.  remedy: what ends that."""

    what: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.what}; {self.remedy}"


def others_may_write(path: str | Path, trusted: frozenset[int] = frozenset()) -> Exposure | None:
    """By what somebody else may change what stands under this path; None: by nothing.

    Looked at is each folder and link on the way. Root, this user and `trusted` may own them; a folder that all may
    write is fine with its sticky bit (/tmp), or where it is mounted to be read only (a ConfigMap); and a group may
    write that is of one of those users alone.
    """
    owners = {0, os.geteuid(), *trusted}
    for place, found in _steps(path):
        if found.st_uid not in owners:
            owner = user_name(found.st_uid)
            remedy = f"chown it, or run as its owner, or trust them: {TRUST}={owner.removeprefix('user ')}"
            return Exposure(f"{place} belongs to {owner}", remedy)
        who = _writers(place, found, owners)
        if who and not os.statvfs(place).f_flag & os.ST_RDONLY:
            letter = "o" if found.st_mode & 0o002 else "g"
            mode = f"mode {stat.S_IMODE(found.st_mode):04o}"
            return Exposure(f"{place} can be written by {who}, {mode}", f"chmod {letter}-w {place}")
    return None


def others_may_read(path: str | Path) -> Exposure | None:
    """By what somebody who is not in its group may read a file, or list a folder; None: nobody may, or it is gone."""
    if not os.path.exists(path):
        return None
    steps, owners = list(_steps(path)), {0, os.geteuid()}
    place, last = steps.pop()
    for _, found in steps:
        enters = found.st_mode & 0o001 or (found.st_mode & 0o010 and not _alone(found.st_gid, owners))
        if stat.S_ISDIR(found.st_mode) and not enters:
            return None
    if last.st_mode & 0o004:
        mode = f"mode {stat.S_IMODE(last.st_mode):04o}"
        return Exposure(f"{place} can be read by everybody, {mode}", f"chmod o-rwx {place}")
    return None


def trusted_owners() -> frozenset[int]:
    """Users of SEXTON_TRUST_OWNER. SettingsError for a name that nobody has."""
    found = set()
    for name in filter(None, (part.strip() for part in os.environ.get(TRUST, "").split(","))):
        try:
            found.add(int(name) if name.isascii() and name.isdigit() else pwd.getpwnam(name).pw_uid)
        except KeyError:
            raise SettingsError(f"environment: {TRUST}: there is no user {name!r}; write a name or a number") from None
    return frozenset(found)


def refuse_for_root(path: str | Path) -> None:
    """SettingsError when we are root and somebody else could have written what stands under this path.

    Obeyed as root, it would hand them the machine. Other users are warned by `sexton check`.
    """
    if os.geteuid() == 0 and (exposed := others_may_write(path, trusted_owners())) is not None:
        raise SettingsError(f"{exposed.what}, and root obeys only what root alone can write; {exposed.remedy}")


def user_name(number: int | None = None) -> str:
    """The name of a user, by default the one of this process; "user 1000" where it has none."""
    number = os.geteuid() if number is None else number
    try:
        return pwd.getpwuid(number).pw_name
    except KeyError:
        return f"user {number}"


def group_name(number: int) -> str:
    """The name of a group; the number alone where it has none."""
    try:
        return grp.getgrgid(number).gr_name
    except KeyError:
        return str(number)


def _writers(place: str, found: os.stat_result, owners: set[int]) -> str | None:
    """Who beside its owner may write what was found, or what stands in it."""
    folder = stat.S_ISDIR(found.st_mode)
    if stat.S_ISLNK(found.st_mode) or (folder and found.st_mode & stat.S_ISVTX):
        return None
    if found.st_mode & 0o002:
        return "everybody"
    if not found.st_mode & 0o020:  # where there is an access control list, these bits are the most that it gives
        return None
    users, groups = _listed(place, found.st_gid)
    strangers = [f"user {user_name(user).removeprefix('user ')}" for user in users if user not in owners]
    strangers += [f"group {group_name(group)}" for group in groups if not _alone(group, owners)]
    return strangers[0] if strangers else None


def _listed(place: str, group: int) -> tuple[list[int], list[int]]:
    """Users and groups that may write by an access control list; without one it is the group of its own."""
    if sys.platform != "linux":
        return [], [group]
    try:
        entries = list(struct.iter_unpack("<HHI", os.getxattr(place, _LIST, follow_symlinks=False)[4:]))
    except OSError:
        return [], [group]
    writing = [(kind, number) for kind, rights, number in entries if rights & 0o2]
    groups = [group] * any(kind == _OWNING_GROUP for kind, _ in writing)
    groups += [number for kind, number in writing if kind == _LISTED_GROUP]
    return [number for kind, number in writing if kind == _LISTED_USER], groups


def _settle(number: int, group: str | None, mode: int) -> None:
    """Group and mode of what is open, whatever the umask took away. OSError where that would leave it open to others.

    Some file systems keep no modes (FAT, those of other systems that are mounted here), and say so by EPERM.
    """
    if group is not None:
        os.fchown(number, -1, group_number(group))
    try:
        os.fchmod(number, mode)
    except PermissionError as error:
        if stat.S_IMODE(os.fstat(number).st_mode) & ~mode:
            why = "its file system keeps no modes, so others could get at it; use a folder on another one"
            raise PermissionError(errno.EPERM, why) from error


def _steps(path: str | Path) -> Iterator[tuple[str, os.stat_result]]:
    """Each folder and link that decides what is found under a path, from the root on; then itself, if it is there."""
    here, links = "/", 0
    yield here, os.lstat(here)
    rest = list(reversed(Path(os.getcwd(), path).parts[1:]))  # not abspath: it takes .. for the folder before a link
    while rest:
        part = rest.pop()
        if part == os.pardir:
            here = os.path.dirname(here)
            continue
        there = os.path.join(here, part)
        try:
            found = os.lstat(there)
        except OSError:
            return
        yield there, found
        if not stat.S_ISLNK(found.st_mode):
            here = there
            continue
        links += 1
        if links > _MOST_LINKS:
            return
        target = Path(os.readlink(there))
        here = "/" if target.is_absolute() else here
        rest += reversed([part for part in target.parts if part != target.anchor])


def _alone(group: int, owners: set[int]) -> bool:
    """Whether nobody is in a group but one of these users: number 0, or one with a user's name and no other member.

    A group without name counts where a user has its number, as in containers. Whose own group it is, no list of
    members says; number 0 is that of system accounts on some hosts.
    """
    if group and any(one.pw_gid == group and one.pw_uid not in owners for one in pwd.getpwall()):
        return False
    try:
        entry = grp.getgrgid(group)
    except KeyError:
        return group in owners
    users = {user_name(owner) for owner in owners}
    return (group == 0 or entry.gr_name in users) and set(entry.gr_mem) <= users
