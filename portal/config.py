"""Settings from the environment, read once.

Every variable is described in `docs/operating.md`; `portal settings` prints what is in force.
"""

import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, ValidationInfo, field_validator

ROOT = Path(__file__).resolve().parent.parent
PREFIX = "PORTAL_"
_PLACEHOLDERS = {"", "change-me", "changeme", "secret", "please-change", "placeholder", "dev"}


class SettingsError(Exception):
    """A setting is missing or cannot be used; the text names the variable and what to do."""


class Settings(BaseModel):
    """All settings of one process. Frozen; tests build it directly."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    environment: Literal["development", "production"] = "development"
    data_dir: Path = ROOT / "data"
    database_url: str = ""
    """SQLAlchemy URL; empty means SQLite in `data_dir`, one file per region."""
    secret_key: str = Field(repr=False)
    region: str = Field(default="harz", pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$")
    search: Literal["whoosh", "postgres"] = "whoosh"
    """Where the search index lives: in files of this machine, or in the PostgreSQL database."""
    base_url: str = ""
    """Public address without a trailing slash; empty means links are relative."""
    content_dir: Path = ROOT / "content"
    questionnaires_dir: Path = ROOT / "questionnaires"
    translations_dir: Path = ROOT / "translations"
    session_minutes: int = Field(default=30, ge=1, le=24 * 60)
    """Answers are forgotten after this long without a step."""
    page_cache: bool = True
    page_cache_seconds: int = Field(default=60, ge=1, le=3600)
    smtp_host: str = ""
    """Mail server; empty means that mails are printed and kept in `data_dir/mail`, for trying things out."""
    smtp_port: int = Field(default=587, ge=1, le=65535)
    smtp_user: str = ""
    smtp_password: str = Field(default="", repr=False)
    smtp_security: Literal["starttls", "tls", "none"] = "starttls"
    mail_from: str = "Anlauf <anlauf@localhost>"
    redis_url: str = Field(default="", repr=False)
    """Shared counters for rate limits when there are several machines; empty keeps them in each process."""
    second_factor: Literal["optional", "administrators", "everybody"] = "administrators"
    """Who has to sign in with a second factor; the others may."""
    audit_days: int = Field(default=730, ge=30, le=3650)
    """How long the log of what was done is kept."""
    translator_url: str = ""
    """A LibreTranslate-compatible server of your own for machine drafts; empty is off."""
    translator_key: str = Field(default="", repr=False)
    referral_keys: str = Field(default="", repr=False)
    """Keys that seal what young people tell, the newest first, separated by blanks or commas."""
    referral_keys_file: str = ""
    """The same, one key a line, in a file that only the portal can read."""
    retention_days: int = Field(default=90, ge=1, le=365)
    """Everything personal of a referral is erased so many days after its end."""
    message_webhook_url: str = ""
    """Where "there is something for you" goes for SMS and messengers; empty is off."""
    message_webhook_secret: str = Field(default="", repr=False)
    """Signs what is sent there (HMAC-SHA-256)."""
    proxies: int = Field(default=0, ge=0, le=5)
    """Reverse proxies in front whose X-Forwarded-* headers are trusted."""
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"

    @field_validator("base_url")
    @classmethod
    def _plain_address(cls, value: str) -> str:
        value = value.rstrip("/")
        if value and not value.startswith(("http://", "https://")):
            raise ValueError("must begin with http:// or https://")
        return value

    @field_validator("search")
    @classmethod
    def _index_has_a_database(cls, value: str, info: ValidationInfo) -> str:
        url = str(info.data.get("database_url", ""))
        if value == "postgres" and not url.startswith("postgres"):
            raise ValueError(
                "postgres keeps the index in PostgreSQL: PORTAL_DATABASE_URL must name a database there"
            )
        return value

    @property
    def referral_keys_path(self) -> Path:
        return Path(self.referral_keys_file)

    @property
    def production(self) -> bool:
        return self.environment == "production"

    @property
    def https(self) -> bool:
        return self.base_url.startswith("https://")

    @property
    def database(self) -> str:
        """The SQLAlchemy URL in force."""
        return self.database_url or f"sqlite:///{self.data_dir / (self.region + '.sqlite3')}"

    @property
    def index_dir(self) -> Path:
        return self.data_dir / "index" / self.region

    @classmethod
    def from_environment(cls, environ: Mapping[str, str], *, make_secret: bool = False) -> "Settings":
        """Read `PORTAL_*`. Empty variables count as missing; an unknown one is an error, to catch misspellings.

        `make_secret` keeps a generated key in `data_dir/secret_key` (for `make run`); production refuses that.

        Raises SettingsError with one line per problem.
        """
        values = {
            name.removeprefix(PREFIX).lower(): value
            for name, value in environ.items()
            if name.startswith(PREFIX) and value != ""
        }
        production = values.get("environment") == "production"
        secret = values.get("secret_key", "")
        if not secret and make_secret and not production:
            values["secret_key"] = _kept_secret(Path(values.get("data_dir", ROOT / "data")))
        elif secret.lower() in _PLACEHOLDERS or (production and len(secret) < 32):
            raise SettingsError(
                "PORTAL_SECRET_KEY is missing, a placeholder or shorter than 32 characters. "
                "Make one with: python3 -c 'import secrets; print(secrets.token_urlsafe(48))'"
            )
        try:
            return cls.model_validate(values)
        except ValidationError as error:
            lines = [f"{PREFIX}{'_'.join(map(str, e['loc'])).upper()}: {e['msg']}" for e in error.errors()]
            raise SettingsError("\n".join(lines)) from None


def _kept_secret(data_dir: Path) -> str:
    path = data_dir / "secret_key"
    try:
        return path.read_text(encoding="ascii").strip()
    except FileNotFoundError:
        data_dir.mkdir(parents=True, exist_ok=True)
        path.touch(mode=0o600)
        path.write_text(secrets.token_urlsafe(48), encoding="ascii")
        return path.read_text(encoding="ascii").strip()
