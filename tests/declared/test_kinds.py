"""Kinds of policies: each file of the folder is registered; one of another package that cannot be used is one line."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path

import pytest
from docs.making.settings import settings_reference

from sexton.config.policy_settings import PolicySettings
from sexton.declared.kinds import registry
from sexton.declared.kinds.contract import PolicyKind
from sexton.declared.kinds.registry import BUILT_IN_KINDS, kind_type, names
from sexton.declared.policy_tables import read_policy
from sexton.errors import SettingsError
from sexton.setting_fields import rule_of

FOLDER = Path(registry.__file__).parent
HERE = ("policies", "tidy")


def test_each_file_of_the_folder_is_a_kind_that_is_registered() -> None:
    assert {path.stem for path in FOLDER.glob("*.py")} - {"contract", "registry", "__init__"} == set(BUILT_IN_KINDS)
    assert names() == list(BUILT_IN_KINDS)


@pytest.mark.parametrize("name", BUILT_IN_KINDS)
def test_a_kind_says_what_it_is_and_stands_in_the_manual(name: str) -> None:
    kind, page = kind_type(name), settings_reference({name: kind_type(name)})
    shared = {declared.name for declared in fields(PolicySettings)}

    assert issubclass(kind, PolicyKind)
    assert kind.action == name
    for declared in fields(kind):
        assert rule_of(declared).meaning
        assert f"| `{declared.name}` |" in page
        assert declared.name in shared or getattr(kind(), declared.name) in (None, {}, (), "archive")
    assert f"{name}s" not in kind(**{name: "orders"}).what()  # type: ignore[arg-type]


@pytest.mark.parametrize("name", BUILT_IN_KINDS)
def test_reading_a_policy_loads_no_database_library(name: str) -> None:
    code = (
        "import sys; from sexton.declared.policy_tables import policies_of; "
        f"policies_of({{'tidy': {{'{name}': 'orders', 'by': 'ends_at'}}}}); print(*sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert f"sexton.declared.kinds.{name}" in done.stdout.split()
    assert {"sqlalchemy", "sqlglot", "importlib.metadata"}.isdisjoint(done.stdout.split())


@pytest.mark.parametrize(
    ("written", "words"),
    [
        ({"purg": "a"}, "policies.tidy.purg: unknown key; did you mean purge, per?"),
        ({"purge": "a", "by": "x", "bye": 1}, "policies.tidy.bye: unknown key; did you mean by?"),
        ({"purge": "a", "by": "x", "ahed": 1}, "policies.tidy.ahed: unknown key"),
        ({"purge": "a", "by": "x", "ahead": "1d"}, "policies.tidy.ahead: ahead has no meaning for purge"),
        ({"warn": "a", "by": "x", "children": {"b": "c"}}, "policies.tidy.children: children has no meaning for warn"),
        (
            {"by": "x"},
            "policies.tidy: exactly one of purge, archive, transition, anonymise, warn names the table; here",
        ),
        ({"purge": 5}, "policies.tidy.purge: must be text in quotes, not a whole number"),
    ],
)
def test_a_key_that_is_wrong_is_one_line(written: dict[str, object], words: str) -> None:
    with pytest.raises(SettingsError) as refused:
        read_policy(written, HERE)

    assert str(refused.value).startswith(words)


def test_what_another_kind_has_by_default_says_nothing() -> None:
    assert read_policy({"purge": "a", "by": "x", "set": {}, "clear": [], "into": "archive"}, HERE) == read_policy(
        {"purge": "a", "by": "x"}, HERE
    )


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A distribution with an entry point for the kind "count", whose module a test writes."""
    about = tmp_path / "counting-1.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: counting\nVersion: 1.0\n")
    (about / "entry_points.txt").write_text("[sexton.policy_kinds]\ncount = count_kind:Count\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    registry._installed.cache_clear()
    kind_type.cache_clear()
    yield tmp_path
    sys.modules.pop("count_kind", None)
    registry._installed.cache_clear()
    kind_type.cache_clear()


HEAD = """
from __future__ import annotations
from dataclasses import dataclass
from sexton import setting
from sexton.declared.kinds.contract import Parts, PolicyKind
"""
KIND = f"{HEAD}@dataclass(frozen=True, slots=True)\nclass Count(PolicyKind):\n    action = 'count'\n"
TABLE = "    count: str | None = setting(None, 'the table')\n"


@pytest.mark.parametrize(
    ("module", "words"),
    [
        ("1 / 0", "count_kind:Count cannot be loaded: "),
        ("class Count: pass", "count_kind:Count is no kind of policy; it must be a dataclass made from PolicyKind"),
        (KIND, 'must have action = "count", and a setting of that name for the table'),
        (f"{KIND}{TABLE}", "count_kind:Count does not have parts, what()"),
    ],
)
def test_one_that_cannot_be_used_is_one_line(package: Path, module: str, words: str) -> None:
    (package / "count_kind.py").write_text(module)

    with pytest.raises(SettingsError) as refused:
        read_policy({"count": "orders", "by": "ends_at"}, HERE)

    assert str(refused.value).startswith("policy kind count: ")
    assert words in str(refused.value)
