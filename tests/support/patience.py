"""How long a test waits for what ends by itself: minutes, as a busy machine is no fault of the code.

A test's verdict never depends on speed. What must happen at once is proved by making the late way impossible within
this time (a lease of an hour, a peer that never answers), or by what was sent and written, never by a stopwatch.
"""

from __future__ import annotations

PATIENCE = 180.0
"""Seconds."""
