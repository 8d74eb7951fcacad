"""Which offers lack a translation, or have one whose German text has changed since.

A hash cannot be compared in SQL, so what lacks is kept in memory and follows the catalogue's revision.
"""

import threading
from collections import defaultdict
from collections.abc import Collection, Sequence
from uuid import UUID

from sqlalchemy import select
from sqlmodel import Session

from portal.catalogue import models, revision
from portal.catalogue.models import Status
from portal.catalogue.rows import table

TRANSLATED = (
    "name", "alternate_name", "description", "application_process", "eligibility_description",
    "interpretation_services",
)  # fmt: skip
"""Columns of an offer that are translated; lists and costs come on top."""
MISSING, OUTDATED = "missing-", "outdated-"
"""Before a language: offers without a translation, or with one whose German text has changed since."""

_service = table(models.Service)


class TranslationGaps:
    """Which offers lack texts in a language, or have outdated ones.

    Read once in full, which takes some tenths of a second for thousands of offers, and then only what changed.
    """

    def __init__(self, region: str, languages: Collection[str]) -> None:
        self._region = region
        self._languages = tuple(languages)
        self._revision = -1
        self._gaps: dict[str, set[UUID]] = {}
        self._lock = threading.Lock()

    @property
    def languages(self) -> tuple[str, ...]:
        return self._languages

    def ids(self, session: Session, name: str) -> frozenset[UUID]:
        """For a name as `missing-en` or `outdated-ar`; empty for a language that is not offered."""
        self._refresh(session)
        return frozenset(self._gaps.get(name, ()))

    def _refresh(self, session: Session) -> None:
        with self._lock:
            number = revision.current(session, self._region)
            if number == self._revision:
                return
            changed = (
                revision.changed_service_ids(session, self._region, since=self._revision)
                if self._revision >= 0
                else None
            )
            if changed is None:
                self._gaps = {
                    kind + language: set() for kind in (MISSING, OUTDATED) for language in self._languages
                }
                self._read(session, None)
            elif changed:
                for ids in self._gaps.values():
                    ids -= changed
                self._read(session, sorted(changed))
            self._revision = number

    def _read(self, session: Session, ids: Sequence[UUID] | None) -> None:
        german = _german_hashes(session, self._region, ids)
        made = _translation_hashes(session, self._region, ids)
        for id_, hashes in german.items():
            for language in self._languages:
                known = made.get((id_, language), {})
                if any(name not in known for name in hashes):
                    self._gaps[MISSING + language].add(id_)
                if any(known.get(name, text) != text for name, text in hashes.items()):
                    self._gaps[OUTDATED + language].add(id_)


def _german_hashes(session: Session, region: str, ids: Sequence[UUID] | None) -> dict[UUID, dict[str, str]]:
    """Offer → field path → hash of its German text; the texts of the offer itself, not of places and phones."""
    document, cost = table(models.RequiredDocument), table(models.CostOption)
    chosen = (
        _service.c.region == region,
        _service.c.status == Status.PUBLISHED.value,
        *([] if ids is None else [_service.c.id.in_(ids)]),
    )
    found: dict[UUID, dict[str, str]] = {}
    columns = [_service.c[name] for name in TRANSLATED]
    for row in session.execute(select(_service.c.id, _service.c.expectations, *columns).where(*chosen)):
        texts = {name: getattr(row, name) for name in TRANSLATED}
        texts |= {f"expectations.{index}": text for index, text in enumerate(row.expectations)}
        found[row.id] = {name: revision.text_hash(text) for name, text in texts.items() if text}
    counted: dict[UUID, int] = defaultdict(int)
    for row in session.execute(
        select(document.c.service_id, document.c.document)
        .join(_service, _service.c.id == document.c.service_id)
        .where(*chosen)
        .order_by(document.c.position)
    ):
        found[row.service_id][f"required_documents.{counted[row.service_id]}"] = revision.text_hash(
            row.document
        )
        counted[row.service_id] += 1
    for row in session.execute(
        select(cost.c.service_id, cost.c.amount_description)
        .join(_service, _service.c.id == cost.c.service_id)
        .where(*chosen, cost.c.amount_description.is_not(None))
    ):
        found[row.service_id]["cost.amount_description"] = revision.text_hash(row.amount_description)
    return found


def _translation_hashes(
    session: Session, region: str, ids: Sequence[UUID] | None
) -> dict[tuple[UUID, str], dict[str, str]]:
    translation = table(models.Translation)
    statement = select(
        translation.c.entity_id, translation.c.language, translation.c.field, translation.c.source_hash
    ).where(translation.c.region == region, translation.c.entity == "service")
    if ids is not None:
        statement = statement.where(translation.c.entity_id.in_(ids))
    found: dict[tuple[UUID, str], dict[str, str]] = defaultdict(dict)
    for row in session.execute(statement):
        found[row.entity_id, row.language][row.field] = row.source_hash
    return found
