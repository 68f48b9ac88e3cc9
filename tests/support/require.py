"""Missing servers: a test that needs one is skipped with the reason, or fails when SEXTON_REQUIRE names it.

SEXTON_REQUIRE is "all", or a comma list such as "postgres15,redis".
"""

from __future__ import annotations

import os
from typing import NoReturn

import pytest

REQUIRED = frozenset(filter(None, os.environ.get("SEXTON_REQUIRE", "").replace(" ", "").split(",")))


def missing(name: str, reason: str) -> NoReturn:
    """Skip the running test, or fail it when `name` is required."""
    if name in REQUIRED or "all" in REQUIRED:
        pytest.fail(f"{name} is required (SEXTON_REQUIRE) and missing: {reason}", pytrace=False)
    pytest.skip(f"{name}: {reason}")
