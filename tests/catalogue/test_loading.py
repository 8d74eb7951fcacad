"""Loading: idempotent, all or nothing, gentle with coordinators' edits; export gives back what was loaded."""

from datetime import date, datetime, timedelta
from pathlib import Path

import pytest
import yaml
from sqlalchemy import delete, func, select
from sqlmodel import Session, SQLModel, col

from portal.catalogue import actions, editing, models, region_settings, revision, upkeep
from portal.catalogue.actions import record_edit
from portal.catalogue.exporting import UnknownRegion, export_region
from portal.catalogue.loading import (
    Change,
    is_loaded,
    load_region,
    outdated_translations,
    read_region,
    region_slugs,
)
from portal.catalogue.models import Status, entity_id
from portal.catalogue.queries import moved_to
from portal.catalogue.reading import ContentError
from portal.catalogue.rows import table
from portal.catalogue.stamping import stamp_content, stamp_translations
from tests.catalogue.conftest import ContentFolder
from tests.catalogue.test_reading import shipped_content
from tests.factories import a_region, a_service


def everything(session: Session) -> dict[str, list[tuple[object, ...]]]:
    """All rows of all tables, to see whether anything changed."""
    return {
        name: sorted((tuple(row) for row in session.execute(select(target))), key=repr)
        for name, target in SQLModel.metadata.tables.items() | models.Table.metadata.tables.items()
    }


def service(session: Session, slug: str) -> models.Service:
    found = session.get(models.Service, entity_id("tal", "service", slug))
    assert found is not None
    return found


def test_the_first_load_makes_everything_new(session: Session, content: ContentFolder, now: datetime) -> None:
    report = load_region(session, content.read(), now=now)
    assert report.changed
    assert {change.action for change in report.changes} == {"new"}
    assert report.counts()["service"] == {"new": 10}
    assert report.revision == 1
    assert service(session, "jobcenter").last_modified == now
    assert service(session, "notruf").content_file == "helplines.yaml"


def test_a_second_load_changes_nothing_at_all(
    session: Session, content: ContentFolder, now: datetime
) -> None:
    load_region(session, content.read(), now=now)
    before = everything(session)
    report = load_region(session, content.read(), now=now + timedelta(days=1))
    assert report.changes == ()
    assert not report.changed
    assert report.revision == 1
    assert everything(session) == before


def test_ids_depend_on_region_and_slug_only(session: Session, content: ContentFolder, now: datetime) -> None:
    load_region(session, content.read(), now=now)
    first = set(session.execute(select(table(models.Phone).c.id)).scalars())
    content.edit("services.yaml", lambda data: data["services"].reverse())
    report = load_region(session, content.read(), now=now)
    assert not report.changed, "another order in the file is no change"
    assert set(session.execute(select(table(models.Phone).c.id)).scalars()) == first


def test_a_dry_run_tells_what_a_load_does(session: Session, content: ContentFolder, now: datetime) -> None:
    load_region(session, content.read(), now=now)
    content.entry("services.yaml", "schutz", name="Schutz jetzt", phones=[{"number": "030 23125 555"}])
    content.drop("services.yaml", "projekt-alt")
    before = everything(session)
    dry = load_region(session, content.read(), now=now, dry_run=True)
    assert everything(session) == before
    assert dry.dry_run
    wet = load_region(session, content.read(), now=now)
    assert wet.changes == dry.changes
    assert Change("service", "schutz", "changed", ("name", "phones")) in wet.changes
    assert Change("service", "projekt-alt", "removed") in wet.changes
    assert everything(session) != before


def test_a_dry_run_of_a_new_region_writes_nothing(
    session: Session, content: ContentFolder, now: datetime
) -> None:
    assert load_region(session, content.read(), now=now, dry_run=True).changed
    assert session.get(models.Region, "tal") is None


