"""Fixtures of these tests."""

from ...support.pace import unhurried

__all__ = ["unhurried"]
