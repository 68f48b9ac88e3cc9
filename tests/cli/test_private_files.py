"""SEC-5: whatever a command leaves on the disk is its user's alone, under any umask; older files are named."""

from __future__ import annotations

import grp
import json
import os
import pwd
import stat
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from sexton.db.connect import open_database
from tests.support.require import as_root

from .shell import Shell

POLICY = """
[policies.tidy]
archive = "orders"
by = "ends"
unit = "s"
max_share = 1.0
"""


@pytest.fixture(params=[0o000])
def shell(request: pytest.FixtureRequest) -> Iterator[Shell]:
    """A folder that all may enter, in a session with this umask: the widest one, unless a test asks for others."""
    before = os.umask(request.param)
    with TemporaryDirectory(dir="/tmp") as folder:
        os.chmod(folder, 0o755)
        yield Shell(Path(folder))
    os.umask(before)


def modes(folder: Path) -> dict[str, str]:
    """Of all that lies below, by kind."""
    return {
        f"{path.relative_to(folder)}{'/' * path.is_dir()}": f"{stat.S_IMODE(path.lstat().st_mode):04o}"
        for path in sorted(folder.rglob("*"))
        if "__pycache__" not in path.parts
    }


def sexton(shell: Shell, *words: str) -> str:
    """What it printed; it has to end well."""
    done = shell.sexton(*words)
    assert done.code == 0, done
    return done.out


def archive_something(shell: Shell, policy: str = POLICY) -> None:
    """A database with two orders that end in files."""
    sexton(shell, "init")
    settings = shell.folder / "sexton.toml"
    settings.write_text('database = "sqlite:///shop.db"\n' + policy)
    sexton(shell, "migrate")
    engine = open_database(f"sqlite:///{shell.folder}/shop.db")
    with engine.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE orders (id INTEGER PRIMARY KEY, ends INTEGER)")
        connection.exec_driver_sql("INSERT INTO orders VALUES (1, 1000), (2, 2000)")
    engine.dispose()
    sexton(shell, "arm", "tidy", "--yes")
    sexton(shell, "run", "policies.tidy")


@pytest.mark.parametrize("shell", [0o000, 0o022, 0o077], indirect=True, ids=lambda mask: f"umask {mask:03o}")
def test_sec_5_what_commands_make_is_private(shell: Shell) -> None:
    archive_something(shell)
    sexton(shell, "demo", "--keep", "deep/kept")
    found = modes(shell.folder)

    archived = [name for name in found if name.startswith("archive/tidy/")]
    assert len(archived) == 3
    assert {found[name] for name in found if name.endswith("/")} == {"0700"}
    assert {found[name] for name in found if not name.endswith("/")} == {"0600"}
    assert {"sexton.toml", ".env.example", "shop.db", "deep/kept/sexton.db", "deep/kept/sexton.toml"} <= set(found)
    checked = sexton(shell, "check")
    assert "can be read" not in checked
    assert "can be written" not in checked


def test_sec_5_a_group_may_read_archives_where_the_policy_names_it(shell: Shell) -> None:
    group = grp.getgrgid(os.getegid()).gr_name
    archive_something(shell, f'{POLICY}group = "{group}"\n')
    found = {name: mode for name, mode in modes(shell.folder).items() if name.startswith("archive/")}
    assert len(found) == 4
    assert {mode for name, mode in found.items() if name.endswith("/")} == {"0750"}
    assert {mode for name, mode in found.items() if not name.endswith("/")} == {"0640"}


def test_sec_5_files_of_older_versions_are_named(shell: Shell) -> None:
    archive_something(shell)
    folder = shell.folder / "archive" / "tidy"
    files = sorted(folder.iterdir())
    for path in (shell.folder / "archive", folder):
        path.chmod(0o755)
    for path in (*files, shell.folder / "shop.db"):
        path.chmod(0o644)

    checked, verified = sexton(shell, "check"), shell.sexton("archive", "verify")

    said = f"{files[0].name}, and 1 more of its folder can be read by everybody; chmod o-rwx archive/tidy"
    assert f"warning  policies.tidy: archive: {said}\n" in checked
    assert f"{shell.folder}/shop.db can be read by everybody, mode 0644, and holds history and errors of" in checked
    assert (verified.code, verified.err) == (0, f"warning: {said}\n")
    assert json.loads(sexton(shell, "archive", "verify", "--json"))[0]["ok"]
    folder.chmod(0o700)
    assert "archive:" not in sexton(shell, "check")


def test_sec_5_a_group_that_is_not_there_is_said_before_anything_runs(shell: Shell) -> None:
    archive_something(shell)
    (shell.folder / "sexton.toml").write_text(f'database = "sqlite:///shop.db"\n{POLICY}group = "nobody-has-this"\n')
    done = shell.sexton("check")
    assert done.code != 0
    assert "there is no group 'nobody-has-this' on this host" in done.out


def test_sec_5_attack_init_leaves_nothing_where_it_cannot_write_all(shell: Shell) -> None:
    """A link that leads nowhere stands where the second file goes."""
    (shell.folder / ".env.example").symlink_to("nowhere")
    done = shell.sexton("init")
    assert (done.code, done.line) == (2, "sexton: .env.example is there already; nothing was written")
    assert [path.name for path in shell.folder.iterdir()] == [".env.example"]


def test_sec_5_attack_who_may_not_write_is_told_in_a_line(shell: Shell) -> None:
    as_root()
    nobody = pwd.getpwnam("nobody").pw_uid
    start = f"import os, sys\nfrom sexton.cli import demo, init, main\nos.setresuid({nobody}, {nobody}, {nobody})\n"
    for words, what in ((["init"], "sexton.toml cannot be"), (["demo", "--keep", "kept"], "kept cannot be")):
        done = shell.python("-P", "-c", f"{start}sys.exit(main.main())", *words)
        assert (done.code, what in done.line, "Permission denied" in done.line) == (2, True, True), done
