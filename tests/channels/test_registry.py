"""Every channel that is registered appears wherever channels do; one of another package is found by its entry point."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path

import pytest
from docs.making.settings import json_schema, settings_reference

from sexton.channels import registry
from sexton.channels.contract import ConfiguredChannel
from sexton.channels.registry import BUILT_IN_CHANNELS, channel_for, channel_type, missing, names, require
from sexton.config import Settings
from sexton.config.template import env_template, toml_template
from sexton.errors import SettingsError
from sexton.setting_fields import own_settings, rule_of

FOLDER = Path(registry.__file__).parent
PARTS = {
    *("contract", "registry", "call_timeout", "chat_text", "smtp_dialogue", "smtp_session", "__init__"),
    *("http_exchange", "http_post", "http_call", "one_by_one", "chat_channel"),
    *("address_rules", "endpoint_health", "stranger_post", "stranger_url"),
    *("smtp_batch", "mail_address", "mail_message"),
    *("templates", "template_files", "template_engine", "template_filters"),
}
"""Files of the folder that are no channel, but what channels share."""


def test_each_file_of_the_folder_is_a_channel_that_is_registered() -> None:
    assert {path.stem for path in FOLDER.glob("*.py")} - PARTS == set(BUILT_IN_CHANNELS)
    assert names() == list(BUILT_IN_CHANNELS)


@pytest.mark.parametrize("name", BUILT_IN_CHANNELS)
def test_a_channel_appears_in_template_schema_manual_and_delivery(name: str) -> None:
    found = channel_type(name)
    page, schema = settings_reference(), json_schema()

    assert issubclass(found, ConfiguredChannel)
    assert found.name == name
    guides = Path(registry.__file__).parents[3] / "docs/how-to"
    assert any(name in (guides / page).read_text() for page in ("alerts.md", "deliver-messages.md"))
    if name not in registry.ONLY_MESSAGES:  # the setting lists those that alerts can go through
        assert f" {name}," in page
        assert f" {name}," in toml_template().replace("\n# ", " ")
    shown = schema["properties"]["channel"]["properties"][name]
    assert list(shown["properties"]) == [declared.name for declared in fields(found.settings_type)]
    for declared in own_settings(found.settings_type):
        assert f"SEXTON_CHANNEL__{name.upper()}__{declared.name.upper()}=" in env_template()
        assert f"[channel.{name}]" in toml_template()
        assert f"`SEXTON_CHANNEL__{name.upper()}__{declared.name.upper()}`" in page
    assert channel_for(name, {}).name == name
    assert {*found.required} == {*missing(name, {})}


@pytest.mark.parametrize("name", BUILT_IN_CHANNELS)
def test_what_a_channel_keeps_secret_is_not_shown(name: str) -> None:
    kind = channel_type(name).settings_type
    secrets = [declared.name for declared in fields(kind) if rule_of(declared).secret]

    shown = repr(Settings(channel={name: kind(**dict.fromkeys(secrets, "canary"))}))

    assert "canary" not in shown


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("slakc", "no channel named 'slakc'; did you mean slack?"),
        ("teams", "no channel named 'teams'; known: discord,"),
    ],
)
def test_an_unknown_name_is_one_line_with_the_nearest(name: str, words: str) -> None:
    for ask in (require, channel_type, lambda name: channel_for(name, {})):
        with pytest.raises(ValueError, match="no channel named") as caught:
            ask(name)
        assert str(caught.value).startswith(words)


def test_naming_channels_imports_none_of_them() -> None:
    code = "import sys, sexton.channels.registry as r; r.names(); r.require('slack'); print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert {f"sexton.channels.{name}" for name in BUILT_IN_CHANNELS}.isdisjoint(done.stdout.split())


@pytest.mark.parametrize("name", BUILT_IN_CHANNELS)
def test_reading_its_settings_loads_no_library_of_the_network(name: str) -> None:
    code = f"import sys; from sexton.channels.registry import channel_type; channel_type('{name}'); print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert {"httpx2", "ssl", "smtplib", "sqlalchemy"}.isdisjoint(done.stdout.split())


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A distribution with an entry point for the channel "pager", whose module a test writes."""
    about = tmp_path / "pager-1.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: pager\nVersion: 1.0\n")
    (about / "entry_points.txt").write_text("[sexton.channels]\npager = pager_channel:Pager\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    registry._installed.cache_clear()
    channel_type.cache_clear()
    yield tmp_path
    sys.modules.pop("pager_channel", None)
    registry._installed.cache_clear()
    channel_type.cache_clear()


HEAD = "from dataclasses import dataclass\nfrom sexton import setting\nfrom sexton.channels.contract import *\n"


WITHOUT_DEFAULT = (
    f"{HEAD}@dataclass\nclass Of:\n    url: str\n"
    "class Pager(ConfiguredChannel):\n    name = 'pager'\n    settings_type = Of"
)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("import nonesuch", "pager_channel:Pager cannot be loaded: "),
        ("def Pager(): pass", "pager_channel:Pager is no channel; it must be a class made from ConfiguredChannel"),
        (f"{HEAD}class Pager(ConfiguredChannel):\n    name = 'pagre'", 'must have name = "pager", and a dataclass as'),
        (WITHOUT_DEFAULT, "each of its settings must have a default"),
    ],
)
def test_one_that_cannot_be_used_is_one_line(package: Path, text: str, words: str) -> None:
    (package / "pager_channel.py").write_text(text)
    require("pager")

    with pytest.raises(SettingsError) as caught:
        channel_type("pager")

    assert str(caught.value).startswith("channel pager: ")
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_one_of_another_package_is_known_like_the_others(package: Path) -> None:
    (package / "pager_channel.py").write_text(
        "from __future__ import annotations\n"
        f"{HEAD}@dataclass\nclass Of:\n    token: str | None = setting(None, 'who we are', secret=True)\n"
        "class Pager(ConfiguredChannel):\n    name = 'pager'\n    settings_type = Of\n    required = ('token',)\n"
        "    def send(self, notice, *, only=()):\n        return {}\n"
    )

    assert names() == [*BUILT_IN_CHANNELS, "pager"]
    assert missing("pager", {}) == ["token"]
    assert "[channel.pager]" in toml_template()
    assert "pager" in json.dumps(json_schema())
