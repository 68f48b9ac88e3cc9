"""Child processes for these tests."""

from tests.support.workers import nursery, start

__all__ = ["nursery", "start"]
