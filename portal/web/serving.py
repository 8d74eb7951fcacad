"""`portal run` and `portal serve`: prepare, then hand over to gunicorn."""

import os
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from portal.config import ROOT, Settings
from portal.web.logs import ACCESS_FORMAT

if TYPE_CHECKING:
    from portal.catalogue.loading import LoadReport


def prepare(settings: Settings, say: Callable[[str], None]) -> None:
    """Everything a start needs: translations, database, content, search index. Quick when nothing changed."""
    from portal.catalogue.loading import is_loaded, load_region, read_region
    from portal.catalogue.search.index import SearchError
    from portal.db import upgrade
    from portal.web.languages import compile_catalogues
    from portal.web.wiring import open_search, open_store

    settings.data_dir.mkdir(parents=True, exist_ok=True)
    if compile_catalogues(settings.translations_dir):
        say("translations compiled")
    store = open_store(settings)
    if upgrade(store.engine):
        say("database ready")
    with store.sessions() as session:
        if not is_loaded(session, settings.content_dir, settings.region):
            content = read_region(settings.content_dir, settings.region)
            report = load_region(session, content, now=datetime.now(UTC))
            session.commit()
            say(summary(report))
    try:
        if open_search(settings, store).rebuild_if_needed():
            say("search index built")
    except SearchError as error:
        # A full disk must not keep the portal shut: the search answers with a simple list and says so.
        say(f"search index not usable yet: {error}")
    store.engine.dispose()


def summary(report: "LoadReport") -> str:
    """One line: what a load did to each sort of entry."""
    parts = [
        f"{entity} " + ", ".join(f"{number} {action}" for action, number in actions.items())
        for entity, actions in sorted(report.counts().items())
    ]
    return f"{report.region}: " + "; ".join(parts)


def run(settings: Settings, host: str, port: int) -> None:
    """For one machine: prepare and serve. Does not return."""
    began = time.monotonic()
    prepare(settings, lambda line: print(f"  {line}", flush=True))
    took = time.monotonic() - began
    print(f"Anlauf ({settings.region}) is ready after {took:.1f} s: http://{host}:{port}", flush=True)
    print(f"  {way_in(settings, host, port)}", flush=True)
    serve(settings, host, port, workers=2, quiet=True, chores=not settings.production)


def way_in(settings: Settings, host: str, port: int) -> str:
    """How to get to the admin pages: for the first one the command that lets somebody in, later the address."""
    from sqlalchemy import select
    from sqlmodel import col

    from portal.accounts.models import User
    from portal.web.wiring import open_store

    store = open_store(settings)
    with store.sessions() as session:
        somebody = session.execute(select(col(User.id)).limit(1)).first()
    store.engine.dispose()
    if somebody is None:
        return "first administrator: portal users invite YOU@EXAMPLE.ORG --role administrator"
    # By name, because browsers offer passkeys for names only.
    name = "localhost" if host in ("127.0.0.1", "0.0.0.0", "::1") else host  # noqa: S104 (compared, not bound)
    return f"administration: {settings.base_url or f'http://{name}:{port}'}/admin/"


def serve(
    settings: Settings, host: str, port: int, *, workers: int, quiet: bool = False, chores: bool = False
) -> None:
    """Become gunicorn, in this process: everything is imported already. Does not return.

    `chores`: look after referrals beside it, where no cron does.
    """
    from gunicorn.app import wsgiapp  # type: ignore[import-untyped]

    given, environment = arguments(settings, host, port, workers=workers, quiet=quiet, chores=chores)
    os.environ.update(environment)
    os.chdir(ROOT)
    # The command, because gunicorn starts itself anew by that name (USR2).
    sys.argv = [str(Path(sys.executable).with_name("gunicorn")), *given]
    wsgiapp.run()


def arguments(
    settings: Settings, host: str, port: int, *, workers: int, quiet: bool = False, chores: bool = False
) -> tuple[list[str], dict[str, str]]:
    """Of gunicorn; and the environment in which the settings travel."""
    environment = {
        "PORTAL_SECRET_KEY": settings.secret_key,
        "PORTAL_REGION": settings.region,
        "PORTAL_DATA_DIR": str(settings.data_dir),
    }
    found = [
        "portal:create_app()",
        "--bind",
        f"{host}:{port}",
        "--workers",
        str(workers),
        "--threads",
        "1",
        "--preload",
        "--no-control-socket",
        "--worker-tmp-dir",
        _memory_dir(settings.data_dir),
        "--access-logformat",
        ACCESS_FORMAT,
        "--logger-class",
        "portal.web.access_log.AccessLog",
        # Long addresses are answered in the visitor's language: `security.MOST_ADDRESS`.
        "--limit-request-line",
        "0",
        "--max-requests",
        "20000",
        "--max-requests-jitter",
        "2000",
        "--log-level",
        "warning" if quiet else "info",
    ]
    if not quiet:
        found += ["--access-logfile", "-"]
    if chores:
        found += ["--config", "python:portal.web.chores"]
    if settings.referral_keys_file:
        environment["PORTAL_REFERRAL_KEYS_FILE"] = str(settings.referral_keys_path.absolute())
    return found, environment


def _memory_dir(fallback: Path) -> str:
    """gunicorn's heartbeat files: in memory where there is a place for it (gunicorn FAQ, worker-tmp-dir)."""
    return "/dev/shm" if os.access("/dev/shm", os.W_OK) else str(fallback)
