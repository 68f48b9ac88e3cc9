"""Tokens at rest are encrypted: Fernet, by the newest of `token_keys`; each of them can still decrypt.

A new key goes in front of the others; `invoicing.rotate_keys` then encrypts anew what an older one holds, and after
that the old key can go. Keys and tokens are in no error, log or repr.
"""

from __future__ import annotations

import hashlib
from typing import Any

from sexton import PolicyError
from sexton.setting_fields import VariableMissing, value_of

from .options import InvoicingOptions


class Unreadable(Exception):
    """A token that none of the keys decrypts."""


class Sealer:
    """Encrypts and decrypts tokens. newest: the name of the key in front, which says nothing about it."""

    def __init__(self, keys: list[str]) -> None:
        try:
            from cryptography.fernet import Fernet, MultiFernet  # takes a moment to load
        except ImportError as error:
            raise PolicyError("tokens are encrypted by cryptography: pip install 'sexton[invoicing]'") from error
        try:
            self._keys = MultiFernet([Fernet(key) for key in keys])
        except (ValueError, TypeError):
            words = "each is 32 random bytes in URL-safe base64, as Fernet.generate_key() makes them"
            raise PolicyError(f"pack.invoicing: token_keys has one that is no key; {words}") from None
        self.newest = name_of(keys[0])

    def seal(self, token: str) -> str:
        """Encrypted by the newest key."""
        return self._keys.encrypt(token.encode()).decode("ascii")

    def open(self, sealed: str) -> str:
        """The token. Unreadable when no key fits."""
        from cryptography.fernet import InvalidToken

        try:
            return self._keys.decrypt(sealed.encode()).decode()
        except (InvalidToken, UnicodeError):
            raise Unreadable from None


def sealer(options: InvoicingOptions) -> Sealer | None:
    """By the keys of the options; None when there are none. PolicyError for one that is no key."""
    keys = secret_of(options, "token_keys").split()
    return Sealer(keys) if keys else None


def secret_of(options: InvoicingOptions, name: str) -> str:
    """What an option holds, or the variable that it names. PolicyError for one that is not set."""
    try:
        return value_of(getattr(options, name))
    except VariableMissing as missing:
        words = f"names {missing.name}, which the environment does not have; set it there"
        raise PolicyError(f"pack.invoicing: {name} {words}") from None


def name_of(key: str) -> str:
    """Which key encrypted a row: the beginning of its hash."""
    return hashlib.sha256(key.encode()).hexdigest()[:12]


def hash_of(token: str) -> str:
    """By which a refresh token is told from another one. Tokens are random: nobody guesses them from it."""
    return hashlib.sha256(token.encode()).hexdigest()


def sealed_columns(seal: Sealer, access: str, refresh: str) -> dict[str, Any]:
    """Both tokens as their columns keep them."""
    return {
        "access_token": seal.seal(access),
        "refresh_token": seal.seal(refresh),
        "refresh_token_hash": hash_of(refresh),
        "token_key": seal.newest,
    }
