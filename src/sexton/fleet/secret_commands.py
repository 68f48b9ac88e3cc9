"""A program that prints a password: run without a shell, for ten seconds at most; its answer is kept for a while.

It prints the password on its first line, or one JSON object: {"password": "…", "expires_at": "2026-12-01T10:00:00Z"}.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from threading import Lock

from ..clock import parse_instant
from ..errors import SettingsError, UsageError

COMMAND_SECONDS = 10.0
"""Seconds that such a program may take."""

KEPT_SECONDS = 300.0
"""Seconds for which its answer is used, where it does not say when that expires."""

EARLY_SECONDS = 10.0
"""Seconds before it expires from which a new one is asked for."""

REFUSED_SECONDS = 30.0
"""Seconds for which it is not tried again after it failed: many databases may share it, and each would wait."""


@dataclass(slots=True)
class _Answer:
    lock: Lock
    password: str = ""
    refusal: str = ""
    asked_at: float = 0.0
    until: float = 0.0


_answers: dict[tuple[str, ...], _Answer] = {}
_adding = Lock()


def answer_of(words: tuple[str, ...]) -> str:
    """What the program printed, now or lately. SettingsError, without any of that, when it failed."""
    with _adding:
        answer = _answers.setdefault(words, _Answer(Lock()))
    with answer.lock:  # many databases may share a command: one asks, the others wait
        if time.monotonic() >= answer.until:
            answer.password, answer.refusal, seconds = _asked(words)
            answer.asked_at = time.monotonic()
            answer.until = answer.asked_at + seconds
        if answer.refusal:
            raise SettingsError(answer.refusal)
        return answer.password


def doubt_answer(words: tuple[str, ...]) -> None:
    """A server has refused what the program printed: it is asked anew, half a minute after it was asked at the soonest.

    Else a password that was changed would be wrong for as long as the old one was kept.
    """
    answer = _answers.get(words)
    if answer is not None:
        with answer.lock:
            answer.until = min(answer.until, answer.asked_at + REFUSED_SECONDS)


def _asked(words: tuple[str, ...]) -> tuple[str, str, float]:
    """Password, or why there is none, and for how many seconds that stands."""
    try:
        password, seconds = _read(words[0], _printed(words))
    except SettingsError as error:
        return "", str(error), REFUSED_SECONDS
    return password, "", seconds


def _printed(words: tuple[str, ...]) -> str:
    about = f"command:{words[0]}"
    try:
        process = subprocess.Popen(
            words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, start_new_session=True
        )
    except OSError as error:
        raise SettingsError(f"{about} cannot be started: {error.strerror}") from None
    try:
        printed, _ = process.communicate(timeout=COMMAND_SECONDS)
    except BaseException as error:
        _end(process)
        if not isinstance(error, subprocess.TimeoutExpired):
            raise
        raise SettingsError(f"{about} took more than {COMMAND_SECONDS:g} s; it should print the password") from None
    if process.returncode:
        raise SettingsError(f"{about} ended with exit code {process.returncode}; it should print the password")
    try:
        return printed.decode()
    except UnicodeDecodeError:
        raise SettingsError(f"{about} printed something that is not UTF-8") from None


def _end(process: subprocess.Popen[bytes]) -> None:
    """It and whatever it has started, in a session of its own."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    if process.stdout is not None:
        process.stdout.close()


def _read(program: str, printed: str) -> tuple[str, float]:
    """The password, and for how many seconds it is used."""
    try:
        value = json.loads(printed)
    except ValueError:
        value = None
    if not isinstance(value, dict):
        return printed.partition("\n")[0].rstrip("\r"), KEPT_SECONDS
    password, expires = value.get("password"), value.get("expires_at")
    try:
        end = None if expires is None else parse_instant(str(expires))
    except (UsageError, OverflowError):
        raise SettingsError(f"command:{program} printed an expires_at that is no time") from None
    if not isinstance(password, str):
        raise SettingsError(f'command:{program} printed JSON without a text "password"')
    left = KEPT_SECONDS if end is None else (end - datetime.now(UTC)).total_seconds() - EARLY_SECONDS
    return password, max(left, 0.0)
