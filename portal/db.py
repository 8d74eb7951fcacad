"""Engine, column types and migrations, the same for SQLite and PostgreSQL."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from sqlalchemy import DateTime, Engine, MetaData, create_engine, event, text
from sqlalchemy.engine import URL, Connection, Dialect, make_url
from sqlalchemy.exc import OperationalError, ProgrammingError
from sqlalchemy.orm import sessionmaker
from sqlalchemy.pool import ConnectionPoolEntry
from sqlalchemy.types import TypeDecorator
from sqlmodel import Session, SQLModel

if TYPE_CHECKING:
    from alembic.config import Config

HEAD = "0009"
"""The newest migration; a test compares it with the files, so that a start need not import alembic."""

_MIGRATIONS = Path(__file__).parent / "migrations"
_UPGRADE_LOCK = 0x616E6C617566
"""Key of the PostgreSQL advisory lock that lets only one process migrate ("anlauf" in hex)."""


class Table(SQLModel):
    """Base of all tables; constraints are named, so that a migration can find them on every engine."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_name)s",
            "pk": "pk_%(table_name)s",
        }
    )


class UtcDateTime(TypeDecorator[datetime]):
    """Aware in, aware UTC out; SQLite itself keeps no time zone."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a time without a time zone cannot be stored")
        value = value.astimezone(UTC)
        return value.replace(tzinfo=None) if dialect.name == "sqlite" else value

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


def database_url(url: str) -> URL:
    """`postgres://` and `postgresql://` as hosters hand them out, with the driver that is installed."""
    parsed = make_url(url)
    if parsed.drivername in ("postgres", "postgresql"):
        return parsed.set(drivername="postgresql+psycopg")
    return parsed


def make_engine(url: str, **options: Any) -> Engine:
    """`options` go to `sqlalchemy.create_engine`."""
    parsed = database_url(url)
    # What an exception says may end up in a log: never with what was to be stored.
    options = {"hide_parameters": True, **options}
    if parsed.get_backend_name() == "sqlite":
        engine = create_engine(parsed, **options)
        event.listen(engine, "connect", _prepare_sqlite)
        return engine
    return create_engine(parsed, **{"pool_pre_ping": True, **options})


def _prepare_sqlite(connection: Any, _entry: ConnectionPoolEntry) -> None:
    cursor = connection.cursor()
    try:
        # The timeout comes first: switching to WAL needs a lock that another process may hold.
        cursor.execute("PRAGMA busy_timeout = 5000")
        cursor.execute("PRAGMA journal_mode = WAL")
        cursor.execute("PRAGMA synchronous = NORMAL")
        cursor.execute("PRAGMA foreign_keys = ON")
        # What is erased is overwritten, not only forgotten.
        cursor.execute("PRAGMA secure_delete = ON")
    finally:
        cursor.close()


SessionFactory = sessionmaker[Session]


def session_factory(engine: Engine) -> SessionFactory:
    """Objects stay readable after the commit, because templates are rendered after it."""
    return sessionmaker(engine, class_=Session, expire_on_commit=False)


@contextmanager
def session_scope(factory: SessionFactory) -> Iterator[Session]:
    """Commit at the end, roll back on any exception."""
    with factory() as session:
        try:
            yield session
        except BaseException:
            session.rollback()
            raise
        session.commit()


def version(engine: Engine) -> str | None:
    """The migration the database stands at; None for an empty one."""
    with engine.connect() as connection:
        try:
            return connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
        except (OperationalError, ProgrammingError) as error:
            if _says_no_such_table(error):
                return None
            raise


def _says_no_such_table(error: OperationalError | ProgrammingError) -> bool:
    return "no such table" in str(error.orig) or getattr(error.orig, "sqlstate", None) == "42P01"


def is_current(engine: Engine) -> bool:
    return version(engine) == HEAD


def standing(engine: Engine) -> Literal["current", "older", "newer", "unknown"]:
    """The database as this program sees it. Migrations are numbered, so a later one is known by its number."""
    found = version(engine)
    if found == HEAD:
        return "current"
    if found is None:
        return "older"
    if len(found) != len(HEAD) or not (found.isascii() and found.isdigit()) or int(found) == 0:
        return "unknown"
    return "older" if found < HEAD else "newer"


def upgrade(engine: Engine) -> bool:
    """Bring the database to `HEAD`; False when it already was there. Several processes may call it at once."""
    if is_current(engine):
        return False
    from alembic import command

    with engine.begin() as connection:
        _lock_for_upgrade(connection)
        config = migration_config()
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
    return True


def _lock_for_upgrade(connection: Connection) -> None:
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _UPGRADE_LOCK})
    elif connection.dialect.name == "sqlite":
        # Python's sqlite3 opens a transaction only before a row changes, so DDL would run outside of one.
        connection.exec_driver_sql("BEGIN IMMEDIATE")


def migration_config() -> "Config":
    """Alembic's configuration without an ini file; `attributes["connection"]` carries the connection."""
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
    return config
