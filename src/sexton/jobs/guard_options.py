"""What keeps a job's policies from taking far more rows than anybody meant them to."""

from __future__ import annotations

from dataclasses import dataclass

from ..errors import PolicyError

MAX_SHARE = 0.2
"""Share of a table's rows: more is a flood, unless the policy says otherwise."""


@dataclass(frozen=True, slots=True)
class Guard:
    """A run stops before the first row of a policy when far too many are due; `sexton arm JOB` lets those pass once.

    max_share: of the rows of the policy's table, from 0 to 1; 1.0: only the habit counts.
    arm: True: its runs only count until `sexton arm` has confirmed the job, and again once it was changed.
    PolicyError for a share that is none.
    """

    max_share: float = MAX_SHARE
    arm: bool = False

    def __post_init__(self) -> None:
        if isinstance(self.max_share, bool) or not isinstance(self.max_share, int | float):
            raise PolicyError(f"max_share must be a number from 0 to 1, not {self.max_share!r}")
        if not 0 <= self.max_share <= 1:
            raise PolicyError(f"max_share must be from 0 to 1, not {self.max_share!r}; 0.2 is a fifth of the table")
