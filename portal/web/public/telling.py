"""What somebody can tell an office out of their answers: each one by itself, in their language and in German.

Residence status, health, violence and trouble with the police are not offered here (`told: false` in the questionnaire):
who wants an office to know says so in their own words.
"""

from portal.clearing import Path
from portal.referral.personal import Line
from portal.web.current import current_portal
from portal.web.languages import unmarked
from portal.web.public import bilingual, check, outcome
from portal.web.texts import N_, listing, questionnaire_text
from portal.web.texts import gettext as _

DESK = "desk"
"""Key of the line with the first contact of the result; the others are `answer:<question>`."""
FIRST_STEP = N_("The first step")


def tellable() -> list[Line]:
    """The first contact and every answer that may be told, in the reader's language and in German."""
    _answers, path = check.current_path()
    own = _said(path)
    with bilingual.in_german():
        german = _said(path)
    return [
        Line(
            key=key,
            label=unmarked(label),
            label_de=unmarked(german[key][0]),
            value=unmarked(value),
            value_de=unmarked(german[key][1]),
        )
        for key, (label, value) in own.items()
        if key in german
    ]


def _said(path: Path) -> dict[str, tuple[str, str]]:
    """Key → what it is, and what was said, in the language of the moment."""
    found: dict[str, tuple[str, str]] = {}
    if not path.answers:
        return found
    place = check.place_of(check.stored_answers())
    if path.usable and not (result := outcome.route(path)).gives_away:
        contact = outcome.card_of(result.primary, place, path.audience in check.FORMAL).card
        found[DESK] = (_(FIRST_STEP), contact.name.text)
    for step in path.steps:
        told = [one for one in step.chosen if one.told]
        known = current_portal().catalogue.places.by_ags(place) if place else None
        if step.question.type == check.PLACE and known and told:
            words = [known.name]
        else:
            words = [questionnaire_text(said) for one in told if (said := one.said(path.audience))]
        if words:
            question = questionnaire_text(step.question.text(path.audience))
            found[f"answer:{step.question.id}"] = (question, listing(words))
    return found
