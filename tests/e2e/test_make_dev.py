"""PF-136.8: `make dev` runs the worker and its pages on a demonstration database; Ctrl-C ends both."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

import pytest

from sexton.testing.processes import free_port, wait_until
from tests.support.patience import PATIENCE
from tests.support.require import missing

ROOT = Path(__file__).parents[2]


@pytest.mark.slow
def test_pf_136_8_make_dev_works_and_answers_until_ctrl_c(tmp_path: Path) -> None:
    """On a folder and a port of the test's own, with the environment that runs the test."""
    if shutil.which("make") is None:
        missing("make", "it is not installed")
    address = f"127.0.0.1:{free_port()}"
    told = tmp_path / "told"
    command = ["make", "-o", f"{sys.prefix}/.ok", "dev", f"V={sys.prefix}", f"DEV={tmp_path}/dev", f"LISTEN={address}"]
    # A make above, which runs this test, hands its own variables down: `make test ARGS=…` is not meant for this one.
    handed = ("ARGS", "MAKEFLAGS", "MFLAGS", "MAKEOVERRIDES", "MAKELEVEL")
    environment = {name: value for name, value in os.environ.items() if name not in handed}
    with told.open("w") as output:
        process = subprocess.Popen(
            command, cwd=ROOT, env=environment, stdout=output, stderr=output, start_new_session=True
        )
    try:
        assert wait_until(lambda: '"event": "leading"' in told.read_text(), PATIENCE), told.read_text()
        assert wait_until(lambda: answers(f"http://{address}/healthz"), PATIENCE), told.read_text()
    finally:
        os.killpg(process.pid, signal.SIGINT)
        process.wait(PATIENCE)
    assert wait_until(lambda: nobody_in(process.pid), PATIENCE)
    assert not answers(f"http://{address}/healthz")


def answers(url: str) -> bool:
    try:
        with urlopen(url, timeout=20) as response:
            return bool(response.status == 200)
    except (URLError, OSError):
        return False


def nobody_in(group: int) -> bool:
    """Whether no process of the group is left."""
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return True
    return False
