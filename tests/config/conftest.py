"""A folder with settings files in it, and two verbs: read them, or expect the one line of refusal."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from sexton.config import Settings, load
from sexton.declared.policy_tables import policies_of
from sexton.errors import SettingsError
from sexton.exit_codes import USAGE


@dataclass
class Place:
    """The working directory of a user who has written settings."""

    folder: Path

    def read(self, toml: str | bytes | None = None, env: str | bytes | None = None, **environ: str) -> Settings:
        """The settings that these files and variables make."""
        for name, content in (("sexton.toml", toml), (".env", env)):
            (self.folder / name).unlink(missing_ok=True)
            if content is not None:
                data = content if isinstance(content, bytes) else content.encode()
                (self.folder / name).write_bytes(data)
        return load(environ=environ, policies=lambda written, where: policies_of(written, where)[1].values())

    def refusal(self, toml: str | bytes | None = None, env: str | bytes | None = None, **environ: str) -> str:
        """The message with which they are refused: one line, exit code 2, no other error behind it."""
        with pytest.raises(SettingsError) as caught:
            self.read(toml, env, **environ)
        assert caught.value.exit_code == USAGE
        assert caught.value.__cause__ is None
        message = str(caught.value)
        assert message.isprintable(), repr(message)
        return message


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    """An empty folder that is the working directory."""
    monkeypatch.chdir(tmp_path)
    return Place(tmp_path)
