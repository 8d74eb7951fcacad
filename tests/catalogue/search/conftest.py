from pathlib import Path

import pytest

from portal.catalogue.search.concepts import Concepts, load_concepts
from portal.catalogue.search.service import concepts_of

SYNONYMS = Path(__file__).parents[3] / "content" / "synonyms.yaml"


@pytest.fixture(scope="session")
def concepts() -> Concepts:
    return load_concepts(SYNONYMS)


@pytest.fixture(scope="session")
def learned_concepts() -> Concepts:
    """With what was learnt from examples, as the portal asks them."""
    return concepts_of(SYNONYMS)
