"""One entry read, saved, merged, archived, put back; every state stays in the history."""

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlmodel import Session, col, select

from portal.catalogue import editing, models, revision
from portal.catalogue.editing import Conflict, InvalidEntry, SlugTaken, StillUsed, UnknownEntry
from portal.catalogue.loading import load_region, read_region
from portal.catalogue.models import Status, entity_id
from portal.catalogue.queries import service_by_slug
from tests.catalogue.conftest import TINY, ContentFolder
from tests.factories import a_location, an_organization

REGION = "tal"


@dataclass
class Somebody:
    name: str = "Anna"
    id: UUID | None = None


@pytest.fixture
def tal(session: Session, now: datetime) -> Session:
    load_region(session, read_region(TINY, REGION), now=now)
    return session


def entry(session: Session, slug: str = "jobcenter", entity: str = "service") -> editing.Entry:
    return editing.entry(session, REGION, entity, slug)


def save(session: Session, found: editing.Entry, now: datetime, **changes: Any) -> editing.Saved:
    return editing.save(
        session,
        REGION,
        found.entity,
        found.record.model_copy(update=changes),
        base_hash=found.hash,
        author=Somebody(),
        now=now,
    )


@pytest.mark.parametrize("entity", ["service", "organization", "location"])
def test_an_entry_is_its_record_of_the_files(tal: Session, entity: str) -> None:
    content = read_region(TINY, REGION)
    records = {
        "service": content.services,
        "organization": content.organizations,
        "location": content.locations,
    }
    for record in records[entity]:
        assert entry(tal, record.slug, entity).record == record


def test_an_unknown_entry(tal: Session) -> None:
    with pytest.raises(UnknownEntry):
        entry(tal, "nirgends")
    with pytest.raises(UnknownEntry):
        editing.entry(tal, "anderswo", "service", "jobcenter")


def test_many_entries_keep_their_order_and_leave_out_what_is_missing(tal: Session) -> None:
    ids = [entity_id(REGION, "service", slug) for slug in ("schutz", "jobcenter")]
    found = editing.entries(tal, REGION, "service", [ids[0], uuid4(), ids[1], ids[0]])
    assert [one.slug for one in found] == ["schutz", "jobcenter"]


def test_a_save_is_seen_and_both_states_are_kept(tal: Session, now: datetime) -> None:
    before = entry(tal)
    saved = save(tal, before, now, name="Geld zum Leben", minimum_age=16)
    assert saved.fields == ("name", "minimum_age")
    assert entry(tal).record.name == "Geld zum Leben"
    versions = editing.versions(tal, before.id)
    assert [(v.number, v.cause, v.author_name) for v in versions] == [
        (2, "edited", "Anna"),
        (1, "before", ""),
    ]
    assert versions[1].record["name"] == "Geld und Arbeit"
    assert versions[0].record_hash == saved.entry.hash
    changed = revision.changed_service_ids(tal, REGION, since=saved.revision - 1)
    assert changed == {before.id}
    view = service_by_slug(tal, REGION, "jobcenter")
    assert view is not None
    assert view.name == "Geld zum Leben"


def test_every_part_of_a_record_survives_a_save(tal: Session, now: datetime) -> None:
    found = entry(tal)
    save(tal, found, now, name="Anders")
    save(tal, entry(tal), now, name=found.record.name)
    assert entry(tal).record == found.record
    assert entry(tal).hash == found.hash


def test_nothing_changed_writes_nothing(tal: Session, now: datetime) -> None:
    found = entry(tal)
    saved = save(tal, found, now)
    assert (saved.fields, saved.revision) == ((), 0)
    assert editing.versions(tal, found.id) == []
    row = tal.get(models.Service, found.id)
    assert row is not None
    assert row.edited_at is None


def test_a_save_is_never_a_check(tal: Session, now: datetime) -> None:
    saved = save(tal, entry(tal), now, description="Neu geschrieben.")
    assert saved.entry.record.assured_date == date(2026, 10, 1)


def test_a_confirmation_moves_the_date_and_the_wish_to_ask_again(tal: Session, now: datetime) -> None:
    row = tal.get(models.Service, entity_id(REGION, "service", "jobcenter"))
    assert row is not None
    row.review_due = now.date()
    tal.add(row)
    saved = editing.confirm(
        tal, REGION, "service", "jobcenter", on=now.date(), author=Somebody(), now=now, comment="angerufen"
    )
    assert saved.entry.record.assured_date == now.date()
    assert saved.entry.record.confidence == "confirmed"
    tal.refresh(row)
    assert row.review_due is None
    assert editing.versions(tal, saved.entry.id)[0].comment == "angerufen"


