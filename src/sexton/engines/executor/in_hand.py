"""Which request an executor has in hand: a number in memory that it shares with its worker, and that outlives it.

Written before each call, which costs no exchange; read once the process is gone: that request alone is to blame.
"""

from __future__ import annotations

import mmap
import tempfile
from typing import BinaryIO

_BYTES = 8


def shared_number() -> BinaryIO:
    """A file without a name that holds one number; its descriptor is handed to the process. OSError."""
    file: BinaryIO = tempfile.TemporaryFile()  # noqa: SIM115
    file.truncate(_BYTES)
    return file


class InHand:
    """The number, seen from one of both sides. It outlives the descriptor, which may be closed."""

    def __init__(self, descriptor: int) -> None:
        self._memory = mmap.mmap(descriptor, _BYTES)

    def put(self, number: int) -> None:
        """This one is called now."""
        self._memory[:] = number.to_bytes(_BYTES, "little")

    def get(self) -> int:
        """The one that was called last; 0: none was."""
        return int.from_bytes(self._memory[:], "little")
