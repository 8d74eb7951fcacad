"""Random tokens: the person gets the token, the database its hash."""

import hashlib
import secrets


def new_token() -> str:
    """192 bits, safe in an address."""
    return secrets.token_urlsafe(24)


def token_hash(token: str) -> str:
    """SHA-256 is enough for what is random itself; only passwords need a slow hash."""
    return hashlib.sha256(token.encode()).hexdigest()
