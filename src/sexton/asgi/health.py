"""The health of the worker of an API server, as a route of that server: `app.add_route("/health/sexton", health)`."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse

from .state import SextonState

NEVER_RUN = (
    "the lifespan of this application has not run, so it has no worker; servers run that of the outermost application "
    "only, never that of one that is mounted: give lifespan=lifespan(…) to the outermost"
)
NO_STORE = {"cache-control": "no-store"}


async def health(request: Request) -> JSONResponse:
    """200 when this server process has the worker and it lives, or when it stands by; else 503 and `problem`.

    Asks no database and waits for nothing. Says nothing about single jobs: that is `sexton.web.application`.
    """
    state = state_of(request)
    found: dict[str, Any] = {"ok": False, "role": None, "since": None, "worker": None, "problem": NEVER_RUN}
    if state is not None:
        found = state.health()
    return JSONResponse(found, 200 if found["ok"] else 503, NO_STORE)


def state_of(request: Request) -> SextonState | None:
    """What `lifespan` has put into the state of the server, which mounted applications see, or of the application."""
    shared = request.scope.get("state", {}).get("sexton")
    own = shared or getattr(request.app.state, "sexton", None)
    return own if isinstance(own, SextonState) else None
