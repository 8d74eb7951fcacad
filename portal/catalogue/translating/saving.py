"""Writing translations: checked, with what was there before kept, and so that pages and search notice at once.

Functions flush, the caller commits.
"""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlmodel import Session, col

from portal.catalogue import models, revision
from portal.catalogue.editing import Author, lock
from portal.catalogue.models import EntryVersion, Translation
from portal.catalogue.reading import CatalogueError
from portal.catalogue.rows import table
from portal.catalogue.translating.figures import mismatch
from portal.catalogue.translating.texts import (
    HISTORY,
    Item,
    Subject,
    subject,
    translation_id,
)

LONGEST = 2000
"""As in the content files."""


@dataclass(frozen=True, slots=True)
class Problem:
    """`code` is conflict, figures, too_long or gone."""

    code: str
    values: Mapping[str, Any] = field(default_factory=dict)


class Refused(CatalogueError):
    """Nothing was saved; `problems` says why for each field."""

    def __init__(self, problems: Mapping[str, Problem]) -> None:
        self.problems = dict(problems)
        super().__init__("; ".join(f"{name}: {problem.code}" for name, problem in problems.items()))


@dataclass(frozen=True, slots=True)
class Wish:
    """What one field shall say. An empty text takes the translation away: the public sees German then."""

    field: str
    text: str
    checked: bool
    """A person has compared it with the German text."""
    seen: str
    """`Item.seen` of the state the author saw."""


@dataclass(frozen=True, slots=True)
class Target:
    """A text and state to write."""

    field: str
    text: str
    status: str


def tidy(text: str) -> str:
    """Line ends as everywhere, nothing around it."""
    return text.replace("\r\n", "\n").replace("\r", "\n").strip()


def save(
    session: Session,
    region: str,
    entity: str,
    slug: str,
    language: str,
    wishes: Sequence[Wish],
    *,
    author: Author | None,
    now: datetime,
) -> tuple[str, ...]:
    """Write what the wishes change; returns those fields. All of them or none.

    A text that stays as it is and is not checked keeps its state: a machine's draft does not become a person's by
    standing in a form. What says other numbers than the German text is refused.

    Raises UnknownText, Refused.
    """
    lock(session, region)
    found = subject(session, region, entity, slug)
    problems: dict[str, Problem] = {}
    targets = []
    for wish in wishes:
        if wish.field not in found.german:
            problems[wish.field] = Problem("gone")
            continue
        item = found.item(language, wish.field)
        target = _target(item, wish)
        if target is None:
            continue
        problem = (
            Problem("conflict", {"text": item.text, "german": item.german})
            if wish.seen != item.seen
            else text_problem(item.german, target, language)
        )
        if problem is not None:
            problems[wish.field] = problem
        else:
            targets.append(target)
    if problems:
        raise Refused(problems)
    changed = put(session, region, found, language, targets, author=author, now=now, cause="edited")
    if changed:
        announce(session, region, [found], now=now)
    return changed


def _target(item: Item, wish: Wish) -> Target | None:
    """None when the wish changes nothing."""
    text = tidy(wish.text)
    same = text == item.text
    if not text and not item.text:
        return None
    if not text:
        return Target(item.field, "", "")
    if wish.checked:
        return None if same and item.state == "checked" else Target(item.field, text, "checked")
    if not same or item.state == "checked":
        return Target(item.field, text, "unchecked")
    return None


def text_problem(german: str, target: Target, language: str) -> Problem | None:
    if len(target.text) > LONGEST:
        return Problem("too_long", {"most": LONGEST})
    return figures_problem(german, target.text, language) if target.text else None


def figures_problem(german: str, text: str, language: str) -> Problem | None:
    found = mismatch(german, text, language)
    return Problem("figures", {"missing": found.missing, "extra": found.extra}) if found else None


