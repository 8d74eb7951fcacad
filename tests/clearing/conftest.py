from datetime import date
from pathlib import Path

import pytest

from portal.clearing import Clearing, load_clearing

QUESTIONNAIRES = Path(__file__).parents[2] / "questionnaires"


@pytest.fixture(scope="session")
def clearing() -> Clearing:
    return load_clearing(QUESTIONNAIRES)


@pytest.fixture
def today() -> date:
    return date(2026, 11, 20)
