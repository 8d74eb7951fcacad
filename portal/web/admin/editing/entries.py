"""Records to form fields and back, for organizations, locations and offers. Pure: no request, no database.

A form names its fields as the record does, so that a problem of the record is a problem of a field. Where it differs,
`FIELD_OF` says how.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from portal.catalogue.editing import EntryProblem
from portal.catalogue.vocabulary import TERM_FIELDS
from portal.web.admin.editing.hours_form import (
    is_blank_schedule,
    schedule_tree,
    schedule_values,
    tidy_schedule,
)
from portal.web.admin.editing.tree import Node, below, is_blank, numbered, rows, text, texts, ticked

NATION = "all"
"""Stands for the empty area code, because an empty field means that nothing was entered."""
Values = dict[str, Any]
Problems = list[EntryProblem]


@dataclass(frozen=True, slots=True)
class EntryForm:
    to_tree: Callable[[Mapping[str, Any]], Node]
    to_values: Callable[[Node], tuple[Values, Problems]]
    """Takes empty rows out of the tree, so that its rows are those of the record."""
    groups: Mapping[str, Callable[[], Node]]
    """Pattern of a group (`contacts.*.phones`) → a new row."""


def field_of(path: str) -> str:
    """The form's name for a path in the record."""
    if path.endswith(".opening_hours"):
        return path.removesuffix("opening_hours") + "rows"
    if path.endswith(".description") and path.split(".")[-3:-2] == ["schedules"]:
        return path.removesuffix("description") + "note"
    if path == "address.postal_code":
        return "address.zip"  # Names with "code" are not kept when a session runs out.
    head, _, rest = path.partition(".")
    if head in ("required_documents", "expectations") and rest.isdigit():
        return f"{path}.text"
    if head in (*TERM_FIELDS, "service_areas", "languages"):
        return head
    if head == "locations" and path.rpartition(".")[2].isdigit() and "service_areas" in path:
        return path.rpartition(".")[0]
    if path.endswith(".address") or path == "address":
        return "address.city"
    return path


# Parts that entries share.


def new_phone() -> Node:
    return {"number": [""], "type": ["voice"]}


def _phone_tree(phone: Mapping[str, Any]) -> Node:
    return {
        "number": [phone["number"]],
        "type": [phone["type"]],
        "description": [phone["description"] or ""],
        "languages": [", ".join(phone["languages"])],
    }


def _phones_tree(holder: Mapping[str, Any]) -> Node:
    return numbered(_phone_tree(phone) for phone in holder["phones"])


def _phones(node: Node) -> list[Values]:
    kept = [row for row in rows(node, "phones") if not is_blank(row, but=("type",))]
    node["phones"] = numbered(kept)
    return [
        {
            "number": " ".join(text(row, "number").split()),
            "type": text(row, "type") or "voice",
            "description": text(row, "description") or None,
            "languages": [
                code.strip() for code in text(row, "languages").replace(";", ",").split(",") if code.strip()
            ],
        }
        for row in kept
    ]


def _schedules_tree(holder: Mapping[str, Any]) -> Node:
    return numbered(schedule_tree(schedule) for schedule in holder["schedules"])


def _schedules(node: Node, path: str, problems: Problems) -> list[Values]:
    kept = [row for row in rows(node, "schedules") if not is_blank_schedule(row)]
    node["schedules"] = numbered(kept)
    found = []
    for index, row in enumerate(kept):
        tidy_schedule(row)
        found.append(schedule_values(row, f"{path}schedules.{index}", problems))
    return found


def _source_tree(values: Mapping[str, Any]) -> Node:
    source = values.get("source") or {}
    return {name: [source.get(name) or ""] for name in ("url", "name", "date", "note")}


def _source(node: Node) -> Values | None:
    source = below(node, "source")
    values = {name: text(source, name) or None for name in ("name", "date", "note")}
    values["url"] = address(text(source, "url"))
    return values if any(values.values()) else None


def address(entered: str) -> str | None:
    """People leave the beginning of a web address out."""
    if entered and "://" not in entered and not entered.lower().startswith(("http:", "https:")):
        return f"https://{entered}"
    return entered or None


def number(entered: str) -> int | str | None:
    """A text that is no number is left as it is: the record says what is wrong with it."""
    if not entered:
        return None
    return int(entered) if entered.isascii() and entered.isdigit() else entered


def decimal(entered: str) -> str | None:
    return entered.replace(",", ".") or None


def _lines_tree(found: list[str]) -> Node:
    return numbered({"text": [line]} for line in found)


def _lines(node: Node, name: str) -> list[str]:
    kept = [row for row in rows(node, name) if text(row, "text")]
    node[name] = numbered(kept)
    return [text(row, "text") for row in kept]


