"""`portal clearing check`: questionnaire, rules, translations and catalogue together."""

from datetime import date

from portal.catalogue.matching import resolve
from portal.catalogue.queries import Catalogue
from portal.catalogue.vocabulary import DANGER_KINDS
from portal.clearing import load_clearing
from portal.clearing.checks import Report, check
from portal.config import Settings
from portal.web.languages import available, compile_catalogues, load_languages


def prove(settings: Settings, catalogue: Catalogue, *, today: date) -> Report:
    """Explore every reachable combination of answers for the region's settings, and for every value of its switches."""
    compile_catalogues(settings.translations_dir)
    region = catalogue.region
    languages = load_languages(settings.translations_dir, region.languages)
    complete = [
        code for code, done in available(settings.translations_dir).items() if done and code in languages
    ]

    def desk_for(kind: str, place: str) -> bool:
        """A desk of its own, or the clearing desk; where somebody may be in danger only the former will do."""
        desk = resolve(catalogue, kind, place=place)
        if desk.level != "clearing":
            return True
        return kind not in DANGER_KINDS and desk.service.slug == region.clearing_desk

    return check(
        load_clearing(settings.questionnaires_dir),
        switches_variants=[{"ukraine_asylblg": value} for value in ("off", "on", "unknown")],
        today=today,
        translations={
            code: language.questionnaire.texts for code, language in languages.items() if code != "de"
        },
        complete_languages=[code for code in complete if code != "de"],
        desk_for=desk_for,
        places=[place.ags for place in catalogue.places.all()],
    )