def test_who_comes_second_learns_of_the_first(tal: Session, now: datetime) -> None:
    first = entry(tal)
    save(tal, first, now, name="Erste")
    with pytest.raises(Conflict) as conflict:
        save(tal, first, now, description="Zweite.")
    assert conflict.value.base == first.record
    assert conflict.value.current.record.name == "Erste"
    result, fields = editing.merge(
        editing.plain(conflict.value.base),
        {**editing.plain(first.record), "description": "Zweite."},
        editing.plain(conflict.value.current.record),
    )
    assert (result["name"], result["description"]) == ("Erste", "Zweite.")
    assert [(field.name, field.clash) for field in fields] == [("name", False), ("description", False)]


def test_a_base_that_nobody_kept_makes_every_difference_a_clash(tal: Session, now: datetime) -> None:
    found = entry(tal)
    with pytest.raises(Conflict) as conflict:
        editing.save(
            tal, REGION, "service", found.record.model_copy(update={"name": "X"}), base_hash="0" * 64,
            author=None, now=now,
        )  # fmt: skip
    assert conflict.value.base is None
    _result, fields = editing.merge(None, {"name": "X", "url": None}, {"name": "Y", "url": ""})
    assert [(field.name, field.clash) for field in fields] == [("name", True)]


def test_merging_the_same_change_is_no_clash() -> None:
    base, both = {"name": "A", "url": None}, {"name": "B", "url": None}
    assert editing.merge(base, both, both) == (both, [])
    result, fields = editing.merge(base, {"name": "B", "url": None}, {"name": "C", "url": None})
    assert result["name"] == "B"
    assert [(f.base, f.mine, f.theirs, f.clash) for f in fields] == [("A", "B", "C", True)]


def test_a_new_entry(tal: Session, now: datetime) -> None:
    record = editing.parsed(
        "service",
        {
            "slug": "neu", "organization": "seelenohr", "name": "Neu", "description": "Etwas.", "topics": ["geld"],
            "service_areas": ["15987"], "status": "draft",
        },
    )  # fmt: skip
    saved = editing.save(tal, REGION, "service", record, base_hash=None, author=Somebody(), now=now)
    assert saved.number == 1
    assert editing.versions(tal, saved.entry.id)[0].cause == "created"
    assert saved.entry.status == "draft"
    with pytest.raises(SlugTaken):
        editing.save(tal, REGION, "service", record, base_hash=None, author=None, now=now)
    with pytest.raises(UnknownEntry):
        editing.save(
            tal,
            REGION,
            "service",
            record.model_copy(update={"slug": "weg"}),
            base_hash="1",
            author=None,
            now=now,
        )