def _areas(node: Node) -> list[str]:
    chosen = _ticks(node, "service_areas", text(node, "service_areas_order").split())
    return ["" if area == NATION else area for area in chosen]


def _areas_tree(found: list[str]) -> Node:
    areas = [area or NATION for area in found]
    return {"service_areas": areas, "service_areas_order": [" ".join(areas)]}


def _ticks(node: Node, name: str, before: list[str]) -> list[str]:
    """Ticked codes. Those that were there keep their order: the first one counts most in some places."""
    ticked_now = [value for value in dict.fromkeys(texts(node, name)) if value]
    return [code for code in before if code in ticked_now] + [c for c in ticked_now if c not in before]


# Offers.

_TEXTS = (
    "name", "alternate_name", "description", "application_process", "legal_text", "eligibility_description",
    "interpretation_services", "email", "valid_from", "valid_to",
)  # fmt: skip


def service_tree(values: Mapping[str, Any]) -> Node:
    tree: Node = {name: [values[name] or ""] for name in (*_TEXTS, "url", "organization", "confidence")}
    for name in ("minimum_age", "maximum_age"):
        tree[name] = ["" if values[name] is None else str(values[name])]
    for name in TERM_FIELDS:
        tree[name] = list(values[name])
        tree[f"{name}_order"] = [" ".join(values[name])]
    tree |= _areas_tree(values["service_areas"])
    tree["languages"] = list(values["languages"])
    tree["languages_order"] = [" ".join(values["languages"])]
    tree["cost"] = {name: [values["cost"][name] or ""] for name in ("option", "amount_description")}
    tree["required_documents"] = _lines_tree(values["required_documents"])
    tree["expectations"] = _lines_tree(values["expectations"])
    tree["phones"] = _phones_tree(values)
    tree["schedules"] = _schedules_tree(values)
    tree["contacts"] = numbered(
        {
            **{name: [contact[name] or ""] for name in ("name", "title", "department", "email")},
            "phones": _phones_tree(contact),
        }
        for contact in values["contacts"]
    )
    tree["locations"] = numbered(
        {
            "location": [at["location"]],
            "description": [at["description"] or ""],
            "phones": _phones_tree(at),
            "schedules": _schedules_tree(at),
            **_areas_tree(at["service_areas"]),
        }
        for at in values["locations"]
    )
    tree["source"] = _source_tree(values)
    return tree


def service_values(tree: Node) -> tuple[Values, Problems]:
    problems: Problems = []
    values: Values = {name: text(tree, name) or None for name in _TEXTS}
    values["url"] = address(text(tree, "url"))
    values["organization"] = text(tree, "organization")
    for name in ("minimum_age", "maximum_age"):
        values[name] = number(text(tree, name))
    for name in TERM_FIELDS:
        values[name] = _ticks(tree, name, text(tree, f"{name}_order").split())
    values["service_areas"] = _areas(tree)
    values["languages"] = _ticks(tree, "languages", text(tree, "languages_order").split())
    cost = below(tree, "cost")
    values["cost"] = {
        "option": text(cost, "option") or "unknown",
        "amount_description": text(cost, "amount_description") or None,
    }
    values["required_documents"] = _lines(tree, "required_documents")
    values["expectations"] = _lines(tree, "expectations")
    values["phones"] = _phones(tree)
    values["schedules"] = _schedules(tree, "", problems)
    contacts = [row for row in rows(tree, "contacts") if not is_blank(row, but=("type",))]
    tree["contacts"] = numbered(contacts)
    values["contacts"] = [
        {
            **{name: text(row, name) or None for name in ("name", "title", "department", "email")},
            "phones": _phones(row),
        }
        for row in contacts
    ]
    places = [row for row in rows(tree, "locations") if text(row, "location")]
    tree["locations"] = numbered(places)
    values["locations"] = [
        {
            "location": text(row, "location"),
            "description": text(row, "description") or None,
            "phones": _phones(row),
            "schedules": _schedules(row, f"locations.{index}.", problems),
            "service_areas": _areas(row),
        }
        for index, row in enumerate(places)
    ]
    values["source"] = _source(tree)
    if "confidence" in tree:
        values["confidence"] = text(tree, "confidence") or "low"
    return values, problems


def new_contact() -> Node:
    return {"name": [""], "title": [""], "department": [""], "email": [""]}


def new_place() -> Node:
    return {"location": [""], "description": [""]}


def new_line() -> Node:
    return {"text": [""]}


def new_schedule() -> Node:
    return {"channel": ["visit"], "mode": ["rows"], "holidays": ["y"], "rows": {"0": new_row()}}


