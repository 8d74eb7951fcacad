"""Real databases for the tests: SQLite in a file, and a PostgreSQL cluster of their own.

The cluster is made from Debian's binaries in a temporary folder, listens only on a socket there and is
gone after the run. Where PostgreSQL is not installed, its tests are skipped; in CI they fail instead.
"""

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

import pytest
from sqlalchemy import Engine, text

from portal.db import Table, make_engine, upgrade

_OPTIONS = (
    # Nothing here must survive a power cut, and the data is small.
    "-c listen_addresses='' -c fsync=off -c synchronous_commit=off -c full_page_writes=off "
    "-c shared_buffers=16MB -c max_connections=40 -c autovacuum=off"
)


def postgres_binaries() -> Path | None:
    found = sorted(
        Path("/usr/lib/postgresql").glob("*/bin/initdb"),
        key=lambda path: int(path.parts[4].split(".")[0]),
    )
    if found:
        return found[-1].parent
    in_path = shutil.which("initdb")
    return Path(in_path).parent if in_path else None


def _unprivileged_user() -> str | None:
    """initdb refuses to run as root."""
    if os.getuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        try:
            pwd.getpwnam(name)
        except KeyError:
            continue
        return name
    raise RuntimeError("root needs a user `postgres` or `nobody` to start PostgreSQL")


class PostgresCluster:
    def __init__(self, binaries: Path, options: str = _OPTIONS) -> None:
        self._binaries = binaries
        self._options = options
        self._user = _unprivileged_user()
        # Not pytest's own folder: the path of a socket may have only 107 bytes.
        self._folder = Path(tempfile.mkdtemp(prefix="anlauf-pg-"))
        self._databases = 0

    def _run(self, *command: str) -> None:
        # The output goes to a file: the server inherits it and would keep a pipe open for ever.
        with (self._folder / "output").open("ab") as output:
            finished = subprocess.run(
                command,
                user=self._user,
                group=pwd.getpwnam(self._user).pw_gid if self._user else None,
                extra_groups=[] if self._user else None,
                cwd=self._folder,
                env={**os.environ, "LC_ALL": "C.UTF-8", "TZ": "UTC"},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                check=False,
                timeout=120,
            )
        if finished.returncode != 0:
            raise RuntimeError(f"{command[0]}: {(self._folder / 'output').read_text(errors='replace')}")

    def start(self) -> None:
        if self._user:
            shutil.chown(self._folder, self._user)
        data = str(self._folder / "data")
        self._run(
            str(self._binaries / "initdb"), "-D", data, "-U", "postgres", "-A", "trust", "-E", "UTF8", "-N",
            "--locale=C.UTF-8",
        )  # fmt: skip
        self._run(
            str(self._binaries / "pg_ctl"), "-D", data, "-w", "-t", "60", "-l", str(self._folder / "log"),
            "-o", f"{self._options} -k {self._folder}", "start",
        )  # fmt: skip

    def stop(self) -> None:
        data = self._folder / "data"
        try:
            if (data / "postmaster.pid").exists():
                self._run(
                    str(self._binaries / "pg_ctl"),
                    "-D",
                    str(data),
                    "-m",
                    "immediate",
                    "-w",
                    "stop",
                )
        finally:
            shutil.rmtree(self._folder, ignore_errors=True)

    def url(self, database: str = "postgres") -> str:
        return f"postgresql+psycopg://postgres@/{database}?host={quote(str(self._folder))}"

    @contextmanager
    def database(self, template: str = "template0") -> Iterator[str]:
        """The URL of a new database, dropped afterwards."""
        self._databases += 1
        name = f"test_{self._databases}"
        server = make_engine(self.url(), isolation_level="AUTOCOMMIT")
        try:
            with server.connect() as connection:
                connection.execute(text(f"CREATE DATABASE {name} TEMPLATE {template}"))
            try:
                yield self.url(name)
            finally:
                with server.connect() as connection:
                    connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))
        finally:
            server.dispose()


def skip_or_fail(reason: str) -> None:
    """A missing tool skips on a developer's machine and fails where the test is mandatory."""
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)


@contextmanager
def postgres_cluster() -> Iterator[PostgresCluster]:
    binaries = postgres_binaries()
    if binaries is None:
        skip_or_fail("PostgreSQL is not installed (Debian package `postgresql`)")
        raise AssertionError("unreachable")
    cluster = PostgresCluster(binaries)
    try:
        cluster.start()
        yield cluster
    finally:
        cluster.stop()


@contextmanager
def migrated(url: str) -> Iterator[Engine]:
    engine = make_engine(url)
    try:
        upgrade(engine)
        yield engine
    finally:
        engine.dispose()


def empty(engine: Engine) -> None:
    """Delete every row; for a handful of rows faster than TRUNCATE."""
    with engine.begin() as connection:
        connection.execute(text("SET LOCAL lock_timeout = '10s'"))
        for target in reversed(Table.metadata.sorted_tables):
            connection.execute(target.delete())
