"""Files that Sexton makes are its user's alone, whatever the umask; and who else may write one is found out."""

from __future__ import annotations

import grp
import os
import pwd
import resource
import signal
import stat
import struct
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from sexton import files
from sexton.errors import SettingsError
from sexton.files import FOR_ALL, TRUST, others_may_read, others_may_write

from .support.require import as_root, missing

UMASKS = (0o000, 0o022, 0o077)


@pytest.fixture(params=UMASKS, ids=lambda mask: f"umask {mask:03o}")
def umask(request: pytest.FixtureRequest) -> Iterator[None]:
    """One that a shell, cron or a container may have."""
    before = os.umask(request.param)
    yield
    os.umask(before)


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that everybody can reach, as that of pytest is root's alone."""
    with TemporaryDirectory(dir="/tmp") as made:
        os.chmod(made, 0o755)
        yield Path(made)


def mode(path: Path) -> int:
    """Its bits, without the kind."""
    return stat.S_IMODE(path.lstat().st_mode)


def some_group() -> str:
    """A group that this process may give: any for root."""
    if os.geteuid() == 0:
        return grp.getgrgid(pwd.getpwnam("nobody").pw_gid).gr_name
    return grp.getgrgid(os.getegid()).gr_name


@pytest.mark.usefixtures("umask")
def test_sec_5_files_and_folders_are_private_whatever_the_umask(tmp_path: Path) -> None:
    files.make_folder(tmp_path / "a" / "b")
    files.write_new(tmp_path / "a" / "b" / "new", b"1")
    files.replace(tmp_path / "a" / "b" / "over", b"2")
    files.replace(tmp_path / "a" / "b" / "over", b"3")
    files.provide(str(tmp_path / "a" / "base"))

    assert [mode(tmp_path / one) for one in ("a", "a/b")] == [0o700, 0o700]
    assert [mode(tmp_path / "a" / one) for one in ("b/new", "b/over", "base")] == [0o600] * 3
    assert (tmp_path / "a/b/over").read_bytes() == b"3"
    assert sorted(path.name for path in (tmp_path / "a/b").iterdir()) == ["new", "over"]


@pytest.mark.usefixtures("umask")
def test_sec_5_a_group_may_read_where_it_is_named(tmp_path: Path) -> None:
    group = some_group()
    files.make_folder(tmp_path / "a" / "b", group=group)
    files.create(tmp_path / "a" / "b" / "new", group=group).close()
    files.replace(tmp_path / "over", b"", group=group)

    assert [mode(tmp_path / one) for one in ("a", "a/b", "a/b/new", "over")] == [0o750, 0o750, 0o640, 0o640]
    assert {(tmp_path / one).stat().st_gid for one in ("a", "a/b/new", "over")} == {grp.getgrnam(group).gr_gid}
    with pytest.raises(SettingsError, match="there is no group 'nobody-has-this' on this host"):
        files.create(tmp_path / "lost", group="nobody-has-this")
    with pytest.raises(SettingsError, match="there is no group 'nobody-has-this' on this host"):
        files.make_folder(tmp_path / "lost", group="nobody-has-this")
    assert not (tmp_path / "lost").exists()


@pytest.mark.usefixtures("umask")
def test_sec_5_what_is_there_keeps_its_mode(tmp_path: Path) -> None:
    there = tmp_path / "there"
    there.mkdir()
    there.chmod(0o755)
    (there / "base").write_bytes(b"data")
    (there / "base").chmod(0o644)

    files.make_folder(there)
    files.provide(str(there / "base"))

    assert (mode(there), mode(there / "base"), (there / "base").read_bytes()) == (0o755, 0o644, b"data")