def put(
    session: Session,
    region: str,
    found: Subject,
    language: str,
    targets: Iterable[Target],
    *,
    author: Author | None,
    now: datetime,
    cause: str,
) -> tuple[str, ...]:
    """Write without asking; returns the fields. The caller announces what changed."""
    changed = []
    rows = {
        row.field: row
        for row in session.execute(
            select(Translation).where(
                col(Translation.entity_id) == found.id, col(Translation.language) == language
            )
        ).scalars()
    }
    for target in targets:
        row = rows.get(target.field)
        if row is not None:
            _remember(session, region, found, row, cause="before", author=None, at=row.last_modified)
        if not target.text:
            if row is None:
                continue
            _remember(session, region, found, row, cause="archived", author=author, at=now)
            session.delete(row)
            changed.append(target.field)
            continue
        if row is None:
            row = Translation(
                id=translation_id(found.id, target.field, language),
                region=None if found.entity == "taxonomy_term" else region,
                entity=found.entity,
                entity_id=found.id,
                field=target.field,
                language=language,
                text=target.text,
                source_hash="",
                last_modified=now,
            )
        row.text, row.status = target.text, target.status
        row.source_hash = revision.text_hash(found.german[target.field])
        row.edited_at = row.last_modified = now
        session.add(row)
        _remember(session, region, found, row, cause=cause, author=author, at=now)
        changed.append(target.field)
    session.flush()
    return tuple(changed)


def _remember(
    session: Session,
    region: str,
    found: Subject,
    row: Translation,
    *,
    cause: str,
    author: Author | None,
    at: datetime,
) -> None:
    """Keep what the translation says, unless the newest version says just that."""
    record = {
        "language": row.language,
        "field": row.field,
        "text": row.text,
        "status": row.status,
        "source_hash": row.source_hash,
    }
    hash_ = hashlib.sha256(repr(sorted(record.items())).encode()).hexdigest()
    # Not the row's own id: after it was taken away, its history is still to be found.
    id_ = translation_id(found.id, row.field, row.language)
    newest = session.execute(
        select(EntryVersion)
        .where(col(EntryVersion.entity_id) == id_)
        .order_by(col(EntryVersion.number).desc())
        .limit(1)
    ).scalar()
    if cause == "before" and newest is not None and newest.record_hash == hash_:
        return
    session.add(
        EntryVersion(
            region=region,
            entity=HISTORY,
            entity_id=id_,
            slug=found.slug,
            number=newest.number + 1 if newest else 1,
            record=record,
            record_hash=hash_,
            status=row.status,
            cause="loaded" if cause == "before" and newest is not None else cause,
            fields=["text"],
            at=at,
            author_id=author.id if author else None,
            author_name=author.name if author else "",
        )
    )
    session.flush()


def announce(session: Session, region: str, changed: Iterable[Subject], *, now: datetime) -> None:
    """Give the region a new revision, so that caches and the search index notice; terms touch all regions."""
    ids: dict[str, list[UUID]] = {"service": [], "organization": [], "location": [], "taxonomy_term": []}
    for found in changed:
        ids[found.entity].append(found.id)
    service, at = table(models.Service), table(models.ServiceAtLocation)
    touched = set(ids["service"])
    for owners, statement, column in (
        (ids["organization"], select(service.c.id), service.c.organization_id),
        (ids["location"], select(at.c.service_id), at.c.location_id),
    ):
        for start in range(0, len(owners), 500):
            touched |= set(
                session.execute(statement.where(column.in_(owners[start : start + 500]))).scalars()
            )
    if not ids["taxonomy_term"]:
        revision.bump(session, region, touched, now=now)
        return
    attribute = table(models.Attribute)
    tagged: dict[str, set[UUID]] = {
        slug: set() for slug in session.execute(select(table(models.Region).c.slug)).scalars()
    }
    for start in range(0, len(ids["taxonomy_term"]), 500):
        for row in session.execute(
            select(service.c.region, service.c.id)
            .join(attribute, attribute.c.link_id == service.c.id)
            .where(attribute.c.taxonomy_term_id.in_(ids["taxonomy_term"][start : start + 500]))
        ):
            tagged[row.region].add(row.id)
    for slug, services in tagged.items():
        revision.bump(session, slug, services | (touched if slug == region else set()), now=now)
