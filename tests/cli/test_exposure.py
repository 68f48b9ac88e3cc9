"""SEC-13: settings and jobs that somebody else could have written: root obeys none, and `check` warns everybody."""

from __future__ import annotations

import os
import pwd
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from sexton.files import TRUST
from tests.support.require import as_root

from .shell import Shell

COMMANDS = (["jobs"], ["history"], ["check"], ["check", "--offline"], ["run", "--due"], ["worker"], ["metrics"])
EVIL = """open({marker!r}, "w").close()
from sexton import Job
evil = Job("evil.job", work=print)
"""
SETTINGS = 'database = "sqlite:///shop.db"\njobs = ["own/jobs.py"]\n'


@pytest.fixture
def shop() -> Iterator[Shell]:
    """A folder that all may enter, with settings, jobs and tables."""
    with TemporaryDirectory(dir="/tmp") as made:
        folder = Path(made)
        os.chmod(folder, 0o755)
        shell = Shell(folder)
        (folder / "own").mkdir(mode=0o755)
        shell.write("sexton.toml", SETTINGS)
        shell.write(".env", "SEXTON_TIMEZONE=UTC\n")
        shell.write("own/jobs.py", EVIL.format(marker=str(folder / "own" / "ran")))
        for name, mode in ((".env", 0o600), ("sexton.toml", 0o644), ("own/jobs.py", 0o644)):
            (folder / name).chmod(mode)
        done = shell.sexton("migrate")
        assert done.code == 0, done
        (folder / "own" / "ran").unlink()
        yield shell
        os.chmod(folder, 0o755)


def nobody() -> int:
    """Another user."""
    return pwd.getpwnam("nobody").pw_uid


def give(name: str) -> Callable[[Path], None]:
    """It belongs to somebody else."""
    return lambda folder: os.chown(folder / name, nobody(), -1, follow_symlinks=False)


def open_up(name: str, mode: int) -> Callable[[Path], None]:
    """Others may write it."""
    return lambda folder: os.chmod(folder / name, mode)


def link(name: str) -> Callable[[Path], None]:
    """A link of somebody else's stands there."""

    def planted(folder: Path) -> None:
        (folder / name).rename(folder / "moved")
        (folder / name).symlink_to("moved")
        give(name)(folder)

    return planted


WAYS = {
    "settings of another": (give("sexton.toml"), "sexton.toml belongs to nobody"),
    "settings that all may write": (open_up("sexton.toml", 0o646), "sexton.toml can be written by everybody"),
    "dotenv of another": (give(".env"), ".env belongs to nobody"),
    "dotenv that all may write": (open_up(".env", 0o666), ".env can be written by everybody, mode 0666"),
    "folder of all": (open_up(".", 0o777), " can be written by everybody, mode 0777"),
    "folder of another": (give("."), " belongs to nobody"),
    "jobs of another": (give("own/jobs.py"), "own/jobs.py belongs to nobody"),
    "jobs that all may write": (open_up("own/jobs.py", 0o666), "own/jobs.py can be written by everybody"),
    "folder of jobs of all": (open_up("own", 0o777), "own can be written by everybody"),
    "link of another": (link("own/jobs.py"), "own/jobs.py belongs to nobody"),
}


@pytest.mark.parametrize("way", WAYS)
def test_sec_13_root_obeys_nothing_that_others_could_have_written(way: str, shop: Shell) -> None:
    as_root()
    spoil, words = WAYS[way]
    spoil(shop.folder)

    for command in COMMANDS if way == "dotenv of another" else COMMANDS[:1]:
        done = shop.sexton(*command)
        assert done.code == 2
        assert done.out == ""
        assert words in done.line
        assert ", and root obeys only what root alone can write; ch" in done.line
    assert not (shop.folder / "own" / "ran").exists()