def test_what_left_the_files_is_archived_or_deleted(
    session: Session, content: ContentFolder, now: datetime
) -> None:
    load_region(session, content.read(), now=now)
    content.drop("services.yaml", "frauenhaus")
    content.drop("locations.yaml", "frauenhaus")
    content.drop("organizations.yaml", "frauenhaus-tal")
    content.entry("services.yaml", "schutz", contact_kinds=["jugendamt_schutz", "gewaltschutz"],
                  desk_for=["jugendamt_schutz", "gewaltschutz"])  # fmt: skip
    report = load_region(session, content.read(), now=now)
    assert {(change.entity, change.entry) for change in report.of("removed")} == {
        ("service", "frauenhaus"),
        ("location", "frauenhaus"),
        ("organization", "frauenhaus-tal"),
    }
    assert service(session, "frauenhaus").status == Status.ARCHIVED
    assert session.get(models.Location, entity_id("tal", "location", "frauenhaus")) is None
    assert load_region(session, content.read(), now=now).changes == ()


def test_what_comes_back_is_there_again(session: Session, content: ContentFolder, now: datetime) -> None:
    load_region(session, content.read(), now=now)
    text = (content.region / "services.yaml").read_text(encoding="utf-8")
    content.drop("services.yaml", "projekt-alt")
    load_region(session, content.read(), now=now)
    (content.region / "services.yaml").write_text(text, encoding="utf-8")
    report = load_region(session, content.read(), now=now)
    assert report.changes == (Change("service", "projekt-alt", "new"),)
    assert service(session, "projekt-alt").status == Status.PUBLISHED
    assert load_region(session, content.read(), now=now).changes == ()


def test_what_a_coordinator_archived_stays_archived(
    session: Session, content: ContentFolder, now: datetime
) -> None:
    load_region(session, content.read(), now=now)
    actions.set_status(session, service(session, "projekt-alt"), Status.ARCHIVED, now=now)
    session.commit()
    content.entry("services.yaml", "projekt-alt", name="Ein neuer Name in den Dateien")
    report = load_region(session, content.read(), now=now)
    assert report.changes == (Change("service", "projekt-alt", "kept", ("status",)),)
    assert service(session, "projekt-alt").status == Status.ARCHIVED
    load_region(session, content.read(), now=now, force=True)
    assert service(session, "projekt-alt").status == Status.PUBLISHED


def edit(session: Session, slug: str, now: datetime, **values: object) -> None:
    edited = service(session, slug)
    for name, value in values.items():
        setattr(edited, name, value)
    record_edit(session, edited, now=now)


def test_a_coordinators_edit_survives_a_reload(
    session: Session, content: ContentFolder, now: datetime
) -> None:
    load_region(session, content.read(), now=now)
    edit(session, "schutz", now, name="Sicher schlafen")
    content.entry("services.yaml", "schutz", description="Anders.")
    report = load_region(session, content.read(), now=now)
    assert report.changes == (Change("service", "schutz", "kept", ("name", "description")),)
    assert not report.changed
    assert service(session, "schutz").name == "Sicher schlafen"
    assert service(session, "schutz").description == "Hier bist du sicher."


def test_force_takes_the_files_word(session: Session, content: ContentFolder, now: datetime) -> None:
    load_region(session, content.read(), now=now)
    edit(session, "schutz", now, name="Sicher schlafen")
    report = load_region(session, content.read(), now=now, force=True)
    assert report.changes == (Change("service", "schutz", "changed", ("name",)),)
    assert service(session, "schutz").name == "Schutz"
    assert service(session, "schutz").edited_at is None


def test_an_edited_entry_is_not_removed(session: Session, content: ContentFolder, now: datetime) -> None:
    load_region(session, content.read(), now=now)
    edit(session, "projekt-alt", now, description="Es geht weiter.")
    content.drop("services.yaml", "projekt-alt")
    report = load_region(session, content.read(), now=now)
    assert [change.action for change in report.changes] == ["kept"]
    assert service(session, "projekt-alt").status == Status.PUBLISHED
    report = load_region(session, content.read(), now=now, force=True)
    assert [change.action for change in report.changes] == ["removed"]


def test_locations_and_organizations_of_kept_services_stay(
    session: Session, content: ContentFolder, now: datetime
) -> None:
    load_region(session, content.read(), now=now)
    edit(session, "frauenhaus", now, description="Ruf an.")
    content.drop("services.yaml", "frauenhaus")
    content.drop("locations.yaml", "frauenhaus")
    content.drop("organizations.yaml", "frauenhaus-tal")
    content.entry("services.yaml", "schutz", contact_kinds=["jugendamt_schutz", "gewaltschutz"],
                  desk_for=["jugendamt_schutz", "gewaltschutz"])  # fmt: skip
    report = load_region(session, content.read(), now=now)
    assert {(change.entity, change.action) for change in report.changes} == {
        ("service", "kept"),
        ("service", "changed"),
        ("location", "kept"),
        ("organization", "kept"),
    }
    assert session.get(models.Location, entity_id("tal", "location", "frauenhaus")) is not None


