"""Secrets at rest: sealed with a key that lies in a file of the platform's home, not in the database.

Fernet (AES-128-CBC with HMAC-SHA256, of the `cryptography` library). Whoever reads the database or a copy of it reads
no secret; whoever has the key as well does. The key file is readable to the platform's account alone.
"""

from __future__ import annotations

import secrets
from pathlib import Path
from typing import TYPE_CHECKING

from orrery.errors import Conflict

if TYPE_CHECKING:
    from cryptography.fernet import Fernet


class Vault:
    """Seals and unseals text. The key is read, or made, at the first use. Thread-safe."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __repr__(self) -> str:
        return "Vault(key=***)"

    def seal(self, text: str) -> str:
        return self._cipher(make=True).encrypt(text.encode()).decode()

    def unseal(self, sealed: str) -> str:
        """Raises: Conflict where it was sealed with another key."""
        from cryptography.fernet import InvalidToken

        try:
            return self._cipher(make=False).decrypt(sealed.encode()).decode()
        except (InvalidToken, FileNotFoundError):
            raise Conflict(
                f"a secret cannot be read: its key is not the one in {self._path}; "
                "restore that file, or set the secret again"
            ) from None

    def _cipher(self, *, make: bool) -> Fernet:
        # here, not above: a platform without secrets need not load it
        from cryptography.fernet import Fernet

        if make and not self._path.exists():
            self._make_key(Fernet.generate_key())
        return Fernet(self._path.read_bytes().strip())

    def _make_key(self, key: bytes) -> None:
        """Two processes that do so at once get the same."""
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        temporary = self._path.with_suffix(f".{secrets.token_hex(4)}")
        temporary.touch(mode=0o600)
        temporary.write_bytes(key)
        try:
            self._path.hardlink_to(temporary)
        except FileExistsError:
            pass  # the other process was first: its key is the key
        temporary.unlink()