def test_sec_13_a_dotenv_of_a_stranger_in_an_open_folder_names_no_jobs_to_root(shop: Shell) -> None:
    """As it was reported: who may write the folder puts a `.env` there, which names jobs of their own."""
    as_root()
    for name in ("sexton.toml", ".env"):
        (shop.folder / name).unlink()
    os.chmod(shop.folder, 0o777)
    planted = f"echo SEXTON_JOBS={shop.folder}/own/jobs.py > .env"
    subprocess.run(["/bin/sh", "-c", planted], cwd=shop.folder, user=nobody(), check=True)

    for command in (["jobs"], ["history"]):
        assert shop.sexton(*command).code == 2
    assert not (shop.folder / "own" / "ran").exists()


def test_sec_13_root_may_say_whom_it_trusts_but_no_file_may(shop: Shell) -> None:
    as_root()
    for name in (".", "own", "sexton.toml", ".env", "own/jobs.py"):
        give(name)(shop.folder)

    assert shop.sexton("jobs", **{TRUST: "nobody"}).code == 0
    assert shop.sexton("jobs", **{TRUST: str(nobody())}).code == 0
    assert shop.sexton("jobs", **{TRUST: "daemon"}).code == 2
    assert "no user 'nobody-has-this'" in shop.sexton("jobs", **{TRUST: "nobody-has-this"}).line
    for name in (".", "own", "sexton.toml", ".env", "own/jobs.py"):
        os.chown(shop.folder / name, 0, 0)
    shop.write(".env", f"{TRUST}=nobody\n")
    assert "SEXTON_TRUST_OWNER comes too late here; set it in the environment" in shop.sexton("jobs").line


def test_sec_13_a_pipe_of_a_stranger_is_not_even_opened(shop: Shell) -> None:
    as_root()
    (shop.folder / ".env").unlink()
    os.mkfifo(shop.folder / ".env")
    os.chown(shop.folder / ".env", nobody(), -1)
    assert ".env belongs to nobody, and root obeys only" in shop.sexton("jobs").line


@pytest.mark.parametrize("name", ["own/__pycache__", "own/__pycache__/helper.cpython-{}.pyc", "own/helper.py"])
def test_sec_13_what_the_jobs_import_counts_too(name: str, shop: Shell) -> None:
    """A module beside them, and compiled code, which Python takes instead of the text."""
    as_root()
    shop.write("own/helper.py", "")
    (shop.folder / "own" / "helper.py").chmod(0o644)
    shop.write("own/jobs.py", f"import helper\n{(shop.folder / 'own' / 'jobs.py').read_text()}")
    assert shop.sexton("jobs").code == 0
    name = name.format(f"{sys.version_info.major}{sys.version_info.minor}")
    (shop.folder / name).chmod(0o777)
    assert f"{name} can be written by everybody, mode 0777, and root obeys" in shop.sexton("jobs").line


def test_sec_13_a_group_that_others_are_in_may_not_write_for_root(shop: Shell) -> None:
    as_root()
    os.chown(shop.folder / ".env", 0, pwd.getpwnam("nobody").pw_gid)
    (shop.folder / ".env").chmod(0o660)
    assert ".env can be written by group " in shop.sexton("jobs").line


def test_sec_13_a_module_by_name_counts_with_its_package(shop: Shell) -> None:
    as_root()
    package = shop.folder / "shop"
    package.mkdir(mode=0o755)
    (package / "__init__.py").write_text("")
    (package / "jobs.py").write_text((shop.folder / "own" / "jobs.py").read_text())
    shop.write("sexton.toml", SETTINGS.replace("own/jobs.py", "shop.jobs"))
    here = {"PYTHONPATH": f"{os.environ.get('PYTHONPATH', '')}:{shop.folder}"}
    for name in ("__init__.py", "jobs.py"):
        (package / name).chmod(0o646)
        assert f"shop/{name} can be written by everybody" in shop.sexton("jobs", **here).line
        (package / name).chmod(0o644)
    assert not (shop.folder / "own" / "ran").exists()
    assert shop.sexton("jobs", **here).code == 0


