import shutil
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import Engine
from sqlmodel import Session

from portal.db import session_factory
from tests.databases import PostgresCluster, empty, migrated, postgres_cluster
from tests.mandatory import pytest_make_collect_report, pytest_runtest_makereport  # noqa: F401 (hooks)


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresCluster]:
    with postgres_cluster() as cluster:
        yield cluster


@pytest.fixture(scope="session")
def _sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Migrating once and copying the file is faster than migrating for every test."""
    path = tmp_path_factory.mktemp("sqlite") / "template.db"
    with migrated(f"sqlite:///{path}"):
        pass
    return path


@pytest.fixture(scope="session")
def _postgres_template(postgres: PostgresCluster) -> Iterator[str]:
    with postgres.database() as url:
        with migrated(url):
            pass
        yield url.split("@/")[1].split("?")[0]


@pytest.fixture(scope="session")
def _postgres_shared(postgres: PostgresCluster, _postgres_template: str) -> Iterator[str]:
    with postgres.database(_postgres_template) as url:
        yield url


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def engine(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Engine]:
    """An empty database at the newest migration; the test runs once for each kind."""
    if request.param == "sqlite":
        path = tmp_path / "test.db"
        shutil.copy(request.getfixturevalue("_sqlite_template"), path)
        with migrated(f"sqlite:///{path}") as engine:
            yield engine
    else:
        # Emptying one database is much faster than making one for every test.
        with migrated(request.getfixturevalue("_postgres_shared")) as engine:
            yield engine
            empty(engine)


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def own_engine(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Engine]:
    """Like `engine`, for tests that change the tables themselves."""
    if request.param == "sqlite":
        path = tmp_path / "own.db"
        shutil.copy(request.getfixturevalue("_sqlite_template"), path)
        with migrated(f"sqlite:///{path}") as engine:
            yield engine
    else:
        cluster = request.getfixturevalue("postgres")
        template = request.getfixturevalue("_postgres_template")
        with cluster.database(template) as url, migrated(url) as engine:
            yield engine


@pytest.fixture
def session(engine: Engine) -> Iterator[Session]:
    with session_factory(engine)() as session:
        yield session


@pytest.fixture
def now() -> datetime:
    """A Friday, ten o'clock in Germany."""
    return datetime(2026, 11, 20, 9, 0, tzinfo=UTC)
