"""`portal clearing check` on what is shipped: questionnaire, rules, translations and each region's desks together."""

from collections.abc import Callable
from datetime import date

import pytest

from portal.config import Settings
from portal.web.proof import prove
from portal.web.wiring import open_store


@pytest.mark.parametrize("region", ["harz", "musterkreis"])
def test_every_combination_of_answers_ends_at_a_real_desk(
    prepared: Callable[[str], Settings], region: str
) -> None:
    settings = prepared(region)
    report = prove(settings, open_store(settings).catalogue, today=date(2026, 11, 20))
    assert [f"{problem.code}: {problem.message}" for problem in report.problems] == []
    assert report.answer_sets > 1_000_000


@pytest.mark.parametrize("missing", ["gewaltschutz", "clearing"])
def test_a_kind_without_a_desk_is_found(
    prepared: Callable[[str], Settings], monkeypatch: pytest.MonkeyPatch, missing: str
) -> None:
    settings = prepared("musterkreis")
    catalogue = open_store(settings).catalogue
    snapshot = catalogue.current
    without = {kind: () if kind == missing else views for kind, views in snapshot.desks.items()}
    monkeypatch.setitem(vars(snapshot), "desks", without)
    if missing == "clearing":
        # The reception itself is gone, so nothing catches the kinds that have no desk of their own.
        desk = catalogue.service(catalogue.region.clearing_desk)
        assert desk is not None
        monkeypatch.delitem(snapshot.services, desk.id)
        monkeypatch.delitem(snapshot.by_slug, desk.slug)
    report = prove(settings, catalogue, today=date(2026, 11, 20))
    found = [problem.message for problem in report.problems if problem.code == "no_desk"]
    assert any(missing in message for message in found)
