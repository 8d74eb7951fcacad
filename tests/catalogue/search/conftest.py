from pathlib import Path

import pytest

from portal.catalogue.search.concepts import Concepts, load_concepts

SYNONYMS = Path(__file__).parents[3] / "content" / "synonyms.yaml"


@pytest.fixture(scope="session")
def concepts() -> Concepts:
    return load_concepts(SYNONYMS)
