import shutil
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from flask import Flask

from portal.config import Settings
from portal.web.application import build
from portal.web.serving import prepare
from tests.web.pages import PageClient

SECRET = "only-for-tests-0123456789abcdef0123456789"
NOW = datetime(2026, 11, 20, 9, 0, tzinfo=UTC)
"""A Friday, ten o'clock in Germany."""


@pytest.fixture(scope="session")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Settings]:
    """Region → settings whose data folder is loaded and indexed; each region once per run."""
    made: dict[str, Settings] = {}

    def make(region: str) -> Settings:
        if region not in made:
            settings = Settings(
                secret_key=SECRET, region=region, data_dir=tmp_path_factory.mktemp(f"data-{region}")
            )
            prepare(settings, lambda line: None)
            made[region] = settings
        return made[region]

    return make


@pytest.fixture(scope="session")
def harz_app(prepared: Callable[[str], Settings]) -> Flask:
    return build(prepared("harz"), now=lambda: NOW)


@pytest.fixture(scope="session")
def musterkreis_app(prepared: Callable[[str], Settings]) -> Flask:
    return build(prepared("musterkreis"), now=lambda: NOW)


@pytest.fixture(params=["harz", "musterkreis"])
def app(request: pytest.FixtureRequest) -> Flask:
    """The portal of each shipped region."""
    found: Flask = request.getfixturevalue(f"{request.param}_app")
    return found


@pytest.fixture
def client(musterkreis_app: Flask) -> PageClient:
    return PageClient(musterkreis_app)


@pytest.fixture
def harz(harz_app: Flask) -> PageClient:
    return PageClient(harz_app)


@pytest.fixture
def own_settings(prepared: Callable[[str], Settings], tmp_path: Path) -> Settings:
    """Settings with a data folder of their own, for tests that change it."""
    source = prepared("musterkreis")
    shutil.copytree(source.data_dir, tmp_path / "data")
    return source.model_copy(update={"data_dir": tmp_path / "data"})
