"""Changes that wait: kept apart from the entry, merged when they are accepted, decided once."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlmodel import Session

from portal.catalogue import editing, proposals
from portal.catalogue.editing import InvalidEntry, StillUsed
from portal.catalogue.loading import load_region, read_region
from portal.catalogue.models import Proposal, entity_id
from portal.catalogue.proposals import AlreadyDecided
from tests.catalogue.conftest import TINY

REGION = "tal"
JOBCENTER = entity_id(REGION, "organization", "jobcenter-tal")


@dataclass
class Somebody:
    name: str = "Eda"
    id: UUID | None = field(default_factory=uuid4)


EDITOR, COORDINATOR = Somebody(), Somebody("Kim")


@pytest.fixture
def tal(session: Session, now: datetime) -> Session:
    load_region(session, read_region(TINY, REGION), now=now)
    return session


def entry(session: Session, slug: str = "jobcenter") -> editing.Entry:
    return editing.entry(session, REGION, "service", slug)


def propose(session: Session, now: datetime, **changes: Any) -> Proposal:
    base = entry(session)
    options = {name: changes.pop(name) for name in ("author", "wish", "draft") if name in changes}
    return proposals.propose(
        session,
        REGION,
        "service",
        base.record.model_copy(update=changes),
        base=base,
        organization_id=JOBCENTER,
        now=now,
        **{"author": EDITOR, **options},
    )


def test_the_public_goes_on_seeing_the_entry_as_it_was(tal: Session, now: datetime) -> None:
    made = propose(tal, now, name="Neuer Name")
    assert made.state == "in_review"
    assert entry(tal).record.name == "Geld und Arbeit"
    assert proposals.waiting(tal, REGION) == [made]
    assert proposals.waiting(tal, REGION, organizations=[uuid4()]) == []
    assert proposals.number_waiting(tal, REGION) == 1
    assert proposals.open_for(tal, made.entity_id) == [made]


def test_a_draft_waits_for_nobody(tal: Session, now: datetime) -> None:
    made = propose(tal, now, name="Neu", draft=True)
    assert proposals.waiting(tal, REGION) == []
    assert proposals.of_author(tal, REGION, EDITOR.id or uuid4()) == [made]


def test_a_later_proposal_of_the_same_author_takes_the_place_of_the_first(
    tal: Session, now: datetime
) -> None:
    first = propose(tal, now, name="Erstens")
    other = propose(tal, now, name="Von anderer Hand", author=COORDINATOR)
    second = propose(tal, now + timedelta(minutes=1), name="Zweitens")
    tal.refresh(first)
    assert first.state == "withdrawn"
    assert proposals.waiting(tal, REGION) == [other, second]


def test_what_cannot_be_saved_cannot_be_proposed(tal: Session, now: datetime) -> None:
    with pytest.raises(InvalidEntry):
        propose(tal, now, topics=("nix",))


def test_accepting_brings_both_changes_together(tal: Session, now: datetime) -> None:
    made = propose(tal, now, name="Neuer Name")
    current = entry(tal)
    editing.save(
        tal, REGION, "service", current.record.model_copy(update={"description": "Inzwischen."}),
        base_hash=current.hash, author=COORDINATOR, now=now,
    )  # fmt: skip
    _values, fields, _entry = proposals.merged(tal, made)
    assert [(f.name, f.clash) for f in fields] == [("name", False)]
    saved = proposals.accept(tal, made, by=COORDINATOR, now=now, comment="Danke")
    assert (saved.entry.record.name, saved.entry.record.description) == ("Neuer Name", "Inzwischen.")
    assert (made.state, made.decided_name, made.decision_comment) == ("accepted", "Kim", "Danke")
    assert editing.versions(tal, made.entity_id)[0].cause == "accepted"
    with pytest.raises(AlreadyDecided):
        proposals.accept(tal, made, by=COORDINATOR, now=now)


def test_a_clash_is_shown_and_the_coordinator_may_decide_otherwise(tal: Session, now: datetime) -> None:
    made = propose(tal, now, name="Vorschlag")
    current = entry(tal)
    editing.save(
        tal, REGION, "service", current.record.model_copy(update={"name": "Inzwischen"}),
        base_hash=current.hash, author=COORDINATOR, now=now,
    )  # fmt: skip
    values, fields, _entry = proposals.merged(tal, made)
    assert [(f.name, f.clash) for f in fields] == [("name", True)]
    saved = proposals.accept(tal, made, by=COORDINATOR, now=now, record={**values, "name": "Geeinigt"})
    assert saved.entry.record.name == "Geeinigt"


def test_rejecting_keeps_the_answer(tal: Session, now: datetime) -> None:
    made = propose(tal, now, name="Neu")
    proposals.reject(tal, made, by=COORDINATOR, now=now, comment="Der alte Name ist bekannter.")
    assert made.decision_comment == "Der alte Name ist bekannter."
    assert entry(tal).record.name == "Geld und Arbeit"
    with pytest.raises(AlreadyDecided):
        proposals.withdraw(tal, made, now=now)


def test_the_author_takes_it_back(tal: Session, now: datetime) -> None:
    made = propose(tal, now, name="Neu")
    proposals.withdraw(tal, made, now=now)
    with pytest.raises(AlreadyDecided):
        proposals.reject(tal, made, by=COORDINATOR, now=now, comment="")


def test_a_new_entry_comes_into_being_when_it_is_accepted(tal: Session, now: datetime) -> None:
    record = entry(tal).record.model_copy(update={"slug": "neu", "name": "Neu", "desk_for": ()})
    made = proposals.propose(
        tal,
        REGION,
        "service",
        record,
        base=None,
        author=EDITOR,
        now=now,
        organization_id=JOBCENTER,
        wish="create",
    )
    assert proposals.merged(tal, made)[2] is None
    saved = proposals.accept(tal, made, by=COORDINATOR, now=now)
    assert saved.entry.slug == "neu"
    assert entry(tal, "neu").record.name == "Neu"


def test_a_wish_to_archive(tal: Session, now: datetime) -> None:
    made = propose(tal, now, wish="archive")
    saved = proposals.accept(tal, made, by=COORDINATOR, now=now)
    assert saved.entry.status == "archived"


def test_the_clearing_desk_stays(tal: Session, now: datetime) -> None:
    base = entry(tal, "clearing")
    made = proposals.propose(
        tal,
        REGION,
        "service",
        base.record,
        base=base,
        author=EDITOR,
        now=now,
        organization_id=None,
        wish="archive",
    )
    with pytest.raises(StillUsed):
        proposals.accept(tal, made, by=COORDINATOR, now=now)
    assert made.state == "in_review"
