"""A questionnaire small enough to read, complete enough to load, made to be broken."""

from copy import deepcopy
from pathlib import Path
from typing import Any

import yaml

from portal.clearing import KINDS, Clearing, load_clearing

Source = dict[str, Any]


def a_questionnaire() -> Source:
    return {
        "special_options": [
            {"id": "dont_know", "text": "Weiß ich nicht"},
            {"id": "no_answer", "text": "Möchte ich nicht sagen"},
        ],
        "facts": {"minor": {"question": "age", "is_one_of": ["minor"]}},
        "questions": [
            {
                "id": "who",
                "type": "single",
                "step": "who",
                "text": "Für wen?",
                "help": "Darum.",
                "options": [
                    {"id": "me", "text": "Für mich", "audience": "young_person", "same_as_unknown": True},
                    {"id": "my_child", "text": "Für mein Kind", "audience": "parent"},
                    {"id": "accompany", "text": "Für andere", "audience": "professional"},
                    {"id": "company", "text": "Für den Betrieb", "audience": "company"},
                    {"id": "dont_know", "audience": "young_person"},
                    {"id": "no_answer", "audience": "young_person"},
                ],
            },
            {
                "id": "topic",
                "type": "multiple",
                "step": "topic",
                "max_choices": 2,
                "text": "Was ist los?",
                "help": "Darum.",
                "options": [
                    {"id": "danger", "text": "Gefahr", "safety": True},
                    {"id": "work", "text": "Arbeit"},
                    {"id": "money", "text": "Geld"},
                ],
            },
            {
                "id": "age",
                "type": "single",
                "step": "person",
                "when": {"question": "topic", "includes_any": ["work", "money"]},
                "text": {
                    "young_person": "Wie alt bist du?",
                    "parent": "Wie alt?",
                    "professional": "Wie alt?",
                },
                "help": "Darum.",
                "options": [{"id": "minor", "text": "Unter 18"}, {"id": "adult", "text": "Ab 18"}],
            },
            {
                "id": "place",
                "type": "place",
                "step": "place",
                "place_counts": "residence",
                "when": {"not": {"question": "topic", "includes_any": ["danger"]}},
                "text": "Wo?",
                "help": "Darum.",
                "options": [
                    {"id": "inside", "text": "Hier", "same_as_unknown": True},
                    {"id": "outside", "text": "Woanders"},
                ],
            },
        ],
    }


def a_routing() -> Source:
    def rule(name: str, kind: str, when: object = None, **more: object) -> Source:
        entry: Source = {"id": name, "row": 1, "group": name, "kind": kind, "urgency": "normal"}
        entry |= {"reason": f"Grund {name}", **more}
        if when is not None:
            entry["when"] = when
        return entry

    topic = {"danger": ["danger"], "work": ["work"], "money": ["money"]}
    return {
        "switches": {"law": {"values": ["off", "on"], "default": "off"}},
        "kinds": {
            kind: {"reason": f"Kurz {kind}", "say": f"Guten Tag {kind}", "place_counts": "anywhere"}
            for kind in KINDS
        }
        | {"jobcenter": {"reason": "Kurz", "say": "Guten Tag", "place_counts": "residence"}},
        "rules": [
            rule(
                "danger",
                "krisentelefon",
                {"question": "topic", "includes_any": topic["danger"]},
                safety=True,
                urgency="now",
                also=["notruf"],
            ),
            rule(
                "elsewhere",
                "stelle_am_wohnort",
                {"question": "place", "is_one_of": ["outside"]},
                only_primary=True,
            ),
            rule(
                "money_new",
                "jobcenter",
                {"all": [{"question": "topic", "includes_any": topic["money"]}, {"fact": "minor"}]},
            ),
            rule(
                "money_switch",
                "sozialamt",
                {
                    "all": [
                        {"question": "topic", "includes_any": topic["money"]},
                        {"switch": "law", "is_one_of": ["on"]},
                        {"question": "age", "is_one_of": ["adult"]},
                    ]
                },
                group="money",
            ),
            rule("money", "jobcenter", {"question": "topic", "includes_any": topic["money"]}),
            rule(
                "work",
                "berufsberatung",
                {"question": "topic", "includes_any": topic["work"]},
                also=["schule", {"kind": "agentur_arbeit", "when": {"not": {"fact": "minor"}}}],
            ),
            rule(
                "company",
                "arbeitgeberservice",
                audiences=["company"],
            ),
            rule("anything", "clearing", only_primary=True),
        ],
    }


def load(directory: Path, questionnaire: Source, routing: Source) -> Clearing:
    for name, source in (("clearing.yaml", questionnaire), ("routing.yaml", routing)):
        text = yaml.safe_dump(deepcopy(source), allow_unicode=True, sort_keys=False)
        (directory / name).write_text(text, encoding="utf-8")
    return load_clearing(directory)


def entry(source: Source, section: str, entry_id: str) -> Source:
    found: Source = next(entry for entry in source[section] if entry["id"] == entry_id)
    return found
