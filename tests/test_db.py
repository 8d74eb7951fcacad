"""Both engines: migrations, times, pragmas."""

import importlib
import pkgutil
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import (
    CheckConstraint,
    Column,
    Engine,
    Integer,
    MetaData,
    event,
    insert,
    inspect,
    select,
    text,
)
from sqlalchemy import Table as SqlTable
from sqlalchemy.exc import IntegrityError

import portal
from portal import db
from portal.catalogue.models import CatalogueRevision, Region
from portal.catalogue.search.postgres_tables import METADATA as SEARCH_TABLES
from tests import databases
from tests.databases import PostgresCluster


def _import_all_models() -> None:
    for module in pkgutil.walk_packages(portal.__path__, "portal."):
        if module.name.endswith(".models"):
            importlib.import_module(module.name)


def test_models_match_migrations(engine: Engine) -> None:
    _import_all_models()
    with engine.connect() as connection:
        context = MigrationContext.configure(
            connection, opts={"compare_type": True, "compare_server_default": True}
        )
        # The search index has tables in PostgreSQL only.
        models = [db.Table.metadata] + [SEARCH_TABLES] * (engine.dialect.name == "postgresql")
        assert compare_metadata(context, models) == []


def test_foreign_keys_and_indexes_are_in_the_database_as_in_the_models(
    engine: Engine,
) -> None:
    _import_all_models()
    inspector = inspect(engine)
    for table in db.Table.metadata.tables.values():
        in_model = {
            (tuple(key.column_keys), key.referred_table.name, key.ondelete)
            for key in table.foreign_key_constraints
        }
        in_database = {
            (
                tuple(key["constrained_columns"]),
                key["referred_table"],
                key["options"].get("ondelete"),
            )
            for key in inspector.get_foreign_keys(table.name)
        }
        assert in_database == in_model, table.name
        assert all(ondelete for _columns, _table, ondelete in in_model), f"{table.name}: ON DELETE is missing"
        checks = {str(check["name"]) for check in inspector.get_check_constraints(table.name)}
        assert checks == {str(c.name) for c in table.constraints if isinstance(c, CheckConstraint)}, (
            table.name
        )


def test_head_is_the_newest_migration() -> None:
    assert ScriptDirectory.from_config(db.migration_config()).get_heads() == [db.HEAD]


def test_an_empty_database_is_migrated_once(tmp_path: Path, postgres: PostgresCluster) -> None:
    with postgres.database() as postgres_url:
        for url in (f"sqlite:///{tmp_path / 'new.db'}", postgres_url):
            engine = db.make_engine(url)
            assert not db.is_current(engine)
            assert db.upgrade(engine) is True
            assert db.is_current(engine)
            assert db.upgrade(engine) is False
            engine.dispose()


def test_migrations_can_be_undone(own_engine: Engine) -> None:
    with own_engine.begin() as connection:
        config = db.migration_config()
        config.attributes["connection"] = connection
        command.downgrade(config, "base")
    assert set(inspect(own_engine).get_table_names()) == {"alembic_version"}


def test_a_migration_that_breaks_leaves_nothing_behind(tmp_path: Path, postgres: PostgresCluster) -> None:
    def break_late(_conn: object, _cursor: object, statement: str, *_rest: object) -> None:
        if "CREATE TABLE service " in statement:
            raise RuntimeError("no space left")

    with postgres.database() as postgres_url:
        for url in (f"sqlite:///{tmp_path / 'broken.db'}", postgres_url):
            engine = db.make_engine(url)
            event.listen(engine, "before_cursor_execute", break_late)
            with pytest.raises(RuntimeError, match="no space left"):
                db.upgrade(engine)
            assert inspect(engine).get_table_names() == []
            event.remove(engine, "before_cursor_execute", break_late)
            assert db.upgrade(engine) is True
            engine.dispose()


def test_times_come_back_aware_and_in_utc(own_engine: Engine) -> None:
    table = SqlTable(
        "moment",
        MetaData(),
        Column("id", Integer, primary_key=True),
        Column("at", db.UtcDateTime),
    )
    table.create(own_engine)
    summer = datetime(2026, 7, 1, 12, 30, 15, 123456, tzinfo=timezone(timedelta(hours=2)))
    with own_engine.begin() as connection:
        connection.execute(insert(table).values(id=1, at=summer))
        (stored,) = connection.execute(select(table.c.at)).one()
        assert connection.scalar(select(table.c.id).where(table.c.at <= summer.astimezone(UTC))) == 1
    assert stored == summer
    assert stored.utcoffset() == timedelta(0)


def test_a_time_without_a_zone_is_refused(own_engine: Engine) -> None:
    table = SqlTable(
        "moment",
        MetaData(),
        Column("id", Integer, primary_key=True),
        Column("at", db.UtcDateTime),
    )
    table.create(own_engine)
    with (
        own_engine.begin() as connection,
        pytest.raises(Exception, match="without a time zone"),
    ):
        connection.execute(insert(table).values(id=1, at=datetime(2026, 7, 1, 12)))


def test_sqlite_is_set_up_for_several_processes(tmp_path: Path) -> None:
    engine = db.make_engine(f"sqlite:///{tmp_path / 'a.db'}")
    with engine.connect() as connection:
        assert connection.scalar(text("PRAGMA journal_mode")) == "wal"
        assert connection.scalar(text("PRAGMA foreign_keys")) == 1
        assert connection.scalar(text("PRAGMA busy_timeout")) == 5000
        assert connection.scalar(text("PRAGMA synchronous")) == 1
    engine.dispose()


@pytest.mark.parametrize(
    ("given", "driver"),
    [
        ("postgres://u:p@h/d", "postgresql+psycopg"),
        ("postgresql://u:p@h/d", "postgresql+psycopg"),
        ("postgresql+psycopg://u:p@h/d", "postgresql+psycopg"),
        ("sqlite:///x.db", "sqlite"),
    ],
)
def test_urls_as_hosters_give_them(given: str, driver: str) -> None:
    assert db.database_url(given).drivername == driver


def test_foreign_keys_hold(engine: Engine) -> None:
    with engine.connect() as connection, pytest.raises(IntegrityError):
        connection.execute(insert(CatalogueRevision).values(region="nowhere", number=1))


def test_a_scope_that_fails_changes_nothing(engine: Engine) -> None:
    factory = db.session_factory(engine)

    def breaks() -> None:
        with db.session_scope(factory) as session:
            session.add(Region(slug="harz", name="Harz"))
            session.flush()
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        breaks()
    with db.session_scope(factory) as session:
        assert session.get(Region, "harz") is None
        session.add(Region(slug="harz", name="Harz"))
    with db.session_scope(factory) as session:
        assert session.get(Region, "harz") is not None


@pytest.mark.parametrize(("ci", "outcome"), [("", pytest.skip.Exception), ("true", pytest.fail.Exception)])
def test_a_missing_postgres_skips_here_and_fails_in_ci(
    monkeypatch: pytest.MonkeyPatch, ci: str, outcome: type[BaseException]
) -> None:
    monkeypatch.setenv("CI", ci)
    monkeypatch.setattr(databases, "postgres_binaries", lambda: None)
    with pytest.raises(outcome, match="not installed"), databases.postgres_cluster():
        raise AssertionError("unreachable")
