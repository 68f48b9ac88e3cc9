"""The command line inside this process."""

from tests.cli.conftest import inside

__all__ = ["inside"]
