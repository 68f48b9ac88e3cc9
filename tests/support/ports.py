"""A port that nobody listens on for as long as a test needs; one that was merely free may be taken meanwhile."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def closed_port() -> Iterator[int]:
    """Of 127.0.0.1: it is bound, so that nobody else can have it, and whoever connects to it is refused."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield taken.getsockname()[1]
