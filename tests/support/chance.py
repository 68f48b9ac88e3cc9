"""Chance that can be repeated: one seed for all random tests of a run, printed, fixed unless somebody wants another.

    SEXTON_TEST_SEED=962211 make test        # that seed
    SEXTON_TEST_SEED=random make test        # any; a test that fails says which it was

`chance` in conftest.py is a `random.Random` of that seed for one test; Hypothesis takes the same.
"""

from __future__ import annotations

import random

VARIABLE = "SEXTON_TEST_SEED"
FIXED = 20261129
"""The seed of a run for which nobody has chosen one."""


def seed_of(wish: str) -> int:
    """What the variable asks for. ValueError when it is no whole number."""
    if wish == "random":
        return random.SystemRandom().randrange(1_000_000)
    return int(wish or FIXED)


def chance_of(seed: int, test: str) -> random.Random:
    """The same for the same test, whichever others run beside it; says how to have it again."""
    print(f"chance: {VARIABLE}={seed}")
    return random.Random(f"{seed} {test}")
