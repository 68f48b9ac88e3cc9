"""PF-136.8, ORA-DEP: files for deployment start commands that exist, with settings that exist, and do not rot."""

from __future__ import annotations

import re
import shutil
import subprocess
import tomllib
from importlib import import_module
from pathlib import Path

import pytest

from sexton.cli.main import COMMANDS, _parser
from sexton.config import load
from sexton.config.environment import path_of

from .files import DEPLOY, FILES, ROOT, commands, containers, documents, instructions, of_kind, unit

HOME = "/srv/shop"


def name_of(value: str | list[str]) -> str:
    """A file, or a command, as the name of a test."""
    return value if isinstance(value, str) else " ".join(value)


@pytest.mark.parametrize(("file", "words"), list(commands()), ids=name_of)
def test_pf_136_8_every_command_is_accepted_by_our_own_parser(file: str, words: list[str]) -> None:
    name, *rest = words
    assert name in COMMANDS
    parser = _parser(name, "")
    import_module(f"sexton.cli.{name}").arguments(parser)
    parser.parse_args(rest)


def test_pf_136_8_every_file_starts_a_command() -> None:
    """So that a file whose form changed is not simply read as empty."""
    started = {file for file, _ in commands()}
    assert started == {
        *("Dockerfile", "compose.yaml", "Procfile", "heroku.yml"),
        *("sexton-worker.service", "sexton-due.service", "worker.yaml", "due.yaml"),
    }
    beside = {
        "Dockerfile.dockerignore",
        "sexton-due.timer",
        "requirements.lock",
        "build.lock",
        "celery.toml",
        "rq.toml",
    }
    assert {path.name for path in FILES} == started | beside


@pytest.mark.parametrize("file", FILES, ids=lambda path: path.name)
def test_every_variable_is_a_setting(file: Path) -> None:
    for name in re.findall(r"\bSEXTON_[A-Z_]+\b", file.read_text()):
        path_of(name, where=file.name)


def test_literal_values_of_variables_are_right() -> None:
    literal = re.compile(r"\b(SEXTON_\w+)(?:=|: )([^\s\"'$]+)(?=\s|$)")
    found = {match.groups() for file in FILES for match in literal.finditer(file.read_text())}
    assert ("SEXTON_WEB__LISTEN", "0.0.0.0:8787") in found
    for name, value in found:
        load(environ={name: re.sub(r":\d+/", "/", value) if "://" in value else value}, folder=DEPLOY)


def test_settings_in_kubernetes_are_read(tmp_path: Path) -> None:
    (tmp_path / "sexton.toml").write_text(of_kind("kubernetes/worker.yaml", "ConfigMap")["data"]["sexton.toml"])
    settings = load(tmp_path / "sexton.toml", environ={})
    assert settings.web.listen == "0.0.0.0:8787"


@pytest.mark.parametrize("name", ["Procfile", "heroku.yml", "compose.yaml"])
def test_pf_136_1_the_process_runs_apart_from_the_product(name: str) -> None:
    """PF-136.8: `cron-worker` in Procfile and heroku.yml."""
    text = (DEPLOY / name).read_text()
    assert re.search(r"^ *(cron-worker|worker):", text, re.MULTILINE)
    assert "web:" not in text


def test_pf_136_8_the_image_is_small_and_runs_as_nobody() -> None:
    steps = instructions("Dockerfile")
    assert sum(name == "FROM" for name, _ in steps) == 2, "what builds is not what runs"
    assert dict(steps)["USER"].isdigit()
    assert int(dict(steps)["USER"]) > 0
    assert "check" in dict(steps)["HEALTHCHECK"]


def test_what_the_image_copies_is_there_and_not_ignored() -> None:
    kept = [line[1:] for line in (DEPLOY / "Dockerfile.dockerignore").read_text().splitlines() if line.startswith("!")]
    copied = [
        word for name, rest in instructions("Dockerfile") if name == "COPY" and "--from" not in rest
        for word in rest.split()[:-1]
    ]  # fmt: skip
    assert copied
    assert all((ROOT / name).exists() and name in kept for name in copied)
    assert {"deploy/requirements.lock", "deploy/build.lock"} <= set(copied)


