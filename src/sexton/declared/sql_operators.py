"""Signs and types of a condition written as SQL: what the parser calls them, and what stands for them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy.types import BigInteger, Boolean, Date, Double, Numeric, Text, TypeEngine, Uuid

COMPARISONS = {"EQ": "=", "NEQ": "<>", "LT": "<", "LTE": "<=", "GT": ">", "GTE": ">="}
FLIPPED = {"LT": "GT", "LTE": "GTE", "GT": "LT", "GTE": "LTE"}
ARITHMETIC = {"Add": "+", "Sub": "-", "Mul": "*", "Div": "/", "Mod": "%", "DPipe": "||"}
CHAINED = (*COMPARISONS, "Is", "In", "Like", "ILike", "Between", "NullSafeEQ", "NullSafeNEQ")
"""What may not stand beside its like without parentheses: databases and parsers read that differently."""

CASTS: Mapping[str, TypeEngine[Any]] = {
    "TEXT": Text(),
    "VARCHAR": Text(),
    "INT": BigInteger(),
    "BIGINT": BigInteger(),
    "DOUBLE": Double(),
    "DECIMAL": Numeric(),
    "BOOLEAN": Boolean(),
    "DATE": Date(),
    "UUID": Uuid(),
}
