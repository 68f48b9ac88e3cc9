"""Sexton inside an API server: FastAPI, Starlette, or any other whose application has a lifespan and a state.

app = FastAPI(lifespan=lifespan("sexton.toml"))
app.add_route("/health/sexton", health)
"""

from .health import health
from .lifespan import lifespan
from .state import SextonState

__all__ = ["SextonState", "health", "lifespan"]
