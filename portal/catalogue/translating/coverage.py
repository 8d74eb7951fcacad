"""How far the content files are translated. Needs no database."""

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from portal.catalogue import revision
from portal.catalogue.loading import texts_of
from portal.catalogue.reading import RegionContent, TaxonomyContent
from portal.catalogue.records import Record, ServiceRecord
from portal.catalogue.translating.texts import State, Translated, state_of
from portal.catalogue.vocabulary import translatable_texts

PROMISED = re.compile(r"name|description|application_process|required_documents\.\d+")
"""Texts of a published offer that a language must have to be called complete."""
_NAMES = re.compile(r"(?:.*\.)?(?:name|short_name|alternate_name|department)")
_SMALL_WORD = re.compile(r"\b[a-zäöüß]{3,}\b")


@dataclass(frozen=True, slots=True)
class Text:
    """One German text of the files and what became of it in a language."""

    entity: str
    key: str
    """Slug, or `taxonomy:code`."""
    field: str
    german: str
    translation: str
    state: State
    promised: bool
    """A complete language has it."""

    @property
    def is_left_german(self) -> bool:
        """Taken over as it was, though it is no name."""
        same = self.translation.split() == self.german.split()
        return same and not _NAMES.fullmatch(self.field) and is_running_text(self.german)


def is_running_text(text: str) -> bool:
    """Whether German would be read as German: two words or more, one of them no name."""
    return len(text.split()) > 1 and _SMALL_WORD.search(text) is not None


def texts(content: RegionContent | TaxonomyContent, language: str) -> Iterator[Text]:
    """Of what the public sees: terms, or published offers and organizations with their houses."""
    made = {
        (entity, key, name): text
        for file in content.translations
        if file.language == language
        for entity, key, name, text in texts_of(file)
    }
    for entity, records in _public(content).items():
        for key, record in records.items():
            for name, german in translatable_texts(entity, record):
                found = made.get((entity, key, name))
                hash_ = revision.text_hash(german)
                given = (
                    Translated(found.text, found.status.value, found.source_hash or hash_) if found else None
                )
                # The vocabularies are all or nothing; of a region's texts those that say what to do.
                promised = entity == "taxonomy_term" or (
                    isinstance(record, ServiceRecord) and PROMISED.fullmatch(name) is not None
                )
                yield Text(
                    entity, key, name, german, given.text if given else "", state_of(hash_, given), promised
                )


def counts(content: RegionContent | TaxonomyContent, language: str) -> Counter[State]:
    return Counter(text.state for text in texts(content, language))


def _public(content: RegionContent | TaxonomyContent) -> Mapping[str, Mapping[str, Record]]:
    if isinstance(content, TaxonomyContent):
        return {"taxonomy_term": dict(content.terms())}
    organizations = {entry.slug: entry for entry in content.organizations if entry.status == "published"}
    return {
        "organization": organizations,
        "location": {entry.slug: entry for entry in content.locations if entry.organization in organizations},
        "service": {
            entry.slug: entry
            for entry in content.services
            if entry.status == "published" and entry.organization in organizations
        },
    }
