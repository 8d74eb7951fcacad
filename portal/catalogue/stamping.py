"""Fill in which German text each translation in a file was made from."""

from collections.abc import Iterator
from pathlib import Path

import yaml

from portal.catalogue.reading import CatalogueError, read_region, read_taxonomies, region_folder
from portal.catalogue.records import Record
from portal.catalogue.revision import text_hash
from portal.catalogue.vocabulary import translatable_texts

_SECTIONS = {
    "organizations": "organization",
    "locations": "location",
    "services": "service",
    "terms": "taxonomy_term",
}


_Sources = dict[tuple[str, str, str], str]


def stamp_translations(path: Path, sources: _Sources | None = None) -> int:
    """Write `source_hash` to every text of the file that has none; returns how many. Comments stay.

    `path` is `…/regions/<region>/translations/<language>.yaml` or `…/taxonomies/translations/….yaml`. A stamp
    says "this fits the German text as it is now", so stamp right after translating. `sources` spares reading the
    German texts for every file anew. Raises ContentError when the content has problems.
    """
    sources = _sources(path.parent.parent) if sources is None else sources
    text = path.read_text(encoding="utf-8")
    insertions: list[tuple[int, str]] = []
    for kind, key, field, entry in _unstamped(yaml.compose(text, Loader=yaml.SafeLoader)):
        first, _value = entry.value[0]
        german = sources[_SECTIONS[kind], key, field]
        separator = ", " if entry.flow_style else "\n" + " " * first.start_mark.column
        insertions.append((first.start_mark.index, f'source_hash: "{text_hash(german)}"{separator}'))
    for index, stamp in sorted(insertions, reverse=True):
        text = text[:index] + stamp + text[index:]
    if insertions:
        path.write_text(text, encoding="utf-8")
    return len(insertions)


def stamp_content(content_dir: Path, region: str) -> list[tuple[Path, int]]:
    """Stamp the translations of the region and of the vocabularies; each file with the number of new stamps."""
    folders = (content_dir / "taxonomies", region_folder(content_dir, region))
    stamped = []
    for folder in folders:
        paths = sorted((folder / "translations").glob("*.yaml"))
        sources = _sources(folder) if paths else {}
        stamped += [(path, stamp_translations(path, sources)) for path in paths]
    return stamped


def _sources(folder: Path) -> _Sources:
    """The German texts of a region, or of the vocabularies."""
    records: dict[str, dict[str, Record]]
    if folder.name == "taxonomies":
        records = {"taxonomy_term": dict(read_taxonomies(folder.parent).terms())}
    elif folder.parent.name == "regions":
        content = read_region(folder.parent.parent, folder.name)
        records = {
            "organization": {entry.slug: entry for entry in content.organizations},
            "location": {entry.slug: entry for entry in content.locations},
            "service": {entry.slug: entry for entry in content.services},
        }
    else:
        raise CatalogueError(f"{folder} holds no translations")
    return {
        (entity, key, field): text
        for entity, entries in records.items()
        for key, record in entries.items()
        for field, text in translatable_texts(entity, record)
    }


def _unstamped(document: yaml.Node | None) -> Iterator[tuple[str, str, str, yaml.MappingNode]]:
    if not isinstance(document, yaml.MappingNode):
        return
    for kind_node, section in document.value:
        if kind_node.value not in _SECTIONS or not isinstance(section, yaml.MappingNode):
            continue
        for key_node, fields in section.value:
            for field_node, entry in fields.value:
                stamped = {name.value: value for name, value in entry.value}
                if "source_hash" not in stamped:
                    yield kind_node.value, key_node.value, field_node.value, entry
