"""The machine and the versions behind the figures. No host names, no paths."""

from __future__ import annotations

import os
import platform
import sqlite3
from importlib.metadata import PackageNotFoundError, version

from .server import SETTINGS

PACKAGES = ("sqlalchemy", "psycopg", "cronsim", "sexton")


def machine_table() -> list[tuple[str, str]]:
    """Facts and values, in the order they are shown."""
    packages = ", ".join(f"{name} {_version(name)}" for name in PACKAGES)
    settings = ", ".join(f"{name}={value}" for name, value in SETTINGS.items())
    return [
        ("processor", f"{_processor()}, {os.cpu_count()} cores"),
        ("memory", f"{_memory():.0f} GiB"),
        ("system", f"{_system()}, {platform.system()} {platform.release()}, {platform.machine()}"),
        ("Python", platform.python_version()),
        ("packages", packages),
        ("SQLite", sqlite3.sqlite_version),
        ("PostgreSQL", f"15, private server, {settings}"),
    ]


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "(missing)"


def _processor() -> str:
    try:
        with open("/proc/cpuinfo") as file:
            names = [line.split(":", 1)[1].strip() for line in file if line.startswith("model name")]
    except OSError:
        names = []
    return names[0] if names else platform.processor() or "unknown"


def _memory() -> float:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30


def _system() -> str:
    try:
        return platform.freedesktop_os_release().get("PRETTY_NAME", "unknown")
    except OSError:
        return platform.platform(terse=True)
