"""The files to start from say the truth, and the generated pages are those of this code."""

from __future__ import annotations

import importlib.util
import re
import tomllib
from pathlib import Path
from types import ModuleType

import pytest
from docs.making.settings import DURATION, json_schema, settings_reference

from sexton.config import JobSettings, Settings
from sexton.config.environment import variables
from sexton.config.template import env_template, toml_template
from sexton.jobs.duration import parse_duration
from sexton.setting_fields import default_of, leaves

from .conftest import Place

ROOT = Path(__file__).resolve().parents[2]


def uncommented(text: str) -> str:
    """Every default switched on; examples, indented behind their #, stay comments."""
    return re.sub(r"(?m)^#(?=\S)", "", text)


def examples(text: str) -> str:
    """The examples of a template, switched on."""
    return re.sub(r"(?m)^#(   )", "", text)


def generator() -> ModuleType:
    spec = importlib.util.spec_from_file_location("generate", ROOT / "docs" / "generate.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("change", [str, uncommented])
def test_the_toml_template_changes_nothing_with_or_without_its_comment_signs(place: Place, change: type) -> None:
    assert place.read(change(toml_template())) == Settings()


@pytest.mark.parametrize("change", [str, uncommented])
def test_the_env_template_changes_nothing_with_or_without_its_comment_signs(place: Place, change: type) -> None:
    assert place.read(env=change(env_template())) == Settings()


def test_the_templates_show_every_setting() -> None:
    """BJ-23.3"""
    defaults, shown = (tomllib.loads(change(toml_template())) for change in (uncommented, examples))
    for path, declared, _ in leaves(Settings):
        if path not in (("job",), ("pack",), ("policies",), ("route",), ("engines",)):
            value = shown if default_of(declared) is None else defaults
            for part in path:
                value = value[part]
    for name in variables():
        assert re.search(rf"(?m)^#(   )?{name}=", env_template()), name
    tables = [path for path, declared, _ in leaves(Settings) if isinstance(default_of(declared), dict)]
    assert len(variables()) == len([*leaves(Settings)]) - len(tables)  # [job.…], [route.…] and the like have none


def test_the_examples_of_the_templates_can_be_switched_on(place: Place) -> None:
    settings = place.read(examples(toml_template()), examples(env_template()))

    assert settings.packs == ("marketplace", "invoicing")
    assert settings.jobs == ("shop.jobs", "jobs/nightly.py")
    assert settings.job == {
        "marketplace.expire_orders": JobSettings(
            False,
            "10 4 * * *",
            "Europe/Berlin",
            "4m",
            overlap="skip",
            group="orders",
            priority=10,
            catch_up=True,
            stagger=False,
            guard=True,
            max_share=0.5,
            engine="celery",
            arm=True,
        )
    }
    assert settings.pack == {"marketplace": {"tables": {"licenses": "vendor_licences"}}}
    assert settings.engines == {"celery": {"broker": "env:CELERY_BROKER_URL"}}


def test_the_manual_shows_every_setting_and_variable() -> None:
    page = settings_reference()
    for path, _, _ in (*leaves(Settings), *leaves(JobSettings)):
        assert f"| `{path[-1]}` |" in page
    for name in variables():
        assert f"| `{name}` |" in page


def test_the_schema_knows_every_key_and_no_other() -> None:
    schema = json_schema()
    for path, _, _ in leaves(Settings):
        node = schema
        for part in path:
            assert node["additionalProperties"] is False
            node = node["properties"][part]
    job = schema["properties"]["job"]["additionalProperties"]
    assert list(job["properties"]) == [leaf for (leaf,), _, _ in leaves(JobSettings)]
    assert job["additionalProperties"] is False
    assert schema["properties"]["run"]["properties"]["batch_rows"]["maximum"] == 100_000
    assert schema["properties"]["pack"]["additionalProperties"]["additionalProperties"] == {}


@pytest.mark.parametrize("text", ["12ms", "1h30m", "2w", "36500d", "1w1d1h1m1s1ms", "5 s", "1 week 2 days", "1day"])
def test_the_schema_takes_the_durations_that_sexton_takes(text: str) -> None:
    assert parse_duration(text)
    assert re.fullmatch(DURATION, text)


@pytest.mark.parametrize("text", ["5", " 5s", "5s ", "-5s", "1m1h", "1s1s", "5 parsecs", "1M"])
def test_the_schema_refuses_the_durations_that_sexton_refuses(text: str) -> None:
    assert not re.fullmatch(DURATION, text)


@pytest.mark.parametrize("path", [".env.example", "docs/reference/settings.md", "docs/reference/settings.schema.json"])
def test_generated_files_are_fresh(path: str) -> None:
    assert (ROOT / path).read_text(encoding="utf-8") == generator().PAGES[path]()


def test_stale_and_missing_files_are_reported_one_a_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    generate = generator()
    assert generate.main([], root=tmp_path) == 0
    assert generate.main(["--check"], root=tmp_path) == 0
    assert capsys.readouterr().err == ""

    (tmp_path / ".env.example").write_text("A=1\n")
    (tmp_path / "docs/reference/settings.md").unlink()

    assert generate.main(["--check"], root=tmp_path) == 1
    assert capsys.readouterr().err.splitlines() == [
        ".env.example is stale; run: python docs/generate.py",
        "docs/reference/settings.md is stale; run: python docs/generate.py",
    ]
    assert not (tmp_path / "docs/reference/settings.md").exists()
