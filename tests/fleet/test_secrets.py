"""Where passwords are kept: read when they are needed, from variables, files, password files and programs (B.1)."""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

import pytest

from sexton.config.secret_references import SecretKind, secret_reference
from sexton.errors import SettingsError
from sexton.fleet import secret_commands
from sexton.fleet.database import DatabaseState, FleetDatabase
from sexton.fleet.secret_values import resolved
from tests.support.patience import PATIENCE

SECRET = "qXfleetX9"


def database(secret: str | None) -> FleetDatabase:
    """One whose password is kept there."""
    reference = None if secret is None else secret_reference(secret)
    return FleetDatabase("shop", "postgresql://jobs@db1/shop", reference, "db1:5432", {}, DatabaseState.ACTIVE)


def program(tmp_path: Path, *lines: str) -> str:
    """A reference to a program of these lines; it counts how often it was started."""
    count = f"open({str(tmp_path / 'starts')!r}, 'a').write('x')"
    return "command:" + json.dumps([sys.executable, "-c", "\n".join([count, *lines])])


def starts(tmp_path: Path) -> int:
    """How often it was."""
    return len((tmp_path / "starts").read_text())


def test_a_variable_and_a_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "pw").write_text(f"{SECRET}\nand a remark\n")
    monkeypatch.setenv("SHOP", f"{SECRET}@/")

    assert database("env:SHOP").url() == f"postgresql://jobs:{SECRET}%40%2F@db1/shop"
    assert database(f"file:{tmp_path}/pw").url() == f"postgresql://jobs:{SECRET}@db1/shop"
    assert database(None).url() == "postgresql://jobs@db1/shop"


def test_a_password_file_is_left_to_the_driver() -> None:
    assert database("passfile").url() == "postgresql://jobs@db1/shop"
    assert database("passfile:/run/pgpass").url() == "postgresql://jobs@db1/shop?passfile=%2Frun%2Fpgpass"


def test_nothing_of_it_is_in_what_is_printed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHOP", SECRET)
    shop = database("env:SHOP")
    told = database(f'command:["vault", "{SECRET}"]')

    assert SECRET in shop.url()
    assert SECRET not in f"{shop!r} {shop} {shop.target()!r} {shop.target()} {told!r} {told}"


def test_a_program_is_asked_once_for_many_databases(tmp_path: Path) -> None:
    reference = program(tmp_path, f"print({SECRET!r})")

    assert {database(reference).url() for _ in range(3)} == {f"postgresql://jobs:{SECRET}@db1/shop"}
    assert starts(tmp_path) == 1


def test_no_shell_reads_it(tmp_path: Path) -> None:
    reference = secret_reference('command:["echo", "$(touch /nowhere)", "; ls"]')

    assert resolved(reference) == "$(touch /nowhere) ; ls"


@pytest.mark.parametrize(("ahead", "asked"), [(timedelta(hours=1), 1), (timedelta(0), 2)])
def test_a_program_may_say_when_its_answer_expires(tmp_path: Path, ahead: timedelta, asked: int) -> None:
    end = (datetime.now(UTC) + ahead).isoformat()
    answer = json.dumps({"password": SECRET, "expires_at": end})
    reference = secret_reference(program(tmp_path, f"print({answer!r})"))

    assert [resolved(reference), resolved(reference)] == [SECRET, SECRET]
    assert starts(tmp_path) == asked


@pytest.mark.parametrize(
    ("lines", "wrong"),
    [
        ([f"print({SECRET!r}); raise SystemExit(3)"], " ended with exit code 3; it should print the password"),
        ([f"import os; os.write(1, b'\\xff{SECRET}')"], " printed something that is not UTF-8"),
        ([f'print(\'{{"pass": "{SECRET}"}}\')'], ' printed JSON without a text "password"'),
        (['print(\'{"password": "x", "expires_at": "soon"}\')'], " printed an expires_at that is no time"),
        (["pass"], " printed nothing; it should have the password"),
    ],
)
def test_a_program_that_fails_is_told_in_one_line_and_not_asked_again_at_once(
    tmp_path: Path, lines: list[str], wrong: str
) -> None:
    """Of many databases that share it, each would wait for it."""
    reference = secret_reference(program(tmp_path, *lines))

    for _ in range(2):
        with pytest.raises(SettingsError) as refused:
            resolved(reference)
        assert str(refused.value) == f"command:{sys.executable}{wrong}"
        assert refused.value.__cause__ is None
    assert starts(tmp_path) == 1


def test_a_password_that_a_server_refuses_is_asked_for_anew_but_not_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that was changed was wrong for five minutes; asked for at each refusal, a program would start by hundreds."""
    clock = SimpleNamespace(now=0.0)
    clock.monotonic = lambda: clock.now
    shop = database(program(tmp_path, f"print({SECRET!r})"))
    monkeypatch.setattr(secret_commands, "time", clock)
    shop.url()
    shop.doubt_password()
    shop.url()
    assert starts(tmp_path) == 1

    clock.now = secret_commands.REFUSED_SECONDS
    shop.url()
    assert starts(tmp_path) == 2


def test_a_program_that_does_not_end_is_killed_with_what_it_has_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The child holds the other end of the pipe: it is over only when that is gone, too."""
    monkeypatch.setattr(secret_commands, "COMMAND_SECONDS", 0.5)
    child = f"import time; time.sleep({10 * PATIENCE})"
    reference = program(tmp_path, "import subprocess, sys", f"subprocess.Popen([sys.executable, '-c', {child!r}])")

    with pytest.raises(SettingsError, match=r"took more than 0\.5 s; it should print the password"):
        resolved(secret_reference(reference))


def test_a_program_that_is_not_there() -> None:
    with pytest.raises(SettingsError, match=r"^command:/nowhere/x cannot be started: No such file or directory$"):
        resolved(secret_reference('command:["/nowhere/x"]'))


@pytest.mark.parametrize(
    "text", ["", SECRET, "env:", "file:", "passfile:", "enw:X", f'command:["{SECRET}"', "command:[]"]
)
def test_what_is_no_reference_may_be_the_password_itself(text: str) -> None:
    with pytest.raises(ValueError) as refused:
        secret_reference(text)

    assert SECRET not in str(refused.value)


def test_what_cannot_be_read_names_the_place(tmp_path: Path) -> None:
    (tmp_path / "empty").touch()
    (tmp_path / "latin").write_bytes(b"\xff\xfe")

    assert refusal("env:NOT_SET") == "env:NOT_SET is not set; it should have the password"
    assert refusal(f"file:{tmp_path}/none") == f"file:{tmp_path}/none cannot be read: No such file or directory"
    assert refusal(f"file:{tmp_path}/empty") == f"file:{tmp_path}/empty holds nothing; it should have the password"
    assert refusal(f"file:{tmp_path}/latin") == f"file:{tmp_path}/latin is not UTF-8"


def refusal(text: str) -> str:
    """What is said."""
    with pytest.raises(SettingsError) as refused:
        resolved(secret_reference(text))
    return str(refused.value)


def test_every_kind_is_read() -> None:
    assert {secret_reference(f'{kind}:["x"]').kind for kind in SecretKind} == {*SecretKind}