def new_row() -> Node:
    return {"kind": ["open"], "week": ["0"]}


def new_special() -> Node:
    return {"kind": ["closed"]}


def _schedule_groups(prefix: str) -> dict[str, Callable[[], Node]]:
    return {
        f"{prefix}schedules": new_schedule,
        f"{prefix}schedules.*.rows": new_row,
        f"{prefix}schedules.*.specials": new_special,
    }


SERVICE = EntryForm(
    service_tree,
    service_values,
    {
        "phones": new_phone,
        "contacts": new_contact,
        "contacts.*.phones": new_phone,
        "locations": new_place,
        "locations.*.phones": new_phone,
        "required_documents": new_line,
        "expectations": new_line,
        **_schedule_groups(""),
        **_schedule_groups("locations.*."),
    },
)


# Organizations.

_ORGANIZATION_TEXTS = (
    "name", "alternate_name", "description", "parent_organization", "legal_status", "email",
)  # fmt: skip


def organization_tree(values: Mapping[str, Any]) -> Node:
    return {
        **{name: [values[name] or ""] for name in (*_ORGANIZATION_TEXTS, "kind", "website", "confidence")},
        "confidential": ["y"] if values["confidential"] else [],
        "phones": _phones_tree(values),
        "source": _source_tree(values),
    }


def organization_values(tree: Node) -> tuple[Values, Problems]:
    values: Values = {name: text(tree, name) or None for name in _ORGANIZATION_TEXTS}
    values["kind"] = text(tree, "kind")
    values["website"] = address(text(tree, "website"))
    values["phones"] = _phones(tree)
    values["source"] = _source(tree)
    if "confidence" in tree:
        values["confidence"] = text(tree, "confidence") or "low"
        values["confidential"] = ticked(tree, "confidential")
    return values, []


ORGANIZATION = EntryForm(organization_tree, organization_values, {"phones": new_phone})


# Locations.


def location_tree(values: Mapping[str, Any]) -> Node:
    where = values["address"] or {}
    return {
        **{
            name: [values[name] or ""]
            for name in ("name", "organization", "location_type", "place", "transportation", "confidence")
        },
        **{name: ["" if values[name] is None else str(values[name])] for name in ("latitude", "longitude")},
        "address": {
            "attention": [where.get("attention") or ""],
            "address_1": [where.get("address_1") or ""],
            "zip": [where.get("postal_code") or ""],
            "city": [where.get("city") or ""],
        },
        "confidential": ["y"] if values["confidential"] else [],
        "accessibility": numbered(
            {"description": [item["description"]], "details": [item["details"] or ""]}
            for item in values["accessibility"]
        ),
        "phones": _phones_tree(values),
        "schedules": _schedules_tree(values),
        "languages": list(values["languages"]),
        "languages_order": [" ".join(values["languages"])],
        "source": _source_tree(values),
    }


def location_values(tree: Node) -> tuple[Values, Problems]:
    problems: Problems = []
    where = below(tree, "address")
    entered = {name: text(where, name) or None for name in ("attention", "address_1", "zip", "city")}
    accessibility = [row for row in rows(tree, "accessibility") if not is_blank(row)]
    tree["accessibility"] = numbered(accessibility)
    values: Values = {
        "name": text(tree, "name") or None,
        "organization": text(tree, "organization"),
        "location_type": text(tree, "location_type") or "physical",
        "place": text(tree, "place") or None,
        "transportation": text(tree, "transportation") or None,
        "latitude": decimal(text(tree, "latitude")),
        "longitude": decimal(text(tree, "longitude")),
        "address": {
            "attention": entered["attention"],
            "address_1": entered["address_1"],
            "postal_code": entered["zip"],
            "city": entered["city"],
        }
        if any(entered.values())
        else None,
        "confidential": ticked(tree, "confidential"),
        "accessibility": [
            {"description": text(row, "description") or None, "details": text(row, "details") or None}
            for row in accessibility
        ],
        "phones": _phones(tree),
        "schedules": _schedules(tree, "", problems),
        "languages": _ticks(tree, "languages", text(tree, "languages_order").split()),
        "source": _source(tree),
    }
    if "confidence" in tree:
        values["confidence"] = text(tree, "confidence") or "low"
    return values, problems


def new_accessibility() -> Node:
    return {"description": [""], "details": [""]}


LOCATION = EntryForm(
    location_tree,
    location_values,
    {"phones": new_phone, "accessibility": new_accessibility, **_schedule_groups("")},
)

FORMS: Mapping[str, EntryForm] = {"service": SERVICE, "organization": ORGANIZATION, "location": LOCATION}