def test_files_that_caught_up_with_an_edit_lead_again(
    session: Session, content: ContentFolder, now: datetime
) -> None:
    load_region(session, content.read(), now=now)
    edit(session, "schutz", now, name="Sicher schlafen")
    content.entry("services.yaml", "schutz", name="Sicher schlafen")
    assert load_region(session, content.read(), now=now).changes == ()
    assert service(session, "schutz").edited_at is None
    content.entry("services.yaml", "schutz", name="Schutz")
    assert load_region(session, content.read(), now=now).changed


def test_entries_made_in_the_admin_pages_are_left_alone(
    session: Session, content: ContentFolder, now: datetime
) -> None:
    load_region(session, content.read(), now=now)
    a_service(session, "neu", topics=("geld",))
    report = load_region(session, content.read(), now=now, force=True)
    assert report.changes == ()
    assert service(session, "neu").status == Status.PUBLISHED


def test_the_revision_names_the_services_that_changed(
    session: Session, content: ContentFolder, now: datetime
) -> None:
    load_region(session, content.read(), now=now)
    assert len(revision.changed_service_ids(session, "tal", since=0) or ()) == 10

    content.entry("services.yaml", "schutz", name="Schutz jetzt")
    load_region(session, content.read(), now=now)
    assert revision.changed_service_ids(session, "tal", since=1) == {service(session, "schutz").id}

    content.entry("locations.yaml", "jobcenter-ober", name="Haus 1")
    load_region(session, content.read(), now=now)
    assert revision.changed_service_ids(session, "tal", since=2) == {service(session, "jobcenter").id}

    content.entry("organizations.yaml", "frauenhaus-tal", name="Frauenhaus")
    load_region(session, content.read(), now=now)
    assert revision.changed_service_ids(session, "tal", since=3) == {service(session, "frauenhaus").id}

    content.edit("taxonomies/topics.yaml", lambda data: data["terms"][0].update(name="Lehre"))
    load_region(session, content.read(), now=now)
    assert revision.changed_service_ids(session, "tal", since=4) == {
        service(session, slug).id for slug in ("berufsberatung", "berufsberatung-waldau", "clearing")
    }

    content.edit("region.yaml", lambda data: data.update(portal_name="Lotse"))
    assert load_region(session, content.read(), now=now).revision == 6
    assert revision.changed_service_ids(session, "tal", since=5) == frozenset()


def test_the_revision_forgets_and_says_so(session: Session, content: ContentFolder, now: datetime) -> None:
    load_region(session, content.read(), now=now)
    id_ = service(session, "schutz").id
    for _ in range(revision.KEPT_REVISIONS + 5):
        revision.bump(session, "tal", [id_], now=now)
    number = revision.current(session, "tal")
    assert revision.changed_service_ids(session, "tal", since=1) is None
    assert revision.changed_service_ids(session, "tal", since=number - 5) == {id_}
    assert revision.changed_service_ids(session, "tal", since=number) == frozenset()
    assert revision.changed_service_ids(session, "tal", since=number + 1) is None, "restored from a backup"
    kept = session.execute(select(func.count()).select_from(table(models.CatalogueChange))).scalar()
    assert kept == revision.KEPT_REVISIONS


def test_shared_terms_tell_every_region(session: Session, content: ContentFolder, now: datetime) -> None:
    a_region(session, "berg")
    load_region(session, content.read(), now=now)
    other = a_service(session, "anderswo", region="berg", topics=("geld",))
    before = revision.current(session, "berg")
    content.edit("taxonomies/topics.yaml", lambda data: data["terms"][3].update(name="Kohle"))
    load_region(session, content.read(), now=now)
    assert revision.changed_service_ids(session, "berg", since=before) == {other.id}


