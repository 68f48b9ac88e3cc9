"""The time zone in which this machine's cron reads its lines."""

from __future__ import annotations

from pathlib import Path

from ...errors import ScheduleError
from ...jobs.zones import check_zone


def server_zone(root: Path = Path("/")) -> str | None:
    """Its IANA name, from /etc/localtime or /etc/timezone under `root`; None when neither tells.

    TZ is not asked: it is set for this shell, and cron has an environment of its own. A machine without both
    files, as small containers are, keeps UTC.
    """
    link, name = root / "etc/localtime", root / "etc/timezone"
    if link.is_symlink():
        return _known(str(link.readlink()).rpartition("zoneinfo/")[2])
    if name.is_file():
        return _known(name.read_text(encoding="ascii", errors="replace").strip())
    return None if link.exists() else "UTC"


def _known(zone: str) -> str | None:
    try:
        return check_zone(zone)
    except ScheduleError:
        return None
