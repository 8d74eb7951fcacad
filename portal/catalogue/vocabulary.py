"""Fixed names that the tables, the content files and the read model share."""

from collections.abc import Iterator
from typing import Any

SOURCE_LANGUAGE = "de"

CONTACT_KINDS = "contact_kinds"

TERM_FIELDS = {
    "contact_kinds": CONTACT_KINDS,
    "desk_for": CONTACT_KINDS,
    "topics": "topics",
    "target_groups": "target_groups",
    "formats": "formats",
    "legal_basis": "legal_basis",
    "helpline_needs": "helpline_needs",
}
"""Field of a service → taxonomy that its codes come from. The field is `attribute.link_type`."""

ORGANIZATION_KINDS = "organization_kinds"

TAXONOMIES = (*dict.fromkeys(TERM_FIELDS.values()), ORGANIZATION_KINDS)

DANGER_KINDS = ("notruf", "krisentelefon", "jugendamt_schutz", "gewaltschutz", "wohnungsnotfall")
"""Somebody may be in danger: these must have a desk of their own, the clearing desk is not enough."""

TRANSLATABLE = {
    "organization": ("name", "alternate_name", "description", "phones.*.description"),
    "location": (
        "name",
        "transportation",
        "accessibility.*.description",
        "accessibility.*.details",
        "phones.*.description",
        "schedules.*.description",
    ),
    "service": (
        "name",
        "alternate_name",
        "description",
        "application_process",
        "eligibility_description",
        "interpretation_services",
        "expectations.*",
        "required_documents.*",
        "cost.amount_description",
        "phones.*.description",
        "schedules.*.description",
        "contacts.*.name",
        "contacts.*.title",
        "contacts.*.department",
        "contacts.*.phones.*.description",
        "locations.*.description",
        "locations.*.phones.*.description",
        "locations.*.schedules.*.description",
    ),
    "taxonomy_term": (
        "name",
        "short_name",
        "description",
        "expectations.*",
        "say",
        "elsewhere",
        "remote",
    ),
}
"""Entity → texts that may be translated; `*` is the position in a list, beginning with 0."""


def translatable_texts(entity: str, record: Any) -> Iterator[tuple[str, str]]:
    """Field path and German text of everything in `record` that can be translated."""
    for pattern in TRANSLATABLE[entity]:
        yield from _walk(record, pattern.split("."), "")


def _walk(value: Any, steps: list[str], path: str) -> Iterator[tuple[str, str]]:
    if not steps:
        if isinstance(value, str) and value:
            yield path, value
        return
    step, *rest = steps
    if step == "*":
        for position, item in enumerate(value or ()):
            yield from _walk(item, rest, f"{path}.{position}")
    elif (inner := getattr(value, step, None)) is not None:
        yield from _walk(inner, rest, f"{path}.{step}" if path else step)
