"""A catalogue in which something waits on every admin page, and addresses for every endpoint, also for new ones."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from uuid import UUID

from flask import Flask
from sqlmodel import Session, select
from werkzeug.routing import Rule

from portal.accounts.models import Passkey, User
from portal.catalogue import duplicates, editing, importing, proposals, reports
from portal.catalogue.importing import KeptFiles
from portal.catalogue.models import Status, VisitorReport, entity_id
from portal.catalogue.queries import ServiceView
from portal.web.application import Portal
from tests.web.admin.test_matrix import MATRIX, example

CSV = "name;organization;description\n{name};{organization};Kommt aus einer Tabelle.\n"


@dataclass
class Ground:
    """`values` are the parts of addresses: those of an endpoint win over those of all."""

    portal: Portal
    service: ServiceView
    user: User
    values: dict[str, Any] = field(default_factory=dict)
    of_endpoint: dict[str, dict[str, Any]] = field(default_factory=dict)

    def address(self, app: Flask, rule: Rule) -> str:
        row = MATRIX.get(rule.endpoint)
        given = {
            **example(self.portal),
            **(row.values(self.portal) if row else {}),
            **self.values,
            **self.of_endpoint.get(rule.endpoint, {}),
        }
        missing = set(rule.arguments) - given.keys()
        assert not missing, f"tests/web/admin/ground.py does not know {missing} of {rule.endpoint}"
        with app.test_request_context("/admin/"):
            return app.url_map.bind("localhost").build(
                rule.endpoint, {name: given[name] for name in rule.arguments}
            )


def all_rules(app: Flask, method: str) -> Iterator[Rule]:
    """Of the map itself, so that no list has to be kept."""
    for rule in sorted(app.url_map.iter_rules(), key=lambda rule: rule.rule):
        if method in (rule.methods or ()):
            yield rule


def furnish(
    portal: Portal,
    session: Session,
    user: User,
    *,
    service: ServiceView | None = None,
    texts: Mapping[str, Any] | None = None,
) -> Ground:
    """Two versions, a proposal, a report, a passkey, an uploaded table, a draft, an archived offer.

    `user` is whose table and passkey they are; `texts` stand in what visitors and editors wrote.
    """
    texts = {"report": "Es ist die 12.", "comment": "Ab Januar", "description": "Neu.", **(texts or {})}
    region, now = portal.region.slug, portal.now()
    services = [one for one in portal.catalogue.services() if one.slug != portal.region.clearing_desk]
    chosen = service or next(one for one in services if one.locations and one.phones)
    _two_versions(session, region, chosen, user, now, texts)
    base = editing.entry(session, region, "service", chosen.slug)
    organization_id = entity_id(region, "organization", chosen.organization.slug)
    proposal = proposals.propose(
        session, region, "service", base.record.model_copy(update={"description": str(texts["description"])}),
        base=base, author=user, now=now, organization_id=organization_id, comment=str(texts["comment"]),
    )  # fmt: skip
    reports.report(session, base.row, "phone", str(texts["report"]), language="de", day=now.date())
    report = session.exec(select(VisitorReport)).all()[-1]
    passkey = Passkey(
        user_id=user.id, name="Laptop", credential_id=b"x" * 16, public_key=b"y" * 32, sign_count=0, created_at=now
    )  # fmt: skip
    session.add(passkey)
    archived = [one for one in services if one.slug != chosen.slug][-1]
    editing.set_status(session, region, "service", archived.slug, Status.ARCHIVED, author=user, now=now)
    session.commit()
    portal.catalogue.refresh()
    others = [one.slug for one in services if one.slug not in (chosen.slug, archived.slug)]
    return Ground(
        portal,
        chosen,
        user,
        {
            "slug": chosen.slug,
            "proposal_id": proposal.id,
            "report_id": report.id,
            "passkey_id": passkey.id,
            "number": 2,
            "token": an_upload(portal, user, chosen.organization.slug),
            "left": chosen.slug,
            "right": others[0],
            **_key(session, region),
        },
        {
            "admin.edit_organization": {"slug": chosen.organization.slug},
            **({"admin.edit_location": {"slug": chosen.locations[0].slug}} if chosen.locations else {}),
            "admin.put_back": {"slug": archived.slug},
            "admin.reset": {"token": "never-sent"},
            "admin.invitation": {"token": "never-sent"},
        },
    )


def _key(session: Session, region: str) -> dict[str, str]:
    found = duplicates.shared_contacts(session, region)
    return {"key": found[0].key} if found else {}


def _two_versions(
    session: Session, region: str, service: ServiceView, user: User, now: Any, texts: Mapping[str, Any]
) -> None:
    for number, description in enumerate(("Zweiter Text.", str(texts["description"]) + " Dritter Text.")):
        current = editing.entry(session, region, "service", service.slug)
        editing.save(
            session, region, "service", current.record.model_copy(update={"description": description}),
            base_hash=current.hash, author=user, now=now + timedelta(minutes=number), comment=str(texts["comment"]),
        )  # fmt: skip


def an_upload(portal: Portal, user: User, organization: str, *, name: str = "Neues Angebot", file: str = "liste.csv") -> str:  # fmt: skip
    """A table that waits for its columns and its dry run; gives the token of its pages."""
    data = CSV.format(name=name, organization=organization).encode()
    files = KeptFiles(portal.settings.data_dir / "imports")
    owner = UUID(str(user.id))
    token = files.put(owner, file, data, now=portal.now())
    kept = files.get(owner, token, now=portal.now())
    assert kept is not None
    (sheet,) = importing.read_file(file, data)
    guessed = importing.guessed(sheet, {}, "service")
    files.note(owner, kept, mappings=[[guessed.entity, list(guessed.fields)]])
    return token