@pytest.mark.parametrize(
    ("entity", "slug", "changes", "field", "code"),
    [
        ("service", "jobcenter", {"topics": ("nix",)}, "topics", "unknown"),
        ("service", "jobcenter", {"organization": "niemand"}, "organization", "unknown"),
        ("service", "jobcenter", {"service_areas": ("09",)}, "service_areas", "elsewhere"),
        ("service", "jobcenter", {"desk_for": ("clearing",)}, "desk_for", "desk_without_kind"),
        ("service", "jobcenter", {"languages": ("de", "de")}, "languages", "twice"),
        ("organization", "jobcenter-tal", {"kind": "nix"}, "kind", "unknown"),
        ("organization", "landkreis-tal", {"parent_organization": "jobcenter-tal"}, "parent_organization", "circle"),
        ("location", "jobcenter-ober", {"latitude": 47.5}, "latitude", "far_away"),
        ("location", "jobcenter-ober", {"place": "15987999"}, "place", "unknown"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said_with_its_field(
    tal: Session, now: datetime, entity: str, slug: str, changes: dict[str, Any], field: str, code: str
) -> None:
    found = entry(tal, slug, entity)
    with pytest.raises(InvalidEntry) as invalid:
        save(tal, found, now, **changes)
    assert (field, code) in [(problem.field, problem.code) for problem in invalid.value.problems]
    tal.rollback()


def test_problems_in_lists_name_the_row(tal: Session, now: datetime) -> None:
    values = editing.plain(entry(tal).record)
    values["phones"] = [{"number": "030 23125 104"}, {"number": "0123"}]
    values["schedules"] = [{"opening_hours": "nie"}]
    problems = editing.entry_problems(tal, REGION, "service", editing.parsed("service", values))
    assert {(p.field, p.code) for p in problems} == {
        ("phones.1.number", "phone"),
        ("schedules.0.opening_hours", "hours"),
    }


def test_the_shape_is_checked_with_paths() -> None:
    with pytest.raises(InvalidEntry) as invalid:
        editing.parsed(
            "service", {"slug": "x", "organization": "y", "name": "", "phones": [{"number": "abc"}]}
        )
    found = {(problem.field, problem.code) for problem in invalid.value.problems}
    assert ("name", "shape.string_too_short") in found
    assert ("phones.0.number", "shape.string_pattern_mismatch") in found
    assert ("topics", "shape.missing") in found


def test_states_and_the_way_back(tal: Session, now: datetime) -> None:
    def set_status(status: Status) -> editing.Saved:
        return editing.set_status(
            tal, REGION, "service", "jobcenter", status, author=Somebody(), now=now, comment="weil"
        )

    assert set_status(Status.PUBLISHED).fields == ()
    assert set_status(Status.DRAFT).entry.status == "draft"
    saved = set_status(Status.ARCHIVED)
    assert saved.entry.status == "archived"
    row = tal.get(models.Service, saved.entry.id)
    assert row is not None
    assert row.archived_at == now
    set_status(Status.PUBLISHED)
    tal.refresh(row)
    assert row.archived_at is None
    assert [version.cause for version in editing.versions(tal, row.id)] == [
        "published", "archived", "withdrawn", "before",
    ]  # fmt: skip


def test_what_others_need_cannot_be_taken_away(tal: Session, now: datetime) -> None:
    with pytest.raises(StillUsed):
        editing.set_status(tal, REGION, "service", "clearing", Status.ARCHIVED, author=None, now=now)
    with pytest.raises(StillUsed) as used:
        editing.set_status(tal, REGION, "organization", "jobcenter-tal", Status.DRAFT, author=None, now=now)
    assert used.value.slugs == ("jobcenter",)
    with pytest.raises(StillUsed):
        editing.delete_location(tal, REGION, "jobcenter-ober", author=None, now=now)


def test_a_location_nobody_uses_goes_but_not_its_history(tal: Session, now: datetime) -> None:
    values = {**editing.plain(entry(tal, "landratsamt", "location").record), "slug": "leer"}
    record = editing.parsed("location", values)
    saved = editing.save(tal, REGION, "location", record, base_hash=None, author=None, now=now)
    editing.delete_location(tal, REGION, "leer", author=Somebody(), now=now)
    with pytest.raises(UnknownEntry):
        entry(tal, "leer", "location")
    last = editing.versions(tal, saved.entry.id)[0]
    assert (last.cause, last.record["name"]) == ("archived", "Landratsamt")


def test_a_version_is_put_back_without_changing_the_state(tal: Session, now: datetime) -> None:
    found = entry(tal)
    save(tal, found, now, name="Anders")
    editing.set_status(tal, REGION, "service", "jobcenter", Status.DRAFT, author=None, now=now)
    first = editing.versions(tal, found.id)[-1]
    saved = editing.restore(tal, REGION, first, author=Somebody(), now=now)
    assert saved.entry.record.name == "Geld und Arbeit"
    assert saved.entry.status == "draft"
    assert editing.versions(tal, found.id)[0].cause == "restored"


def test_what_was_loaded_meanwhile_is_kept_as_a_state_of_its_own(
    session: Session, content: ContentFolder, now: datetime
) -> None:
    load_region(session, content.read(), now=now)
    save(session, entry(session), now, name="Hier geändert")
    save(session, entry(session), now, name="Geld und Arbeit")
    row = session.get(models.Service, entity_id(REGION, "service", "jobcenter"))
    assert row is not None
    row.edited_at = None
    session.add(row)
    session.flush()
    content.entry("services.yaml", "jobcenter", name="Aus der Datei")
    load_region(session, content.read(), now=now + timedelta(days=1))
    assert entry(session).record.name == "Aus der Datei"
    save(session, entry(session), now + timedelta(days=2), name="Wieder hier")
    assert [v.cause for v in editing.versions(session, row.id)][:2] == ["edited", "loaded"]


def test_after_ninety_days_the_archive_is_emptied(tal: Session, now: datetime) -> None:
    editing.set_status(tal, REGION, "service", "jobcenter", Status.ARCHIVED, author=None, now=now)
    assert editing.erase_archived(tal, REGION, now=now + timedelta(days=90)) == []
    assert editing.erase_archived(tal, REGION, now=now + timedelta(days=91)) == ["jobcenter"]
    with pytest.raises(UnknownEntry):
        entry(tal)
    assert len(editing.versions(tal, entity_id(REGION, "service", "jobcenter"))) == 2


def rows_of(session: Session, *ids: UUID) -> tuple[int, int]:
    """Attributes and translations that point to them."""
    return (
        len(session.execute(select(models.Attribute.id).where(col(models.Attribute.link_id).in_(ids))).all()),
        len(
            session.execute(
                select(models.Translation.id).where(col(models.Translation.entity_id).in_(ids))
            ).all()
        ),
    )


def test_what_is_erased_leaves_no_topics_and_translations(tal: Session, now: datetime) -> None:
    service = entity_id(REGION, "service", "jobcenter")
    everything = {*tal.exec(select(models.Service.id)), *tal.exec(select(models.Translation.entity_id))}
    others = everything - {service}
    kept = rows_of(tal, *others)
    before = rows_of(tal, service)
    assert min(*before, *kept) > 0
    editing.set_status(tal, REGION, "service", "jobcenter", Status.ARCHIVED, author=None, now=now)
    assert rows_of(tal, service) == before, "it can be put back with everything"
    editing.erase_archived(tal, REGION, now=now + timedelta(days=91))
    assert rows_of(tal, service) == (0, 0)
    assert rows_of(tal, *others) == kept


def test_places_of_an_erased_organization_leave_no_translations(tal: Session, now: datetime) -> None:
    organization = an_organization(tal, "weg", region=REGION)
    house = a_location(tal, "altes-haus", organization=organization, region=REGION)
    ids = (organization.id, house.id)
    for id_, entity in zip(ids, ("organization", "location"), strict=True):
        tal.add(
            models.Translation(
                id=entity_id(REGION, "translation", str(id_)), region=REGION, entity=entity, entity_id=id_,
                field="description", language="en", text="Gone", source_hash="0" * 12, last_modified=now,
            )
        )  # fmt: skip
    tal.flush()
    editing.set_status(tal, REGION, "organization", "weg", Status.ARCHIVED, author=None, now=now)
    assert editing.erase_archived(tal, REGION, now=now + timedelta(days=91)) == ["weg"]
    assert rows_of(tal, *ids) == (0, 0)


def test_free_places_are_no_edit(tal: Session, now: datetime) -> None:
    number = revision.current(tal, REGION)
    editing.set_capacity(tal, REGION, "jobcenter", "full", until=date(2027, 1, 31), now=now)
    assert revision.current(tal, REGION) == number + 1
    row = tal.get(models.Service, entity_id(REGION, "service", "jobcenter"))
    assert row is not None
    assert (row.capacity, row.capacity_until, row.edited_at) == ("full", date(2027, 1, 31), None)
    assert editing.versions(tal, row.id) == []
    view = service_by_slug(tal, REGION, "jobcenter")
    assert view is not None
    assert (view.capacity, view.capacity_at) == ("full", now)
    save(tal, entry(tal), now, name="Anders")
    tal.refresh(row)
    assert row.capacity == "full", "a save of the record leaves it alone"
    editing.set_capacity(tal, REGION, "jobcenter", "free", until=date(2027, 1, 31), now=now)
    assert row.capacity_until is None
    editing.set_capacity(tal, REGION, "jobcenter", None, now=now)
    assert (row.capacity, row.capacity_at) == (None, None)
    with pytest.raises(ValueError, match="viel"):
        editing.set_capacity(tal, REGION, "jobcenter", "viel", now=now)
    with pytest.raises(UnknownEntry):
        editing.set_capacity(tal, REGION, "nirgends", "free", now=now)


def test_the_day_to_ask_again(tal: Session) -> None:
    assert editing.set_review(tal, REGION, "jobcenter", days=90, due=date(2027, 1, 1))
    assert not editing.set_review(tal, REGION, "jobcenter", days=90, due=date(2027, 1, 1))
    with pytest.raises(UnknownEntry):
        editing.set_review(tal, REGION, "nirgends", days=None, due=None)


@pytest.mark.parametrize(
    ("name", "slug"),
    [
        ("Ausbildung für Mütter", "ausbildung-fuer-muetter"),
        ("  Straße – Café 24/7! ", "strasse-cafe-24-7"),
        ("مرحبا", "eintrag"),
        ("x" * 100, "x" * 60),
        ("New", "new"),
    ],
)
def test_slugs(name: str, slug: str) -> None:
    assert editing.slug_of(name) == slug


def test_a_slug_is_free_and_never_a_word_of_the_addresses(tal: Session) -> None:
    assert editing.free_slug(tal, REGION, "service", "Jobcenter") == "jobcenter-2"
    assert editing.free_slug(tal, REGION, "service", "New") == "new-2"
    assert editing.free_slug(tal, REGION, "service", "Ganz neu") == "ganz-neu"


def test_differences_leave_out_what_is_empty_on_both_sides() -> None:
    found = editing.differences(
        {"name": "A", "url": None, "phones": []}, {"name": "B", "url": "", "email": "x"}
    )
    assert [(d.path, d.before, d.after) for d in found] == [("name", "A", "B"), ("email", None, "x")]