def test_a_term_that_is_still_used_stays(session: Session, content: ContentFolder, now: datetime) -> None:
    load_region(session, content.read(), now=now)
    a_service(session, "eigenes", topics=("jobsuche",))
    content.edit("taxonomies/topics.yaml", lambda data: data["terms"].pop(2))
    report = load_region(session, content.read(), now=now)
    assert report.changes == (Change("taxonomy_term", "topics:jobsuche", "kept", ("still used",)),)
    content.edit("taxonomies/formats.yaml", lambda data: data["terms"].pop(1))
    report = load_region(session, content.read(), now=now)
    assert Change("taxonomy_term", "formats:online", "removed") in report.changes


def test_the_fingerprint_spares_a_load(session: Session, content: ContentFolder, now: datetime) -> None:
    assert not is_loaded(session, content.path, "tal")
    load_region(session, content.read(), now=now)
    assert is_loaded(session, content.path, "tal")
    content.entry("services.yaml", "schutz", name="Schutz jetzt")
    assert not is_loaded(session, content.path, "tal")


def test_load_export_load_is_a_circle(
    session: Session, content: ContentFolder, now: datetime, tmp_path: Path
) -> None:
    original = content.read()
    load_region(session, original, now=now)
    export_region(session, "tal", tmp_path / "out")
    exported = read_region(tmp_path / "out", "tal")
    assert exported.region == original.region
    assert exported.places == original.places
    assert exported.organizations == original.organizations
    assert exported.locations == original.locations
    assert exported.services == original.services
    assert {file.code: file for file in exported.taxonomies.taxonomies} == {
        file.code: file for file in original.taxonomies.taxonomies
    }
    assert load_region(session, exported, now=now).changes == ()


def test_what_was_set_in_the_admin_pages_moves_along(
    session: Session, content: ContentFolder, now: datetime, tmp_path: Path
) -> None:
    load_region(session, content.read(), now=now)
    editing.set_review(session, "tal", "jobcenter", days=45, due=date(2027, 3, 1))
    full = service(session, "reden")
    full.capacity, full.capacity_until, full.capacity_at = "full", date(2027, 1, 31), now
    region_settings.save(session, "tal", {"portal_name": "Talwärts"}, now=now)
    logo = '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 9 9"><path d="M0 0h9v9z"/></svg>'
    region_settings.set_logo(session, "tal", logo.encode(), now=now)
    region_settings.add_word(session, "tal", "arbeit", "de", "maloche", now=now)
    case = region_settings.TriedCase("Ein Fall", {"who": ("me",)}, "jobcenter")
    region_settings.save_case(session, "tal", case, now=now)
    region_settings.reword(
        session, "tal", "Wie alt bist du?", "Dein Alter?", seen=0, author_id=None, author_name="Kim", now=now
    )
    session.add(
        models.FormerAddress(
            region="tal",
            entity="service",
            slug="altes-amt",
            entity_id=entity_id("tal", "service", "jobcenter"),
        )
    )
    session.flush()
    export_region(session, "tal", tmp_path / "out")
    before = upkeep.stored(session, "tal")
    settings = region_settings.merged(
        session.get_one(models.Region, "tal").settings, region_settings.stored_overrides(session, "tal")
    )
    with_it = read_region(tmp_path / "out", "tal")
    assert with_it.upkeep == before
    assert with_it.region == settings and settings.portal_name == "Talwärts"

    session.execute(delete(models.Region).where(col(models.Region.slug) == "tal"))
    session.flush()
    session.expire_all()
    load_region(session, with_it, now=now)
    assert upkeep.stored(session, "tal") == before
    assert moved_to(session, "tal", "service", "altes-amt") == "jobcenter"
    assert service(session, "reden").capacity == "full"
    editing.set_review(session, "tal", "jobcenter", days=None, due=None)
    load_region(session, with_it, now=now)
    assert upkeep.stored(session, "tal").reviews == (), "only the first time"
    load_region(session, with_it, now=now, force=True)
    assert upkeep.stored(session, "tal") == before


def test_what_was_set_for_an_offer_that_is_not_there_is_named(content: ContentFolder) -> None:
    (content.region / "upkeep.yaml").write_text(
        "reviews:\n- service: nirgends\n  days: 30\n", encoding="utf-8"
    )
    with pytest.raises(ContentError, match=r"upkeep.yaml.*nirgends"):
        content.read()