@pytest.mark.parametrize("make", [files.write_new, lambda path, text: files.create(path)], ids=["write_new", "create"])
def test_sec_11_a_planted_link_is_never_followed(make: Callable[[Path, bytes], object], tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    for target in (victim, tmp_path / "nothing"):
        victim.write_bytes(b"secret")
        victim.chmod(0o600)
        (tmp_path / "link").symlink_to(target)
        with pytest.raises(FileExistsError):
            make(tmp_path / "link", b"mine")
        (tmp_path / "link").unlink()

    assert (victim.read_bytes(), mode(victim)) == (b"secret", 0o600)
    assert list(tmp_path.iterdir()) == [victim]


def test_sec_11_a_link_of_the_name_is_replaced_and_its_target_stays(tmp_path: Path) -> None:
    (tmp_path / "victim").write_bytes(b"secret")
    (tmp_path / "victim").chmod(0o600)
    (tmp_path / "link").symlink_to("victim")

    files.replace(tmp_path / "link", b"mine", mode=FOR_ALL)

    assert ((tmp_path / "victim").read_bytes(), mode(tmp_path / "victim")) == (b"secret", 0o600)
    assert not (tmp_path / "link").is_symlink()
    assert mode(tmp_path / "link") == 0o644


def test_what_cannot_be_replaced_stays_and_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    with pytest.raises(OSError, match="folder"):
        files.replace(tmp_path / "folder", b"")
    assert [path.name for path in tmp_path.iterdir()] == ["folder"]


def test_sec_13_what_this_user_alone_can_write(tmp_path: Path) -> None:
    """Below /tmp, which all may write, but with its sticky bit."""
    (tmp_path / "file").write_bytes(b"")
    (tmp_path / "file").chmod(0o644)
    (tmp_path / "link").symlink_to("file")
    for name in ("file", "link", "not there", "sub/../file"):
        assert others_may_write(tmp_path / name) is None


@pytest.mark.parametrize(
    ("place", "bits", "what", "remedy"),
    [
        ("a/b/file", 0o666, "{}/a/b/file can be written by everybody, mode 0666", "chmod o-w {}/a/b/file"),
        ("a", 0o777, "{}/a can be written by everybody, mode 0777", "chmod o-w {}/a"),
        ("a/b", 0o757, "{}/a/b can be written by everybody, mode 0757", "chmod o-w {}/a/b"),
    ],
)
def test_sec_13_each_folder_on_the_way_counts(place: str, bits: int, what: str, remedy: str, folder: Path) -> None:
    (folder / "a" / "b").mkdir(parents=True)
    (folder / "a" / "b" / "file").write_bytes(b"")
    (folder / "link").symlink_to("a/b/file")
    (folder / place).chmod(bits)

    for name in ("a/b/file", "link"):
        assert others_may_write(folder / name) == (what.format(folder), remedy.format(folder))
    (folder / place).chmod(bits & ~0o002)
    assert others_may_write(folder / "link") is None


def test_sec_13_a_sticky_folder_protects_what_we_own(folder: Path) -> None:
    (folder / "open").mkdir()
    (folder / "open").chmod(0o1777)
    (folder / "open" / "file").write_bytes(b"")
    assert others_may_write(folder / "open" / "file") is None


def test_sec_13_what_belongs_to_somebody_else(folder: Path) -> None:
    as_root()
    nobody = pwd.getpwnam("nobody").pw_uid
    (folder / "file").write_bytes(b"")
    os.chown(folder / "file", nobody, 0)
    (folder / "link").symlink_to("/etc/passwd")
    os.lchown(folder / "link", nobody, 0)

    for name in ("file", "link"):
        found = others_may_write(folder / name)
        assert found is not None
        assert str(found) == (
            f"{folder / name} belongs to nobody; chown it, or run as its owner, or trust them: {TRUST}=nobody"
        )
        assert others_may_write(folder / name, frozenset({nobody})) is None


def test_sec_13_a_group_may_write_that_is_of_its_user_alone(folder: Path) -> None:
    as_root()
    daemon, nobody = pwd.getpwnam("daemon"), pwd.getpwnam("nobody")
    (folder / "file").write_bytes(b"")
    (folder / "file").chmod(0o664)
    assert others_may_write(folder / "file") is None  # group 0
    os.chown(folder / "file", 0, nobody.pw_gid)
    found = others_may_write(folder / "file")
    assert found is not None
    assert (found.what, found.remedy) == (
        f"{folder}/file can be written by group {grp.getgrgid(nobody.pw_gid).gr_name}, mode 0664",
        f"chmod g-w {folder}/file",
    )
    os.chown(folder / "file", daemon.pw_uid, daemon.pw_gid)  # a group with the name of its user
    assert others_may_write(folder / "file", frozenset({daemon.pw_uid})) is None
    os.chown(folder / "file", 54_321, 54_321)  # neither has a name here, as in a container
    assert others_may_write(folder / "file", frozenset({54_321})) is None


def test_sec_13_who_is_trusted_stands_in_the_environment_of_root(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    as_root()
    (folder / "file").write_bytes(b"")
    os.chown(folder / "file", 54_321, 54_321)

    with pytest.raises(SettingsError, match=f"^{folder}/file belongs to user 54321, and root obeys only what root"):
        files.refuse_for_root(folder / "file")
    monkeypatch.setenv(TRUST, "nobody, 54321")
    files.refuse_for_root(folder / "file")
    monkeypatch.setenv(TRUST, "nobody-has-this")
    with pytest.raises(SettingsError, match=f"environment: {TRUST}: there is no user 'nobody-has-this'; write a name"):
        files.refuse_for_root(folder / "file")


def test_sec_13_what_others_may_read(folder: Path) -> None:
    (folder / "sub").mkdir(mode=0o755)
    file = folder / "sub" / ".env"
    file.write_bytes(b"")
    file.chmod(0o644)
    assert others_may_read(file) == (f"{file} can be read by everybody, mode 0644", f"chmod o-rwx {file}")
    for place, bits in ((file, 0o640), (folder / "sub", 0o700)):
        before = mode(place)
        place.chmod(bits)
        assert others_may_read(file) is None
        place.chmod(before)
    assert others_may_read(folder / "not there") is None


def listed(path: Path, *, user: int, rights: int, group: int = 0o4, mask: int = 0o6) -> None:
    """An access control list, as setfacl writes it: what its owner may, this user, its group, at most, and others."""
    entries = ((1, 6, -1), (2, rights, user), (4, group, -1), (16, mask, -1), (32, 4, -1))
    packed = b"".join(struct.pack("<HHI", kind, may, who % (1 << 32)) for kind, may, who in entries)
    try:
        os.setxattr(path, "system.posix_acl_access", struct.pack("<I", 2) + packed)
    except OSError as error:
        missing("acl", f"this file system has no access control lists: {error}")


@pytest.mark.skipif(sys.platform != "linux", reason="access control lists are read on Linux only")
def test_sec_13_attack_an_access_control_list_names_who_may_write(folder: Path) -> None:
    """Its mode shows group root alone, as the bits of the group are the mask of the list then."""
    nobody = pwd.getpwnam("nobody").pw_uid
    path = folder / "file"
    path.write_bytes(b"")

    listed(path, user=nobody, rights=0o6)
    assert others_may_write(path) == (
        f"{path} can be written by user nobody, mode {mode(path):04o}",
        f"chmod g-w {path}",
    )
    assert others_may_write(path, frozenset({nobody})) is None
    path.chmod(0o644)  # the remedy: the list gives nobody more than that
    assert others_may_write(path) is None
    listed(path, user=nobody, rights=0o4)
    assert others_may_write(path) is None


def test_sec_13_attack_whose_own_group_it_is_no_list_of_members_says(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody else was made with the group of our user as their own; accounts are those of the host, and one more."""
    as_root()
    daemon, everybody = pwd.getpwnam("daemon"), pwd.getpwall()
    (folder / "file").write_bytes(b"")
    os.chown(folder / "file", daemon.pw_uid, daemon.pw_gid)
    (folder / "file").chmod(0o664)
    assert others_may_write(folder / "file", frozenset({daemon.pw_uid})) is None
    mallory = pwd.struct_passwd(("mallory", "x", 54_322, daemon.pw_gid, "", "/", "/bin/sh"))
    monkeypatch.setattr(pwd, "getpwall", lambda: [*everybody, mallory])
    found = others_may_write(folder / "file", frozenset({daemon.pw_uid}))
    assert found is not None
    assert found.what == f"{folder}/file can be written by group daemon, mode 0664"


def test_sec_5_attack_a_file_that_cannot_be_filled_is_not_left(tmp_path: Path) -> None:
    """It would stand in the way of the next attempt. A limit of this process stands for a full disk."""
    child = os.fork()
    if child == 0:
        with suppress(OSError):
            resource.setrlimit(resource.RLIMIT_FSIZE, (10, 10))
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            files.write_new(tmp_path / "new", b"x" * 1_000)
            os._exit(4)
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert list(tmp_path.iterdir()) == []
