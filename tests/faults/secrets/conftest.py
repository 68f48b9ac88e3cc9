"""The command line inside this process."""

from ...cli.conftest import inside

__all__ = ["inside"]