LOCKS = ("requirements.lock", "deploy/requirements.lock", "deploy/build.lock")


def pins(lock: str) -> dict[str, str]:
    """Names and versions of a lock, all of which have hashes, and nothing else stands in it."""
    text = (ROOT / lock).read_text()
    blocks = re.split(r"^(?=[\w.-]+==)", text, flags=re.MULTILINE)
    head, *packages = blocks
    assert all(line.startswith("#") for line in head.splitlines())
    assert "://" not in text
    for package in packages:
        assert re.match(
            r"[\w.-]+==\S+( ; [^\\\n]*)? \\\n(    --hash=sha256:[0-9a-f]{64}( \\)?\n)+(    #.*\n)*\Z", package
        ), package
    found = [package.partition("==")[::2] for package in packages]
    return {name: rest.split()[0] for name, rest in found}


def test_sec_26_each_lock_has_hashes_and_versions_of_the_one_that_the_tests_run_with() -> None:
    all_of_them, image, build = (pins(lock) for lock in LOCKS)
    assert {"hatchling", "editables", "uv"} <= set(all_of_them)
    assert image.items() <= all_of_them.items()
    assert build.items() <= all_of_them.items()
    assert "hatchling" in build
    assert "pytest" not in image


def test_sec_26_the_image_has_what_the_extras_need_that_make_lock_names() -> None:
    head = (DEPLOY / "requirements.lock").read_text().partition("\n#")[2].partition("\n")[0]
    extras = set(re.findall(r"--extra (\w+)", head))
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = [*project["dependencies"], *(one for name in extras for one in project["optional-dependencies"][name])]
    names = {re.split(r"[\[<>=!~; ]", requirement)[0] for requirement in wanted}
    assert extras == {"postgres", "web", "alerts", "mail", "celery", "rq", "procrastinate"}
    assert names <= set(pins("deploy/requirements.lock"))


def test_sec_26_everything_that_is_installed_is_checked() -> None:
    """Each call of pip and of uv asks for hashes, or takes what lies here and nothing else."""
    steps = [part for name, rest in instructions("Dockerfile") if name == "RUN" for part in rest.split("&&")]
    steps += re.sub(r"\\\n\s*", "", (ROOT / "Makefile").read_text()).splitlines()
    installs = [step.strip() for step in steps if re.search(r"\b(install|wheel|sync)\b.* (-r|-e|\.|\S+\.whl)", step)]
    assert len(installs) >= 6
    for step in installs:
        by_hash = "--require-hashes" in step or "$(PIP)" in step
        assert by_hash or ("--no-index" in step and "--no-deps" in step), step
        assert "--no-build-isolation" in step or not re.search(r" (-e )?\.$", step), step
    makefile = (ROOT / "Makefile").read_text()
    assert "--require-hashes" in re.search(r"^PIP := (.*)", makefile, re.MULTILINE)[1]  # type: ignore[index]
    assert [
        line for line in makefile.splitlines() if re.search(r"pip install.*\buv\b", line) and "--require" not in line
    ] == []


def test_sec_26_the_base_of_the_image_can_be_named_by_its_digest() -> None:
    """No digest is made up here; each stage takes the one that is given."""
    steps = instructions("Dockerfile")
    (argument,) = (rest for name, rest in steps if name == "ARG")
    assert re.fullmatch(r"PYTHON=python:3\.\d+-slim(@sha256:[0-9a-f]{64})?", argument)
    assert [rest.split()[0] for name, rest in steps if name == "FROM"] == ["${PYTHON}"] * 2


