"""How often something may be tried. Counted in Redis when there are several machines, in this process else."""

import hashlib
import logging
from dataclasses import dataclass
from ipaddress import ip_address, ip_network

from limits import parse
from limits.errors import StorageError
from limits.storage import MemoryStorage, storage_from_string
from limits.strategies import MovingWindowRateLimiter

log = logging.getLogger("portal.web")


@dataclass(frozen=True, slots=True)
class Rule:
    name: str
    rate: str


SIGN_IN_ACCOUNT = Rule("sign-in-account", "10 per 15 minutes")
"""Wrong tries for one address, whoever makes them: the lockout."""
SIGN_IN_CLIENT = Rule("sign-in-client", "30 per 15 minutes")
SECOND_FACTOR = Rule("second-factor", "8 per 15 minutes")
MAILS = Rule("mails", "5 per hour")
"""Letters that strangers can ask for, for one address."""
MAILS_CLIENT = Rule("mails-client", "20 per hour")
CHALLENGE = Rule("challenge", "1 per 15 minutes")
"""Answers to one question to a passkey: the question stands in a cookie, which could be sent again."""
REPORTS = Rule("reports", "10 per hour")


class Limits:
    def __init__(self, redis_url: str) -> None:
        self._storage = storage_from_string(redis_url, wrap_exceptions=True) if redis_url else MemoryStorage()
        self._limiter = MovingWindowRateLimiter(self._storage)

    def hit(self, rule: Rule, key: str) -> bool:
        """Count a try; False when there were too many."""
        try:
            return bool(self._limiter.hit(parse(rule.rate), rule.name, _hashed(key)))
        except StorageError as error:
            return self._unavailable(error)

    def left(self, rule: Rule, key: str) -> bool:
        """Whether another try would be allowed; counts nothing."""
        try:
            return bool(self._limiter.test(parse(rule.rate), rule.name, _hashed(key)))
        except StorageError as error:
            return self._unavailable(error)

    def clear(self, rule: Rule, key: str) -> None:
        """Forget the tries, for somebody who has shown to be the right one."""
        try:
            self._limiter.clear(parse(rule.rate), rule.name, _hashed(key))
        except StorageError as error:
            self._unavailable(error)

    def clear_all(self) -> None:
        """Forget every try of this process; counters in Redis stay."""
        if isinstance(self._storage, MemoryStorage):
            self._storage.reset()

    def _unavailable(self, error: Exception) -> bool:
        """Redis is away: people go on working, and the operator reads why nobody is slowed down."""
        log.error("rate limits do not work: %s", type(error.__cause__ or error).__name__)
        return True


def connection(address: str | None) -> str:
    """Whom to count for an address: in IPv6 a whole /64, which is what one household is given."""
    try:
        found = ip_address(address or "")
    except ValueError:
        return address or ""
    if found.version == 4 or found.ipv4_mapped:
        return str(found)
    return str(ip_network((found, 64), strict=False))


def _hashed(key: str) -> str:
    """Neither addresses of people nor of machines stand in the counters."""
    return hashlib.sha256(key.encode()).hexdigest()[:24]
