"""The version of this package, for the face and the command line."""

__version__ = "0.1.0"
