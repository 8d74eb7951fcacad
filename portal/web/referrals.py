"""What the pages of both sides need for referrals; None of it exists while no key is set."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from zoneinfo import ZoneInfo

from portal.catalogue.records import RegionFile
from portal.config import Settings
from portal.referral.codes import Words, load_words
from portal.referral.promise import WorkingDays
from portal.referral.sealing import Keyring, SealingError, kept_keys
from portal.web.limits import Limits, Rule

CODE_CLIENT = Rule("receipt-code-client", "5 per 10 minutes")
"""Wrong receipt codes from one address."""
CODE_ALL = Rule("receipt-code", "120 per hour")
"""Wrong receipt codes from everywhere: somebody who guesses with many addresses is slowed down as well."""
SLIP_USER = Rule("slip-code", "10 per 10 minutes")
"""Wrong codes of slips by one signed-in person."""
CONTACT_CLIENT = Rule("contact-me", "40 per hour")
"""Requests sent from one address: a school class fits, a flood does not."""


@dataclass(frozen=True, slots=True)
class Referrals:
    """Keys, words, limits and days of one installation. One per process."""

    keyring: Keyring
    words: Mapping[str, Words]
    """By language; a language without a list gives digits."""
    limits: Limits
    keep: timedelta
    """How long a case stays readable after its end."""
    region: Callable[[], RegionFile]

    @property
    def days(self) -> WorkingDays:
        region = self.region()
        return WorkingDays(region.holiday_subdivision, ZoneInfo(region.timezone))

    def words_for(self, language: str) -> Words | None:
        """The list of a language; Leichte Sprache has the German one."""
        return self.words.get(language) or self.words.get(language.partition("-")[0])


def open_keyring(settings: Settings) -> Keyring | None:
    """None in production without keys: then nobody can ask to be contacted, everything else works.

    Elsewhere a key is made and kept in the data folder. Raises SealingError, which names the setting.
    """
    found = keys_text(settings)
    if found is None:
        return None
    text, origin = found
    try:
        return Keyring.from_text(text)
    except SealingError as error:
        raise SealingError(f"{origin}: {error}") from None


def keys_text(settings: Settings) -> tuple[str, str] | None:
    """Keys as they are written, and where. Raises SealingError for a file that cannot be read."""
    if settings.referral_keys:
        return settings.referral_keys, "PORTAL_REFERRAL_KEYS"
    if settings.referral_keys_file:
        try:
            return settings.referral_keys_path.read_text(encoding="ascii"), "PORTAL_REFERRAL_KEYS_FILE"
        except (OSError, UnicodeError) as error:
            reason = getattr(error, "strerror", None) or "this is no file of keys"
            raise SealingError(
                f"PORTAL_REFERRAL_KEYS_FILE: {settings.referral_keys_file}: {reason}"
            ) from None
    if settings.production:
        return None
    path = settings.data_dir / "referral_keys"
    return kept_keys(path), str(path)


def open_referrals(settings: Settings, region: Callable[[], RegionFile]) -> Referrals | None:
    """Raises what `open_keyring` raises, and WordsUnusable."""
    keyring = open_keyring(settings)
    if keyring is None:
        return None
    return Referrals(
        keyring,
        load_words(settings.content_dir / "words"),
        Limits(settings.redis_url),
        timedelta(days=settings.retention_days),
        region,
    )