@pytest.mark.parametrize("slug", region_slugs(shipped_content()))
def test_every_shipped_region_goes_round(session: Session, slug: str, now: datetime, tmp_path: Path) -> None:
    original = read_region(shipped_content(), slug)
    load_region(session, original, now=now)
    export_region(session, slug, tmp_path)
    exported = read_region(tmp_path, slug)
    assert exported.services == original.services
    assert load_region(session, exported, now=now).changes == ()


def test_translations_go_round_with_their_status(
    session: Session, content: ContentFolder, now: datetime, tmp_path: Path
) -> None:
    content.edit("translations/en.yaml", lambda data: data.update(default_status="machine"))
    load_region(session, content.read(), now=now)
    assert translation(session, "jobcenter", "name").status == "machine"
    assert translation(session, "jobcenter", "description").status == "checked"
    export_region(session, "tal", tmp_path / "out")
    data = yaml.safe_load((tmp_path / "out/regions/tal/translations/en.yaml").read_text(encoding="utf-8"))
    assert data["default_status"] == "machine"
    assert "status" not in data["services"]["jobcenter"]["name"]
    assert load_region(session, read_region(tmp_path / "out", "tal"), now=now).changes == ()


def test_an_export_leaves_out_what_is_archived_and_stale(
    session: Session, content: ContentFolder, now: datetime
) -> None:
    load_region(session, content.read(), now=now)
    for slug in ("notruf", "reden", "projekt-alt"):
        service(session, slug).status = Status.ARCHIVED
    session.flush()
    written = export_region(session, "tal", content.path)
    assert not (content.region / "helplines.yaml").exists()
    assert content.region / "services.yaml" in written
    assert "projekt-alt" not in (content.region / "services.yaml").read_text(encoding="utf-8")


def test_an_export_never_writes_outside_of_its_folder(
    session: Session, content: ContentFolder, now: datetime, tmp_path: Path
) -> None:
    load_region(session, content.read(), now=now)
    service(session, "schutz").content_file = "../../../evil.yaml"
    session.flush()
    with pytest.raises(Exception, match="no file for services"):
        export_region(session, "tal", tmp_path / "out")


def test_an_unknown_region_cannot_be_exported(session: Session, tmp_path: Path) -> None:
    with pytest.raises(UnknownRegion):
        export_region(session, "nowhere", tmp_path)


def test_texts_of_every_shape_survive_the_export(
    session: Session, content: ContentFolder, now: datetime, tmp_path: Path
) -> None:
    odd = (
        "Erste Zeile: mit Doppelpunkt # und Raute.\nZweite Zeile 'mit' \"Zeichen\" – مرحبا 👋 " + "lang " * 60
    )
    content.entry(
        "services.yaml", "schutz", description=odd.strip(), name="yes", application_process="- 12:30"
    )
    load_region(session, content.read(), now=now)
    export_region(session, "tal", tmp_path / "out")
    exported = {entry.slug: entry for entry in read_region(tmp_path / "out", "tal").services}["schutz"]
    assert (exported.description, exported.name, exported.application_process) == (
        odd.strip(),
        "yes",
        "- 12:30",
    )


def test_no_export_has_an_address_of_a_shelter(
    session: Session, content: ContentFolder, now: datetime, tmp_path: Path
) -> None:
    load_region(session, content.read(), now=now)
    shelter = entity_id("tal", "location", "frauenhaus")
    session.add(
        models.Address(
            id=entity_id("tal", "address", "mistake"),
            location_id=shelter,
            address_1="Geheime Gasse 7",
            postal_code="00101",
            city="Oberstadt",
            state_province="Sachsen-Anhalt",
        )
    )
    session.flush()
    for path in export_region(session, "tal", tmp_path / "out"):
        assert "Geheime Gasse" not in path.read_text(encoding="utf-8")
    (exported,) = (
        entry for entry in read_region(tmp_path / "out", "tal").locations if entry.slug == "frauenhaus"
    )
    assert exported.confidential
    assert exported.address is None


