"""Settings: declared once, read at the door (app, cli), checked as a whole before anything starts."""

from ..masking import shown
from ..setting_fields import dotted, setting
from .environment import CONFIG, PREFIX
from .job_settings import JobSettings
from .reading import read_at, read_into
from .settings import RetentionSettings, RunSettings, Settings
from .sources import load, load_placed

__all__ = [
    "CONFIG",
    "PREFIX",
    "JobSettings",
    "RetentionSettings",
    "RunSettings",
    "Settings",
    "dotted",
    "load",
    "load_placed",
    "read_at",
    "read_into",
    "setting",
    "shown",
]
