"""The command of a crontab line: absolute paths, quoted for the shell and for cron."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from pathlib import Path

from ...errors import UsageError

MAX_COMMAND_CHARACTERS = 990
"""Characters of a command; several crons cut what is longer than 999 without a word."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where cron is to start Sexton. All are absolute, as cron starts in a folder of its own and knows few others.

    interpreter: the Python of the environment that Sexton is installed in.  folder: where relative paths in the
    settings begin.  config: the settings file; None where there is none.
    """

    interpreter: Path
    folder: Path
    config: Path | None = None

    def command(self, *jobs: str) -> str:
        """`run --due`, for these jobs or for all; by -P nothing is imported from the folder (SEC-12).

        Raises UsageError for a path that no crontab can hold.
        """
        words = [str(self.interpreter), "-P", "-m", "sexton.cli.main", "run", "--due", "--quiet", *jobs]
        if self.config is not None:
            words += ["--config", str(self.config)]
        command = f"cd {quoted(str(self.folder))} && {' '.join(map(quoted, words))}"
        if len(command) > MAX_COMMAND_CHARACTERS:
            raise UsageError(
                f"the line would have more than {MAX_COMMAND_CHARACTERS} characters, which cron may cut; "
                "shorten the paths"
            )
        return command


def quoted(text: str) -> str:
    """One word of a command in a crontab. Raises UsageError for a line feed, which ends every crontab line.

    cron turns a bare % into a line feed; \\% outside quotes means % to cron and, where cron leaves the backslash
    as busybox does, to the shell.
    """
    if any(ord(character) < 32 for character in text):
        raise UsageError(f"the path {text!r} holds a control character, which a crontab cannot")
    return r"\%".join(shlex.quote(part) if part else "" for part in text.split("%"))
