"""Records to rows. Dependent rows are not compared but replaced; their ids follow from what they say."""

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import delete, insert, update
from sqlmodel import Session, SQLModel

from portal.catalogue import models
from portal.catalogue.models import entity_id, term_id
from portal.catalogue.records import (
    LocationRecord,
    OrganizationRecord,
    PhoneRecord,
    PlaceRecord,
    Provenance,
    ScheduleRecord,
    ServiceRecord,
    TermRecord,
)
from portal.catalogue.rows import table
from portal.catalogue.vocabulary import TERM_FIELDS

_CHUNK = 500
_ORDER = (
    models.Taxonomy,
    models.TaxonomyTerm,
    models.Organization,
    models.Location,
    models.Service,
    models.ServiceAtLocation,
    models.Contact,
    models.Phone,
    models.Address,
    models.Accessibility,
    models.Schedule,
    models.ServiceArea,
    models.Language,
    models.CostOption,
    models.RequiredDocument,
    models.Attribute,
    models.Place,
    models.Locality,
    models.Translation,
)

Values = dict[str, Any]


class Batch:
    """Rows to write for one region, collected and then written table by table."""

    def __init__(self, region: str, state_province: str, *, now: datetime) -> None:
        self.region = region
        self._state_province = state_province
        self._now = now
        self._rows: dict[type[SQLModel], list[Values]] = {model: [] for model in _ORDER}
        self._updates: dict[type[SQLModel], list[Values]] = {model: [] for model in _ORDER}
        self._owners: dict[str, list[UUID]] = {"organization": [], "location": [], "service": [], "place": []}
        self._seen: Counter[str] = Counter()

    def organization(
        self, record: OrganizationRecord, *, position: int, loaded_hash: str | None, exists: bool
    ) -> None:
        id_ = entity_id(self.region, "organization", record.slug)
        parent = record.parent_organization
        self._main(
            models.Organization,
            exists,
            id=id_,
            slug=record.slug,
            name=record.name,
            alternate_name=record.alternate_name,
            description=record.description,
            kind=record.kind,
            # Parents may come later in the file, so a row begins without and is then updated.
            parent_organization_id=None,
            legal_status=record.legal_status,
            website=record.website,
            email=record.email,
            status=record.status,
            confidential=record.confidential,
            position=position,
            loaded_hash=loaded_hash,
            **_provenance(record.source),
            confidence=record.confidence.value,
            assured_date=record.assured_date,
        )
        if parent:
            self._updates[models.Organization].append(
                {"id": id_, "parent_organization_id": entity_id(self.region, "organization", parent)}
            )
        self._owners["organization"].append(id_)
        self._phones(f"organization:{record.slug}", {"organization_id": id_}, record.phones)

    def location(
        self, record: LocationRecord, *, position: int, loaded_hash: str | None, exists: bool
    ) -> None:
        id_ = entity_id(self.region, "location", record.slug)
        key = f"location:{record.slug}"
        self._main(
            models.Location,
            exists,
            id=id_,
            organization_id=entity_id(self.region, "organization", record.organization),
            slug=record.slug,
            name=record.name,
            location_type=record.location_type,
            latitude=record.latitude,
            longitude=record.longitude,
            place=record.place,
            transportation=record.transportation,
            confidential=record.confidential,
            position=position,
            loaded_hash=loaded_hash,
            **_provenance(record.source),
            confidence=record.confidence.value,
            assured_date=record.assured_date,
        )
        self._owners["location"].append(id_)
        if record.address:
            self._add(
                models.Address,
                key,
                location_id=id_,
                attention=record.address.attention,
                address_1=record.address.address_1,
                postal_code=record.address.postal_code,
                city=record.address.city,
                state_province=self._state_province,
                country="DE",
                address_type=record.location_type,
            )
        for index, item in enumerate(record.accessibility):
            self._add(
                models.Accessibility,
                f"{key}:{item.description}",
                location_id=id_,
                description=item.description,
                details=item.details,
                position=index,
            )
        self._phones(key, {"location_id": id_}, record.phones)
        self._schedules(key, {"location_id": id_}, record.schedules)
        self._languages(key, {"location_id": id_}, record.languages)

    def service(
        self,
        record: ServiceRecord,
        *,
        position: int,
        loaded_hash: str,
        exists: bool,
        content_file: str | None,
    ) -> None:
        id_ = entity_id(self.region, "service", record.slug)
        key = f"service:{record.slug}"
        self._main(
            models.Service,
            exists,
            id=id_,
            organization_id=entity_id(self.region, "organization", record.organization),
            slug=record.slug,
            name=record.name,
            alternate_name=record.alternate_name,
            description=record.description,
            application_process=record.application_process,
            status=record.status,
            legal_text=record.legal_text,
            minimum_age=record.minimum_age,
            maximum_age=record.maximum_age,
            eligibility_description=record.eligibility_description,
            interpretation_services=record.interpretation_services,
            expectations=list(record.expectations),
            url=record.url,
            email=record.email,
            valid_from=record.valid_from,
            valid_to=record.valid_to,
            content_file=content_file,
            position=position,
            loaded_hash=loaded_hash,
            **_provenance(record.source),
            confidence=record.confidence.value,
            assured_date=record.assured_date,
        )
        self._owners["service"].append(id_)
        owner = {"service_id": id_}
        for field, taxonomy in TERM_FIELDS.items():
            for index, code in enumerate(getattr(record, field)):
                self._add(
                    models.Attribute,
                    f"{key}:{field}:{code}",
                    link_entity="service",
                    link_id=id_,
                    link_type=field,
                    taxonomy_term_id=term_id(taxonomy, code),
                    position=index,
                )
        self._add(
            models.CostOption,
            key,
            service_id=id_,
            option=record.cost.option,
            amount_description=record.cost.amount_description,
        )
        for index, document in enumerate(record.required_documents):
            self._add(
                models.RequiredDocument,
                f"{key}:{document}",
                service_id=id_,
                document=document,
                position=index,
            )
        self._phones(key, owner, record.phones)
        self._schedules(key, owner, record.schedules)
        self._languages(key, owner, record.languages)
        self._areas(key, owner, record.service_areas)
        for index, contact in enumerate(record.contacts):
            naming = contact.email or contact.title or contact.department or contact.name or ""
            contact_id = self._add(
                models.Contact,
                f"{key}:{naming}",
                service_id=id_,
                name=contact.name,
                title=contact.title,
                department=contact.department,
                email=contact.email,
                position=index,
            )
            self._phones(f"{key}:contact:{naming}", {"contact_id": contact_id}, contact.phones)
        for index, at in enumerate(record.locations):
            at_key = f"{key}:{at.location}"
            at_id = self._add(
                models.ServiceAtLocation,
                at_key,
                service_id=id_,
                location_id=entity_id(self.region, "location", at.location),
                description=at.description,
                position=index,
            )
            at_owner = {"service_at_location_id": at_id}
            self._phones(at_key, at_owner, at.phones)
            self._schedules(at_key, at_owner, at.schedules)
            self._areas(at_key, at_owner, at.service_areas)

    def place(self, record: PlaceRecord, *, position: int, exists: bool) -> None:
        id_ = entity_id(self.region, "place", record.ags)
        values = record.model_dump(mode="json", exclude={"localities"})
        self._row(models.Place, exists, {"id": id_, "region": self.region, "position": position, **values})
        self._owners["place"].append(id_)
        for index, locality in enumerate(record.localities):
            self._add(
                models.Locality,
                f"{record.ags}:{locality.postal_code}:{locality.name}",
                place_id=id_,
                position=index,
                **locality.model_dump(mode="json"),
            )

    def term(
        self, taxonomy: str, record: TermRecord, *, position: int, loaded_hash: str | None, exists: bool
    ) -> None:
        id_ = term_id(taxonomy, record.code)
        values = record.model_dump(mode="json", exclude={"parent"})
        row = {
            "id": id_,
            "taxonomy_id": models.taxonomy_id(taxonomy),
            "parent_id": None,
            "position": position,
            "loaded_hash": loaded_hash,
            "edited_at": None,
            "last_modified": self._now,
            **values,
        }
        self._row(models.TaxonomyTerm, exists, row)
        if record.parent:
            self._updates[models.TaxonomyTerm].append(
                {"id": id_, "parent_id": term_id(taxonomy, record.parent)}
            )

    def taxonomy(self, code: str, name: str, description: str, *, exists: bool) -> None:
        values = {"id": models.taxonomy_id(code), "code": code, "name": name, "description": description}
        self._row(models.Taxonomy, exists, values)

    def translation(self, *, exists: bool, **values: Any) -> None:
        self._row(
            models.Translation,
            exists,
            {"region": self.region, "edited_at": None, "last_modified": self._now, **values},
        )

    def reposition(self, model: type[SQLModel], id_: UUID, position: int) -> None:
        """Only the order in the files changed."""
        self._updates[model].append({"id": id_, "position": position})

    def settle(self, model: type[SQLModel], id_: UUID, loaded_hash: str) -> None:
        """The files now say what a coordinator had written here, so files and row agree again."""
        self._updates[model].append({"id": id_, "loaded_hash": loaded_hash, "edited_at": None})

    def set_status(self, model: type[SQLModel], id_: UUID, status: models.Status) -> None:
        self._updates[model].append({"id": id_, "status": status.value, "last_modified": self._now})

    def write(self, session: Session) -> None:
        session.flush()
        self._clear(session)
        for model in _ORDER:
            if rows := self._rows[model]:
                session.execute(insert(table(model)), rows)  # type: ignore[arg-type]
            for values in self._updates[model]:
                changed = {key: value for key, value in values.items() if key != "id"}
                target: Any = table(model)
                session.execute(update(target).where(target.c.id == values["id"]).values(**changed))
        session.expire_all()

    def _clear(self, session: Session) -> None:
        """Remove what hangs on the objects that are about to be written; most of it cascades."""
        for model, column, owners in (
            (models.Phone, "organization_id", "organization"),
            (models.Address, "location_id", "location"),
            (models.Accessibility, "location_id", "location"),
            (models.Phone, "location_id", "location"),
            (models.Schedule, "location_id", "location"),
            (models.Language, "location_id", "location"),
            (models.Attribute, "link_id", "service"),
            (models.CostOption, "service_id", "service"),
            (models.RequiredDocument, "service_id", "service"),
            (models.Phone, "service_id", "service"),
            (models.Schedule, "service_id", "service"),
            (models.Language, "service_id", "service"),
            (models.ServiceArea, "service_id", "service"),
            (models.Contact, "service_id", "service"),
            (models.ServiceAtLocation, "service_id", "service"),
            (models.Locality, "place_id", "place"),
        ):
            delete_where(session, model, column, self._owners[owners])

    def _main(self, model: type[SQLModel], exists: bool, **values: Any) -> None:
        common = {"region": self.region, "edited_at": None, "last_modified": self._now}
        self._row(model, exists, {**common, **values})

    def _row(self, model: type[SQLModel], exists: bool, values: Values) -> None:
        (self._updates if exists else self._rows)[model].append(values)

    def _add(self, model: type[SQLModel], key: str, **values: Any) -> UUID:
        name = str(model.__tablename__)
        self._seen[f"{name}:{key}"] += 1
        # The same thing twice under one owner is odd, but must not break on its id.
        times = self._seen[f"{name}:{key}"]
        id_ = entity_id(self.region, name, key if times == 1 else f"{key}#{times}")
        self._rows[model].append({"id": id_, **values})
        return id_

    def _phones(self, key: str, owner: Values, phones: Sequence[PhoneRecord]) -> None:
        owners: Values = dict.fromkeys(
            ("organization_id", "location_id", "service_id", "service_at_location_id", "contact_id")
        )
        for index, phone in enumerate(phones):
            phone_key = f"{key}:{phone.type}:{phone.number}"
            id_ = self._add(
                models.Phone,
                phone_key,
                **{**owners, **owner},
                number=phone.number,
                type=phone.type,
                description=phone.description,
                position=index,
            )
            self._languages(f"phone:{phone_key}", {"phone_id": id_}, phone.languages)

    def _schedules(self, key: str, owner: Values, schedules: Sequence[ScheduleRecord]) -> None:
        owners: Values = dict.fromkeys(("location_id", "service_id", "service_at_location_id"))
        for index, schedule in enumerate(schedules):
            self._add(
                models.Schedule,
                f"{key}:{schedule.channel}:{schedule.opening_hours}",
                **{**owners, **owner},
                opening_hours=schedule.opening_hours,
                channel=schedule.channel,
                description=schedule.description,
                position=index,
            )

    def _languages(self, key: str, owner: Values, languages: Iterable[str]) -> None:
        owners: Values = dict.fromkeys(("location_id", "service_id", "phone_id"))
        for index, code in enumerate(languages):
            self._add(models.Language, f"{key}:{code}", **{**owners, **owner}, code=code, position=index)

    def _areas(self, key: str, owner: Values, areas: Iterable[str]) -> None:
        owners: Values = dict.fromkeys(("service_id", "service_at_location_id"))
        for index, area in enumerate(areas):
            self._add(models.ServiceArea, f"{key}:{area}", **{**owners, **owner}, area=area, position=index)


def _provenance(source: Provenance | None) -> Values:
    source = source or Provenance()
    return {
        "source_url": source.url,
        "source_name": source.name,
        "source_date": source.date,
        "source_note": source.note,
    }


def delete_where(session: Session, model: type[SQLModel], column: str, ids: Sequence[UUID]) -> None:
    target: Any = table(model)
    for start in range(0, len(ids), _CHUNK):
        session.execute(delete(target).where(target.c[column].in_(ids[start : start + _CHUNK])))
