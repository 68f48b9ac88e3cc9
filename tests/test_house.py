"""Rules of the house that no linter knows: sizes, first lines, import loops, no trace of a machine."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from sexton.run_state import NoRun, OutcomeCode, RunState

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "src"
MODULES = sorted(SOURCE.rglob("*.py"))
LONGEST_FILE = 300
LONGEST_FUNCTION = 40

of_each_module = pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(SOURCE)))


@of_each_module
def test_file_is_short_and_says_its_purpose_first(path: Path) -> None:
    text = path.read_text()
    assert len(text.splitlines()) < LONGEST_FILE
    assert ast.get_docstring(ast.parse(text)), "the first line must say what this file is for"


@of_each_module
def test_functions_are_short(path: Path) -> None:
    long = [
        f"{node.name}: {lines} lines"
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and (lines := (node.end_lineno or 0) - node.lineno + 1) >= LONGEST_FUNCTION
    ]
    assert long == []


def test_no_import_loops() -> None:
    assert find_loop(import_graph(SOURCE)) is None


def test_loops_are_found_in_functions_and_packages_too(tmp_path: Path) -> None:
    (tmp_path / "part").mkdir()
    (tmp_path / "part" / "__init__.py").write_text("from .one import thing")
    (tmp_path / "part" / "one.py").write_text("def thing():\n    from part import two")
    (tmp_path / "part" / "two.py").write_text("from . import three")
    (tmp_path / "part" / "three.py").write_text("import part.two")
    assert find_loop(import_graph(tmp_path)) == ["part.two", "part.three", "part.two"]
    (tmp_path / "part" / "three.py").write_text("import json")
    assert find_loop(import_graph(tmp_path)) is None


HISTORY = SOURCE / "sexton" / "db" / "migrations"
"""Migrations stand by themselves: each has the words of its day, and none is changed."""

TWICE = {"PolicySettings": "`config.policy_checks` is called by that class, and can name its type only as Any"}
"""Names that are defined twice, and why."""


def test_a_public_constant_or_class_has_a_name_of_its_own() -> None:
    """One name, one meaning: who searches for it finds one definition. Methods and functions may share a verb."""
    homes: dict[str, list[str]] = {}
    for path in MODULES:
        if not path.is_relative_to(HISTORY):
            for name in public_names(ast.parse(path.read_text())):
                homes.setdefault(name, []).append(str(path.relative_to(SOURCE)))
    assert {name: paths for name, paths in homes.items() if len(paths) > 1 and name not in TWICE} == {}


def test_public_names_are_found() -> None:
    tree = ast.parse(
        "A = 1\nB: int = 2\nRows = list[int]\nT = TypeVar('T')\n_C = 3\nlower = 4\n"
        "class D:\n  E = 5\ndef f():\n  G = 6\n"
    )
    assert public_names(tree) == ["A", "B", "Rows", "D"]


WAYS_OUT = {
    "console.py": "each argument is one visible line",
    "cli/_run_report.py": "the progress of a run, by rich",
    "cli/crontab.py": "paths have to keep their bytes",
    "channels/log.py": "one line of JSON",
    "runs/process_state.py": "streams are put back",
}
"""Who may touch a standard stream, and why."""

OUT = re.compile(r"\bprint\(|\bsys\.(?:__)?std(?:out|err)(?:__)?\b(?!\.(?:isatty|flush|fileno)\()|traceback\.print_")


@of_each_module
def test_sec_9_nothing_is_printed_but_by_the_console(path: Path) -> None:
    """Texts of others are made fit there; a second way out would forget it."""
    if str(path.relative_to(SOURCE / "sexton")) not in WAYS_OUT:
        assert OUT.findall(path.read_text()) == []


HOMONYMS = {
    "call_state.py": "failed: of a call",
    "config/policy_settings.py": "failed: an example of a product's column",
    "db/tables.py": "skipped: a column of counts",
    "fleet/visit_results.py": "unreachable: of a database",
    "packs/marketplace/demo.py": "failed: of a payment",
    "packs/marketplace/options.py": "cancelled: of an order",
    "packs/storefront/check_payments.py": "failed: of a payment at the gateway",
    "packs/storefront/demo.py": "cancelled: of an order",
    "packs/storefront/demo_rows.py": "failed: of a payment at the gateway",
    "packs/storefront/gateway.py": "failed: of a payment at the gateway",
    "packs/storefront/payments.py": "failed: of a payment at the gateway",
    "proposals/propose.py": "failed: of a product's row",
    "runs/archive/archiver.py": "skipped: a count",
    "db/request_tables.py": "failed succeeded: columns of counts",
    "request_state.py": "running failed: of a request",
    "requests/ending.py": "failed succeeded: columns of counts",
    "run_counts.py": "skipped: a count",
    "slots/due_run.py": "queued: the number of a run that asks for it",
    "slots/ending.py": "skipped: a count",
    "telemetry/alert_delivery.py": "partial: of an answer",
    "telemetry/alert_rules.py": "failed: a word of a sentence",
}
"""Where a word that is also a state of runs means something else."""


@of_each_module
def test_states_and_outcomes_of_runs_are_members_of_their_enumeration(path: Path) -> None:
    """A tenth state is then one line, and its groups stand beside it; migrations keep what they were written with."""
    name = str(path.relative_to(SOURCE / "sexton"))
    if name == "run_state.py" or "/migrations/" in name:
        return
    quoted = {node.value for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Constant)}
    words = {*RunState, *NoRun, *(code for code in OutcomeCode if "_" in code)}
    assert {word for word in quoted if isinstance(word, str) and word in words} == set(
        HOMONYMS.get(name, "").partition(":")[0].split()
    )


def test_nothing_of_this_machine_is_in_the_files() -> None:
    """No registry, no folder of the one who wrote it: what is published works for all."""
    unwanted = [
        *registries_of_pip(),
        r"files\.pythonhosted\.org",
        r"pypi\.org/simple",
        r"registry\.npmjs\.org",
    ]
    unwanted += [re.escape(str(folder)) + r"(?![\w-])" for folder in (ROOT, Path.home()) if len(folder.parts) > 2]
    pattern = re.compile("|".join(unwanted))
    me = Path(__file__)
    found = [
        f"{path.relative_to(ROOT)}: {match.group()}"
        for path in files_of_the_project()
        if path != me and (match := pattern.search(path.read_text(errors="replace")))
    ]
    assert found == []


def test_lock_has_hashes_and_no_address() -> None:
    lock = (ROOT / "requirements.lock").read_text()
    assert "://" not in lock
    assert "--index" not in lock
    pinned = re.findall(r"^[\w.-]+==.*\\$", lock, re.MULTILINE)
    assert len(pinned) == len(re.findall(r"^[\w.-]+==", lock, re.MULTILINE)) > 20


def test_lock_knows_every_dependency() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    wanted = list(project["project"]["dependencies"])
    for group in (
        *project["project"]["optional-dependencies"].values(),
        *project["dependency-groups"].values(),
    ):
        wanted += group
    pinned = set(re.findall(r"^([\w.-]+)==", (ROOT / "requirements.lock").read_text(), re.MULTILINE))
    named = [one for one in wanted if isinstance(one, str)]  # the others include a group
    names = {re.split(r"[\[<>=!~; ]", requirement)[0].lower().replace("_", "-") for requirement in named}
    assert names - pinned == set(), "run `make lock`"


MAKES = re.compile(
    r"\.(?:mkdir|write_text|write_bytes|touch|symlink_to)\(|open\([^)]*[\"'][waxr]b?[+waxb]*\+?[\"']|O_CREAT|O_WRONLY"
    r"|mkstemp|mkdtemp|TemporaryDirectory\(|copytree|os\.(?:rename|replace|mkdir|makedirs|chmod)|\.(?:rename|chmod)\("
)
MAKERS = {
    "sexton/files.py": "the one place",
    "sexton/cli/demo.py": "a private folder that is gone when the demonstration ends",
    "sexton/console.py": "the null device in the place of an output that is closed or full",
    "sexton/testing/": "throw-away servers, in private folders that belong to another user",
    "sexton/engines/executor/child.py": "a file of the kernel's",
}


def test_sec_5_files_and_folders_are_made_in_one_place() -> None:
    """What opens by "rb" alone only reads."""
    found = {
        f"{path.relative_to(SOURCE)}:{number}: {line.strip()}"
        for path in MODULES
        for number, line in enumerate(path.read_text().splitlines(), start=1)
        if (made := MAKES.search(line)) and not re.search(r"""["']r?b?["']\Z""", made.group())
    }
    assert {line for line in found if not line.startswith(tuple(MAKERS))} == set()
    assert {maker for maker in MAKERS if not any(line.startswith(maker) for line in found)} == set()