AS_NOBODY = """
import ctypes, os, sys
system = ctypes.CDLL(None)
read_all = 1 << 2  # CAP_DAC_READ_SEARCH alone stays, as Python may lie where only root may look
system.prctl(8, 1, 0, 0, 0)
os.setgroups([])
os.setresgid({group}, {group}, {group})
os.setresuid({user}, {user}, {user})
if system.capset((ctypes.c_uint32 * 2)(0x20080522, 0), (ctypes.c_uint32 * 6)(read_all, read_all)):
    sys.exit("capset")
from sexton.cli.main import main
sys.exit(main())
"""


def inspected(shop: Shell) -> str:
    """What `check --offline` says to who is not root."""
    if os.geteuid():
        return shop.sexton("check", "--offline").out
    start = AS_NOBODY.format(user=nobody(), group=pwd.getpwnam("nobody").pw_gid)
    done = shop.python("-P", "-c", start, "check", "--offline")
    assert done.code == 0, done
    return done.out


def test_sec_13_check_warns_other_users_and_goes_on(shop: Shell) -> None:
    for name in (".", "own", "sexton.toml", ".env", "own/jobs.py"):
        os.chown(shop.folder / name, nobody() if not os.geteuid() else -1, -1)
    assert "warning" not in inspected(shop)
    os.chmod(shop.folder / "own", 0o777)
    os.chmod(shop.folder / "sexton.toml", 0o666)
    said = inspected(shop)
    me = "nobody" if not os.geteuid() else pwd.getpwuid(os.geteuid()).pw_name
    assert (
        f"warning  sexton.toml: {shop.folder}/sexton.toml can be written by everybody, mode 0666; "
        f"it is obeyed as {me}; chmod o-w {shop.folder}/sexton.toml\n" in said
    )
    assert f"warning  own/jobs.py: {shop.folder}/own can be written by everybody, mode 0777; it is" in said


@pytest.mark.parametrize(
    ("name", "text", "told"),
    [
        (".env", "SEXTON_DATABASE=postgresql://shop:hunter2@db/shop\n", True),
        ("sexton.toml", 'database = "postgresql://shop:hunter2@db/shop"\n', True),
        ("sexton.toml", 'database = "postgresql://shop@db/shop"\n', False),
        ("sexton.toml", '[engines.celery]\nbroker = "redis://:hunter2@host/0"\n', True),
        ("sexton.toml", '[engines.celery]\nbroker = "env:SHOP_BROKER"\n', False),
        ("sexton.toml", '[channel.slack]\nurl = "https://hooks.slack.com/services/T000/B000/hunter2"\n', True),
    ],
)
def test_sec_13_a_secret_that_all_can_read_is_a_warning(name: str, text: str, told: bool, shop: Shell) -> None:
    (shop.folder / name).write_text(text)
    (shop.folder / name).chmod(0o644)
    done = shop.sexton("check", "--offline")
    said = (
        f"warning  {name}: {shop.folder / name} can be read by everybody, mode 0644, and it holds secrets; chmod o-rwx"
    )
    assert (said in done.out) is told
    assert "hunter2" not in done.out + done.err
    (shop.folder / name).chmod(0o640)
    assert "can be read" not in shop.sexton("check", "--offline").out


def test_sec_12_attack_an_empty_part_of_pythonpath_is_a_warning(shop: Shell) -> None:
    """As `PYTHONPATH=$PYTHONPATH:/srv/app` leaves it: Python takes it for the working directory."""
    here = os.environ.get("PYTHONPATH") or "/nowhere"
    for path in (f":{here}", f"{here}:", f"{here}:lib"):
        done = shop.sexton("check", "--offline", PYTHONPATH=path)
        assert f"environment: PYTHONPATH={path} has a part that is empty or relative, so Python imports" in done.out
    assert "PYTHONPATH" not in shop.sexton("check", "--offline", PYTHONPATH=here).out