def test_sec_26_uv_is_taken_out_of_the_lock_with_its_hashes() -> None:
    """The Makefile installs it first, alone; where it has no wheel, all others without it."""
    makefile = (ROOT / "Makefile").read_text()
    locked = re.search(r"^LOCKED := (.*)", makefile, re.MULTILINE)
    assert locked is not None
    command = locked[1].replace("\\#", "#")
    alone, others = (
        subprocess.run(
            ["/bin/sh", "-c", f"{command} uv={wanted} requirements.lock"],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for wanted in (1, 0)
    )
    assert re.findall(r"^([\w.-]+)==", alone, re.MULTILINE) == ["uv"]
    assert "--hash=sha256:" in alone
    named = re.findall(r"^([\w.-]+)==", others, re.MULTILINE)
    assert sorted([*named, "uv"]) == sorted(pins("requirements.lock"))


def test_ora_dep_4_a_standby_beside_the_worker() -> None:
    """ORA-DEP.2, ORA-DEP.4: two on one database; the lease decides who leads."""
    services = documents("compose.yaml")[0]["services"]
    always = {name for name, service in services.items() if "profiles" not in service}
    assert always == {"postgres", "migrate", "worker", "standby"}
    assert services["worker"]["command"] == services["standby"]["command"] == ["sexton", "worker"]
    assert services["worker"]["environment"] == services["standby"]["environment"]
    assert of_kind("kubernetes/worker.yaml", "Deployment")["spec"]["replicas"] == 2


def test_kubernetes_asks_pages_that_exist_and_gives_no_rights() -> None:
    source = (ROOT / "src/sexton/web/application.py").read_text()
    found = [container for path in ("worker", "due") for container in containers(documents(f"kubernetes/{path}.yaml"))]
    probes = [container[probe] for container in found for probe in container if probe.endswith("Probe")]
    assert len(probes) == 2
    assert all(f'Route("{probe["httpGet"]["path"]}"' in source for probe in probes)
    assert all(container["securityContext"]["readOnlyRootFilesystem"] for container in found)
    cron = of_kind("kubernetes/due.yaml", "CronJob")["spec"]
    assert (cron["concurrencyPolicy"], cron["timeZone"]) == ("Forbid", "Etc/UTC")


def test_systemd_waits_for_the_clock_and_takes_held_for_no_failure() -> None:
    """ORA-DEP.3"""
    worker, due, timer = (dict(unit(f"sexton-{name}")) for name in ("worker.service", "due.service", "due.timer"))
    assert "time-sync.target" in worker["After"]
    assert (worker["User"], worker["Restart"], worker["ProtectSystem"]) == ("sexton", "always", "strict")
    assert (due["Type"], due["SuccessExitStatus"]) == ("oneshot", "75")
    assert timer["OnCalendar"] == "minutely"


@pytest.fixture
def units(tmp_path: Path) -> list[Path]:
    """The units, for a folder whose program exists."""
    program = tmp_path / "shop" / ".venv" / "bin" / "sexton"
    program.parent.mkdir(parents=True)
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    made = []
    for path in sorted((DEPLOY / "systemd").iterdir()):
        assert path.suffix == ".timer" or HOME in path.read_text()
        made.append(tmp_path / path.name)
        made[-1].write_text(path.read_text().replace(HOME, str(tmp_path / "shop")))
    return made


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed")
def test_systemd_finds_nothing_wrong(units: list[Path]) -> None:
    done = subprocess.run(["systemd-analyze", "verify", *units], capture_output=True, text=True, check=False)
    ours = [line for line in done.stderr.splitlines() if "sexton" in line]
    assert (done.returncode, ours) == (0, [])


def docker_answers() -> bool:
    """Whether there is a daemon that could check the file."""
    if shutil.which("docker") is None:
        return False
    return subprocess.run(["docker", "info"], capture_output=True, check=False).returncode == 0


@pytest.mark.skipif(not docker_answers(), reason="no Docker daemon answers")
def test_docker_finds_nothing_wrong() -> None:
    command = ["docker", "build", "--check", "-f", "deploy/Dockerfile", "."]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.skipif(shutil.which("hadolint") is None, reason="hadolint is not installed")
def test_hadolint_finds_nothing_wrong() -> None:
    done = subprocess.run(["hadolint", DEPLOY / "Dockerfile"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
