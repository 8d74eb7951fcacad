"""Every engine, for the tests of what they have in common."""

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path

import pytest
from rapidfuzz.distance import OSA

from portal.catalogue.search.concepts import Concepts
from portal.catalogue.search.index import Place, ServiceIndex
from portal.catalogue.search.postgres import PostgresIndex
from portal.catalogue.search.whoosh import WhooshIndex
from portal.db import make_engine
from tests.catalogue.search.samples import HALBERSTADT, WERNIGERODE

ENGINES = ["whoosh", pytest.param("postgres", marks=pytest.mark.postgres)]

_KNOWN = {"halberstadt": HALBERSTADT, "wernigerode": WERNIGERODE}
_numbers = count(1)


class Places:
    def find(self, text: str) -> str | None:
        place = _KNOWN.get(text.lower())
        return place.ags if place else None

    def guess(self, text: str) -> str | None:
        near = [name for name in _KNOWN if OSA.distance(name, text.lower()) <= 2]
        return _KNOWN[near[0]].ags if near else None

    def where(self, ags: str) -> Place:
        return next(place for place in _KNOWN.values() if place.ags == ags)


@contextmanager
def an_index(request: pytest.FixtureRequest, folder: Path, concepts: Concepts) -> Iterator[ServiceIndex]:
    """An index of the requested engine that nobody else uses; nothing was built yet."""
    if request.param == "whoosh":
        index: ServiceIndex = WhooshIndex(folder / "index", concepts, Places())
        yield index
        index.close()
        return
    engine = make_engine(request.getfixturevalue("_postgres_shared"))
    try:
        index = PostgresIndex(engine, f"region-{next(_numbers)}", concepts, Places())
        yield index
        index.close()
    finally:
        engine.dispose()
