"""A sign of life for an outside monitor: it raises the alarm when the signs stop, whatever has died here."""

from __future__ import annotations

PING_SECONDS = 5.0
"""Seconds for the whole call."""


def ping(url: str) -> str | None:
    """Post an empty message to `url`; None when it was taken, else one line on why not, for the log.

    Raises nothing: a run never fails because a monitor does. The line names the host and nothing else of the URL,
    as whoever knows it can stand in for us.
    """
    try:
        from ..channels.contract import ChannelError
        from ..channels.http_post import post
    except ModuleNotFoundError as error:
        return f"heartbeat: {error.name} is not installed; run: pip install 'sexton[alerts]'"
    try:
        post(url, b"{}", deadline=PING_SECONDS)
    except ChannelError as error:
        return f"heartbeat: {error}"
    return None