def test_the_database_refuses_coordinates_of_a_shelter(
    session: Session, content: ContentFolder, now: datetime
) -> None:
    load_region(session, content.read(), now=now)
    shelter = session.get(models.Location, entity_id("tal", "location", "frauenhaus"))
    assert shelter is not None
    shelter.latitude = 51.9
    with pytest.raises(Exception, match="ck_location_confidential"):
        session.flush()


def translation(session: Session, slug: str, field: str) -> models.Translation:
    found = session.execute(
        select(models.Translation).where(
            table(models.Translation).c.entity_id == entity_id("tal", "service", slug),
            table(models.Translation).c.field == field,
        )
    ).scalar_one()
    assert isinstance(found, models.Translation)
    return found


def test_an_unstamped_translation_remembers_what_it_was_made_from(
    session: Session, content: ContentFolder, now: datetime
) -> None:
    load_region(session, content.read(), now=now)
    stamped = translation(session, "jobcenter", "name").source_hash
    assert stamped == revision.text_hash("Geld und Arbeit")
    content.entry("services.yaml", "jobcenter", name="Geld, Arbeit und mehr")
    report = load_region(session, content.read(), now=now)
    assert report.changes == (Change("service", "jobcenter", "changed", ("name",)),)
    assert translation(session, "jobcenter", "name").source_hash == stamped, "it is outdated now"

    def translate(data: object) -> None:
        data["services"]["jobcenter"]["name"]["text"] = "Money, work and more"  # type: ignore[index]

    content.edit("translations/en.yaml", translate)
    load_region(session, content.read(), now=now)
    assert translation(session, "jobcenter", "name").source_hash == revision.text_hash(
        "Geld, Arbeit und mehr"
    )


def test_a_translation_that_was_edited_here_stays(
    session: Session, content: ContentFolder, now: datetime
) -> None:
    load_region(session, content.read(), now=now)
    edited = translation(session, "jobcenter", "name")
    edited.text, edited.edited_at = "Money & jobs", now
    session.flush()
    report = load_region(session, content.read(), now=now)
    assert report.changes == (Change("translation", "en:service:jobcenter", "kept", ("name",)),)
    load_region(session, content.read(), now=now, force=True)
    assert translation(session, "jobcenter", "name").text == "Money and work"


def test_a_translation_that_left_the_file_goes(
    session: Session, content: ContentFolder, now: datetime
) -> None:
    load_region(session, content.read(), now=now)
    content.edit("translations/en.yaml", lambda data: data["services"]["jobcenter"].pop("name"))
    report = load_region(session, content.read(), now=now)
    assert report.changes == (Change("translation", "en:service:jobcenter", "removed", ("name",)),)
    assert revision.changed_service_ids(session, "tal", since=1) == {service(session, "jobcenter").id}


def test_stamping_fills_only_what_is_missing_and_keeps_the_file(content: ContentFolder) -> None:
    path = content.region / "translations" / "en.yaml"
    path.write_text("# Reviewed on paper.\n" + path.read_text(encoding="utf-8"), encoding="utf-8")
    assert stamp_translations(path) == 6
    text = path.read_text(encoding="utf-8")
    assert text.startswith("# Reviewed on paper.\n")
    data = yaml.safe_load(text)
    assert data["services"]["jobcenter"]["name"]["source_hash"] == revision.text_hash("Geld und Arbeit")
    assert data["services"]["jobcenter"]["description"]["status"] == "checked"
    assert data["locations"]["jobcenter-ober"]["transportation"]["source_hash"] == "000000000000"
    assert stamp_translations(path) == 0
    assert stamp_content(content.path, "tal") == [
        (content.path / "taxonomies" / "translations" / "en.yaml", 2),
        (path, 0),
    ]
    content.read()


def test_outdated_translations_are_found_in_the_files(content: ContentFolder) -> None:
    stamp_translations(content.region / "translations" / "en.yaml")
    assert [(old.entry, old.field) for old in outdated_translations(content.read())] == [
        ("jobcenter-ober", "transportation")
    ]
    content.entry("services.yaml", "jobcenter", description="Hier  bekommst du Geld,\nwenn du keines hast.")
    assert len(outdated_translations(content.read())) == 1, "white space is no change"
    content.entry("services.yaml", "jobcenter", description="Hier bekommst du Geld.")
    assert len(outdated_translations(content.read())) == 2
