"""SEC-13: what the jobs import, and when, is known only as they do: root imports nothing that others could write."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from tests.support.require import as_root

from .shell import Shell

JOBS = """from sexton import Job
def late(run):
    import inner.late
early = Job("own.early", work=print)
late = Job("own.late", work=late)
"""
REFUSED = "can be written by everybody, mode 0646, and root obeys only what root alone can write; chmod o-w "


@pytest.fixture
def shop() -> Iterator[Shell]:
    """A folder that all may enter: settings, a link to the jobs, and a package beside these."""
    as_root()
    with TemporaryDirectory(dir="/tmp") as made:
        folder = Path(made)
        os.chmod(folder, 0o755)
        shell = Shell(folder)
        for name in ("own", "real", "real/inner"):
            (folder / name).mkdir(mode=0o755)
        (folder / "own" / "jobs.py").symlink_to("../real/jobs.py")
        shell.write("sexton.toml", 'database = "sqlite:///shop.db"\njobs = ["own/jobs.py"]\n')
        shell.write("real/jobs.py", JOBS)
        shell.write("real/helper.py", "")
        for name in ("__init__", "early", "late"):
            shell.write(f"real/inner/{name}.py", f"open({str(folder / 'ran')!r}, 'a').write({name!r})\n")
        for path in (folder / "sexton.toml", *folder.rglob("*.py")):
            path.chmod(0o644)
        assert shell.sexton("migrate").code == 0
        yield shell


def test_sec_13_attack_a_module_beside_the_target_of_a_link_counts(shop: Shell) -> None:
    (shop.folder / "real" / "helper.py").chmod(0o646)
    done = shop.sexton("jobs")
    assert (done.code, done.out) == (2, "")
    assert f"{shop.folder}/real/helper.py {REFUSED}" in done.line


@pytest.mark.parametrize("name", ["__init__", "early"])
def test_sec_13_attack_a_package_beside_the_jobs_counts_when_it_is_imported(name: str, shop: Shell) -> None:
    (shop.folder / "real" / "inner" / f"{name}.py").chmod(0o646)
    assert shop.sexton("jobs").code == 0  # nobody imports it
    shop.write("real/jobs.py", f"import inner.early\n{JOBS}")

    done = shop.sexton("jobs")

    assert done.code == 2
    assert f"{shop.folder}/real/inner/{name}.py {REFUSED}" in done.line
    assert name not in ((shop.folder / "ran").read_text() if (shop.folder / "ran").exists() else "")


def test_sec_13_attack_what_a_function_imports_later_counts_too(shop: Shell) -> None:
    (shop.folder / "real" / "inner" / "late.py").chmod(0o646)
    assert shop.sexton("run", "own.early").code == 0

    done = shop.sexton("run", "own.late")

    assert done.code == 1
    assert f"{shop.folder}/real/inner/late.py {REFUSED}" in done.out
    assert (shop.folder / "ran").read_text() == "__init__"
    (shop.folder / "real" / "inner" / "late.py").chmod(0o644)
    assert shop.sexton("run", "own.late").code == 0


def test_sec_13_attack_a_finder_of_the_jobs_own_stays_in_use(shop: Shell) -> None:
    """An old one, too, which knows no specs: what imports as another user imports as root."""
    old = "class Old:\n    def find_module(self, name, path=None):\n        return None\n"
    finder = f"import sys\n{old}sys.meta_path.insert(0, Old())\nimport inner.early\n"
    shop.write("real/jobs.py", finder + JOBS)
    assert shop.sexton("jobs").code == 0
    assert (shop.folder / "ran").read_text() == "__init__early"
