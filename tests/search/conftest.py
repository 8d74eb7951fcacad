import shutil
from pathlib import Path

import pytest

from portal.config import Settings
from portal.web.serving import prepare
from portal.web.wiring import Store, open_store

SECRET = "only-for-tests-0123456789abcdef0123456789"


@pytest.fixture(scope="session")
def _loaded(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    settings = Settings(secret_key=SECRET, region="harz", data_dir=tmp_path_factory.mktemp("data"))
    prepare(settings, lambda line: None)
    return settings


@pytest.fixture
def settings(_loaded: Settings, tmp_path: Path) -> Settings:
    """The region Harz, loaded and indexed, in a folder of its own."""
    shutil.copytree(_loaded.data_dir, tmp_path / "data")
    return _loaded.model_copy(update={"data_dir": tmp_path / "data"})


@pytest.fixture
def store(settings: Settings) -> Store:
    store = open_store(settings)
    store.catalogue.refresh()
    return store
