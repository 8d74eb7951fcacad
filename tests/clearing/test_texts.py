"""What the texts must never say, and how they speak to whom."""

import re
from pathlib import Path

import pytest
import yaml

from portal.clearing import KINDS

QUESTIONNAIRES = Path(__file__).parents[2] / "questionnaires"
DU = re.compile(r"\b(du|dir|dich|dein|deine[mnrs]?|euch|euer|eure)\b", re.IGNORECASE)
SIE = re.compile(r"\b(Ihnen|Ihr|Ihre[mnrs]?|Ihrer|können Sie|Sie können|Wählen Sie|Rufen Sie|Sprechen Sie)\b")


def texts_for(clearing, audience):
    for question in clearing.questions:
        variants = [question, *(variant.question for variant in question.variants)]
        for one in variants:
            if audience in one.wording.by_audience:
                yield f"{one.id} text", one.text(audience)
            if audience in one.help_wording.by_audience:
                yield f"{one.id} help", one.help(audience)
        if audience not in question.audiences:
            continue
        yield f"{question.id} hint", question.hint(audience) or ""
        for option in question.options(audience):
            name = f"{question.id} {option.id}"
            yield name, option.text(audience)
            yield name, option.hint(audience) or ""
            yield name, option.said(audience)
            yield name, option.acknowledgement(audience) or ""
    for rule in clearing.rules:
        if audience in rule.audiences:
            yield rule.id, rule.reason(audience)
            for reason in rule.why_not:
                yield rule.id, reason.wording(audience)
    for kind, about in clearing.kinds.items():
        yield kind, about.reason(audience)


@pytest.mark.parametrize("audience", ["parent", "professional", "company"])
def test_adults_are_addressed_as_sie(clearing, audience):
    entrance = "who text"  # asked before anybody has said who they are
    found = [(name, text) for name, text in texts_for(clearing, audience) if DU.search(text)]
    assert [item for item in found if item[0] != entrance] == []


def test_young_people_are_addressed_as_du(clearing):
    assert [(name, text) for name, text in texts_for(clearing, "young_person") if SIE.search(text)] == []


def test_words_that_are_not_ours(clearing):
    forbidden = re.compile(
        r"berechtigt|zuständig|Maßnahme|Klient|Sie müssen|Bußgeld|Anspruch|Leistungsempf|Bedarfsgemeinschaft|\bALG\b|Hartz",
        re.IGNORECASE,
    )
    found = [text.text for text in clearing.source_texts() if forbidden.search(text.text)]
    assert found == []


def test_no_amounts_no_deadlines_no_gender_symbols(clearing):
    symbols = re.compile(r"\w[*:_](innen|in)\b|\w/-?in(nen)?\b|\wInnen\b")
    numbers = re.compile(r"€|\bEuro\b|\b\d+ (Tage?n?|Wochen?|Monate?n?)\b|\d{5,}")
    for text in clearing.source_texts():
        assert not symbols.search(text.text), text
        assert not numbers.search(text.text), text


def test_sentences_stay_short(clearing):
    for text in clearing.source_texts():
        for sentence in re.split(r"(?<=[.?!])\s", text.text):
            assert len(sentence.split()) <= 24, text


def test_source_texts_are_complete_and_unique(clearing):
    known = [text.text for text in clearing.source_texts()]
    assert len(known) == len(set(known))
    for audience in clearing.audiences:
        for name, text in texts_for(clearing, audience):
            assert not text or text in known, name
    for rule in clearing.rules:
        assert set(rule.bring) <= set(known)
        assert {rule.say(audience) for audience in rule.audiences} <= set(known)
    assert all(
        text.location.startswith(("clearing.yaml:", "routing.yaml:")) for text in clearing.source_texts()
    )
    assert all(text.comment for text in clearing.source_texts())


def test_what_we_never_ask(clearing):
    never = re.compile(
        r"Wie heißt|Adresse|Geburtsdatum|Telefonnummer|Medikament|Religion|Woche bist|was hast du getan|"
        r"Einkommen|IBAN|Noten|keine Papiere|illegal",
        re.IGNORECASE,
    )
    for question in clearing.questions:
        for audience in question.audiences:
            texts = [question.text(audience), *(o.text(audience) for o in question.options(audience))]
            assert not [text for text in texts if never.search(text)]


def test_the_vocabulary_is_closed(clearing):
    assert len(KINDS) == len(set(KINDS)) == 35
    assert set(clearing.kinds) == set(KINDS)


def test_questions_as_json(clearing):
    import json

    data = json.loads(json.dumps(clearing.as_json()))
    assert [question["id"] for question in data["questions"]] == [q.id for q in clearing.questions]
    topic = data["questions"][1]
    assert topic["max_choices"] == 3
    assert {option["id"] for option in topic["options"]} >= {"dont_know", "no_answer", "violence"}


def test_clearing_needs_nothing_but_pydantic_and_yaml():
    package = Path(__file__).parents[2] / "portal" / "clearing"
    for module in package.glob("*.py"):
        imports = re.findall(
            r"^\s*(?:from|import) ([a-z_]+)", module.read_text(encoding="utf-8"), re.MULTILINE
        )
        assert not set(imports) & {"flask", "sqlmodel", "sqlalchemy", "babel", "flask_babel", "jinja2"}, (
            module
        )
        assert "datetime.now" not in module.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("rule_id", "number"),
    [
        ("r01_self_harm_now", "112"),
        ("r03_violence_now", "110"),
        ("r07a_adult_no_bed", "110"),
        ("r07b_adult_maybe_no_bed", "110"),
    ],
)
def test_in_danger_the_number_stands_in_the_first_sentences(clearing, rule_id, number):
    """The button shows one number only, and at night the town hall behind it is closed."""
    rule = next(rule for rule in clearing.rules if rule.id == rule_id)
    for audience in rule.audiences:
        assert number in rule.reason(audience), audience


def test_after_giving_notice_nobody_is_told_to_ask_before(clearing, today):
    for cause in ("company", "too_hard", "not_well", "wrong_trade", "dont_know", "no_answer"):
        answers = {"who": ("me",), "topic": ("training_trouble",), "notice": ("given",), "cause": (cause,)}
        outcome = clearing.route(answers, switches={}, today=today)
        texts = [need.reason for need in (outcome.primary, *outcome.also, *outcome.more)]
        assert not [text for text in texts if "bevor du kündigst" in text], cause


@pytest.mark.parametrize("name", ["clearing.yaml", "routing.yaml"])
def test_both_yaml_loaders_read_the_same(name):
    """Without libyaml PyYAML falls back to its own parser, which is pickier about quotes."""
    text = (QUESTIONNAIRES / name).read_text(encoding="utf-8")
    slow = yaml.load(text, Loader=yaml.SafeLoader)
    fast = yaml.load(text, Loader=yaml.CSafeLoader)
    assert slow == fast
