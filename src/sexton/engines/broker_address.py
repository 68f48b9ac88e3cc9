"""The address of a broker as options give it: written there, or kept by a variable of the environment."""

from __future__ import annotations

import re
from collections.abc import Collection
from urllib.parse import urlsplit

from ..errors import SettingsError
from ..masking import shown
from ..setting_fields import KEPT_BY_A_VARIABLE, Misfit, VariableMissing, value_of


def check_address(text: str, schemes: Collection[str], key: str) -> None:
    """Misfit for what is no such address. What a variable keeps is looked at when it is read.

    schemes: those that may be, the usual one first.  key: of the option.
    """
    if text.startswith(KEPT_BY_A_VARIABLE):
        return
    scheme, separator, _ = text.partition("://")
    if not separator or scheme not in schemes:
        usual = next(iter(schemes))
        wanted = f"an address of {', '.join(schemes)}, such as {usual}://host:6379/0"
        raise Misfit(f"{wanted}, not {shown(text)!r}", key)
    if scheme != "unix" and not _can_be_read(text):
        why = "its port, or the number of its database, cannot be read; write / ? # @ of a password as %2F %3F %23 %40"
        raise Misfit(f"{shown(text)!r}: {why}", key)


def _can_be_read(text: str) -> bool:
    """As the libraries read it, which raise, or take half a password for a host. Of several, by ";", the first."""
    try:
        parts = urlsplit(text)
        parts.port  # noqa: B018  # raises
    except ValueError:
        return False
    path = parts.path.partition(";")[0]
    if "@" not in parts.netloc and "@" in path + parts.fragment:
        return False
    return not parts.scheme.startswith("redis") or re.fullmatch(r"/?\d*", path) is not None


def broker_address(text: str, schemes: Collection[str], where: str) -> str:
    """The address, with its password. SettingsError when the variable is not set, or keeps something else.

    where: the whole key of the option, for the error.
    """
    if not text.startswith(KEPT_BY_A_VARIABLE):
        return text  # it was looked at with the settings
    try:
        value = value_of(text)
    except VariableMissing as missing:
        raise SettingsError(f"{where}: the variable {missing.name} is not set") from None
    try:
        check_address(value, schemes, where)
    except Misfit as error:
        raise SettingsError(f"{where}: {text.removeprefix(KEPT_BY_A_VARIABLE)}: {error}") from None
    return value
