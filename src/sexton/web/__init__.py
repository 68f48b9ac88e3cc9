"""The pages for monitors: metrics, health of the jobs, alive, ready. Thin: all they say comes from `telemetry`."""

from .application import application
from .server import serving

__all__ = ["application", "serving"]