def test_licence_text_is_there() -> None:
    text = (ROOT / "LICENSE").read_text()
    assert "Apache License" in text
    assert "END OF TERMS AND CONDITIONS" in text


def files_of_the_project() -> Iterator[Path]:
    """What git tracks or would track; without git, what the folders of the project hold."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    try:
        listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.split("\0")
        paths = [ROOT / name for name in listed if name]
    except (OSError, subprocess.CalledProcessError):
        folders = ("src", "tests", "docs", "benchmarks", "deploy", ".ci")
        paths = [path for folder in folders for path in (ROOT / folder).rglob("*") if path.suffix != ".pyc"]
        paths += ROOT.glob("*.*")
    yield from (path for path in paths if path.is_file())


def registries_of_pip() -> list[str]:
    """Patterns for the hosts and folders that pip on this machine is set up to install from."""
    command = [sys.executable, "-m", "pip", "config", "list", "--disable-pip-version-check"]
    listed = subprocess.run(command, capture_output=True, text=True, check=False).stdout
    values = [
        value
        for line in listed.splitlines()
        if re.search(r"index-url|find-links|trusted-host", line.partition("=")[0])
        for value in line.partition("=")[2].strip("'\"").replace("\\n", " ").split()
    ]
    places = {urlsplit(value).hostname or urlsplit(value).path for value in values}
    return [re.escape(place) for place in places if place not in ("", "pypi.org", "localhost", "127.0.0.1")]


def public_names(tree: ast.Module) -> list[str]:
    """Constants, names of types and classes at the top of a module; no type variables, which are one letter each."""
    names = []
    for node in tree.body:
        if isinstance(node, ast.ClassDef):
            names.append(node.name)
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            is_variable = isinstance(node.value, ast.Call) and ast.unparse(node.value.func) == "TypeVar"
            names += [target.id for target in targets if isinstance(target, ast.Name) and not is_variable]
    return [name for name in names if name[0].isupper()]


def import_graph(source: Path) -> dict[str, set[str]]:
    """Module -> modules below `source` that it imports, anywhere in its text."""
    paths = {module_name(path, source): path for path in source.rglob("*.py")}
    return {name: set(imported(name, path, set(paths))) - {name} for name, path in paths.items()}


def module_name(path: Path, source: Path) -> str:
    """ "sexton.jobs.job" for src/sexton/jobs/job.py; a package is its folder."""
    return ".".join(path.relative_to(source).with_suffix("").parts).removesuffix(".__init__")


def imported(name: str, path: Path, known: set[str]) -> Iterator[str]:
    """The known modules that one file imports. `from package import name` means the module `name`, if any."""
    package = name.split(".") if path.name == "__init__.py" else name.split(".")[:-1]
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in known)
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level + 1] if node.level else []
            base = ".".join([*above, *([node.module] if node.module else [])])
            for alias in node.names:
                target = f"{base}.{alias.name}"
                if target in known or base in known:
                    yield target if target in known else base


def find_loop(graph: dict[str, set[str]]) -> list[str] | None:
    """One loop as the names along it, first and last the same; None when there is none."""
    done: set[str] = set()

    def visit(name: str, trail: list[str]) -> list[str] | None:
        if name in trail:
            return [*trail[trail.index(name) :], name]
        if name in done:
            return None
        for target in sorted(graph[name]):
            loop = visit(target, [*trail, name])
            if loop:
                return loop
        done.add(name)
        return None

    for start in sorted(graph):
        loop = visit(start, [])
        if loop:
            return loop
    return None
