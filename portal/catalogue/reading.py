"""Content files to records. Every problem names file, line, entry and field; all are reported at once."""

import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import ValidationError

from portal.catalogue.records import (
    LocationRecord,
    LocationsFile,
    OrganizationRecord,
    OrganizationsFile,
    PlacesFile,
    Record,
    RegionFile,
    ServiceRecord,
    ServicesFile,
    TaxonomyFile,
    TermRecord,
    TranslationsFile,
    UpkeepFile,
)

FORMAT = 1
"""Part of every fingerprint: a higher number makes every installation load its content again."""

UPKEEP = "upkeep.yaml"
_SLUG = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
_Loader: type[Any] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_Path = tuple[str | int, ...]
_NULLS = {"", "~", "null", "Null", "NULL"}


@dataclass(frozen=True, slots=True)
class Problem:
    file: str
    """Relative to the content folder."""
    entry: str | None
    """Slug, code or AGS."""
    field: str | None
    message: str
    line: int | None = None
    code: str = ""
    """Of what one entry can have wrong, for pages that say it in another language."""
    values: Mapping[str, Any] | None = None

    def __str__(self) -> str:
        where = f"{self.file}:{self.line}" if self.line else self.file
        return ": ".join(part for part in (where, self.entry, self.field, self.message) if part)


class CatalogueError(Exception):
    """Base of everything this package raises."""


class ContentError(CatalogueError):
    """The files cannot be loaded; `problems` says why, one by one."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))


@dataclass(frozen=True, slots=True)
class Origin:
    file: str
    line: int | None


Origins = Mapping[tuple[str, str], Origin]
"""(entity, slug or code) → where it stands. Terms are `contact_kinds:jobcenter`."""


@dataclass(frozen=True)
class TaxonomyContent:
    taxonomies: tuple[TaxonomyFile, ...]
    translations: tuple[TranslationsFile, ...] = ()
    origins: Origins = field(default_factory=dict, compare=False, repr=False)

    def codes(self, taxonomy: str) -> frozenset[str]:
        return frozenset(
            term.code for file in self.taxonomies if file.code == taxonomy for term in file.terms
        )

    def terms(self) -> Iterator[tuple[str, TermRecord]]:
        """Key as in translations (`contact_kinds:jobcenter`) and record."""
        for file in self.taxonomies:
            for term in file.terms:
                yield f"{file.code}:{term.code}", term


@dataclass(frozen=True)
class RegionContent:
    region: RegionFile
    places: PlacesFile
    organizations: tuple[OrganizationRecord, ...]
    locations: tuple[LocationRecord, ...]
    services: tuple[ServiceRecord, ...]
    translations: tuple[TranslationsFile, ...]
    taxonomies: TaxonomyContent
    upkeep: UpkeepFile = field(default_factory=UpkeepFile)
    fingerprint: str | None = None
    origins: Origins = field(default_factory=dict, compare=False, repr=False)

    @property
    def slug(self) -> str:
        return self.region.slug


_F = TypeVar("_F", bound=Record)


class _Reader:
    def __init__(self, content_dir: Path) -> None:
        self.content_dir = content_dir
        self.problems: list[Problem] = []
        self.origins: dict[tuple[str, str], Origin] = {}

    def read(self, path: Path, model: type[_F]) -> _F | None:
        file = path.relative_to(self.content_dir).as_posix()
        lines: dict[_Path, int] = {}
        try:
            data = self._data(path, file, lines)
        except OSError as error:
            self.problems.append(Problem(file, None, None, f"cannot be read: {error.strerror}"))
            return None
        except (yaml.YAMLError, UnicodeDecodeError) as error:
            self.problems.append(_yaml_problem(file, error))
            return None
        try:
            record = model.model_validate(data)
        except ValidationError as error:
            self.problems += [_problem(file, data, detail, lines) for detail in error.errors()]
            return None
        self._remember_origins(file, record, lines)
        return record

    def _data(self, path: Path, file: str, lines: dict[_Path, int]) -> Any:
        node = yaml.compose(path.read_text(encoding="utf-8"), Loader=_Loader)
        return self._plain(node, (), file, lines) if node is not None else {}

    def _plain(self, node: yaml.Node, path: _Path, file: str, lines: dict[_Path, int]) -> Any:
        """Every scalar stays a string: YAML would read 06484 as octal, 09:30 as 570 and `no` as false."""
        lines[path] = node.start_mark.line + 1
        if isinstance(node, yaml.MappingNode):
            mapping: dict[str, Any] = {}
            for key_node, value_node in node.value:
                key = str(key_node.value)
                if key in mapping:
                    message = "stands here twice"
                    self.problems.append(Problem(file, None, key, message, key_node.start_mark.line + 1))
                mapping[key] = self._plain(value_node, (*path, key), file, lines)
                # The key's line is the better one to point at: a value may begin below it.
                lines[*path, key] = key_node.start_mark.line + 1
            return mapping
        if isinstance(node, yaml.SequenceNode):
            return [self._plain(item, (*path, index), file, lines) for index, item in enumerate(node.value)]
        style: str | None = getattr(node, "style", None)
        return None if style is None and node.value in _NULLS else node.value

    def _remember_origins(self, file: str, record: Record, lines: dict[_Path, int]) -> None:
        lists: dict[str, Sequence[Any]]
        match record:
            case OrganizationsFile():
                lists = {"organizations": record.organizations}
            case LocationsFile():
                lists = {"locations": record.locations}
            case ServicesFile():
                lists = {"services": record.services}
            case PlacesFile():
                lists = {"places": record.places}
            case TaxonomyFile():
                lists = {"terms": record.terms}
            case _:
                return
        for name, entries in lists.items():
            for index, entry in enumerate(entries):
                entity = {"terms": "taxonomy_term"}.get(name, name[:-1])
                key = f"{record.code}:{entry.code}" if isinstance(record, TaxonomyFile) else entry.slug
                origin = Origin(file, lines.get((name, index)))
                if (entity, key) in self.origins:
                    first = self.origins[entity, key]
                    message = f"this {entity} is already in {first.file}:{first.line}"
                    self.problems.append(Problem(file, key, None, message, origin.line))
                else:
                    self.origins[entity, key] = origin

    def finish(self) -> None:
        if self.problems:
            raise ContentError(self.problems)


def _yaml_problem(file: str, error: Exception) -> Problem:
    mark = getattr(error, "problem_mark", None)
    message = str(getattr(error, "problem", None) or error)
    return Problem(file, None, None, f"not valid YAML: {message}", mark.line + 1 if mark else None)


def _problem(file: str, data: Any, detail: Any, lines: dict[_Path, int]) -> Problem:
    location: _Path = tuple(detail["loc"])
    entry, skip = _entry(data, location)
    line = next(
        (lines[location[:length]] for length in range(len(location), -1, -1) if location[:length] in lines),
        None,
    )
    message = str(detail["msg"]).removeprefix("Value error, ")
    if detail["type"] == "extra_forbidden":
        message = "there is no such field"
    elif isinstance(detail.get("input"), str) and detail["type"] != "value_error":
        message = f"{message}, but it is {detail['input'][:60]!r}"
    return Problem(file, entry, ".".join(str(step) for step in location[skip:]) or None, message, line)


def _entry(data: Any, location: _Path) -> tuple[str | None, int]:
    """Name of the list entry that `location` leads into, and how many steps lead to it."""
    if len(location) >= 2 and isinstance(location[1], int):
        try:
            entry = data[location[0]][location[1]]
            return str(entry.get("slug") or entry.get("code") or entry.get("name") or location[1]), 2
        except (KeyError, IndexError, TypeError, AttributeError):
            return f"{location[0]} {location[1] + 1}", 2
    if len(location) >= 2 and location[0] in ("organizations", "locations", "services", "terms"):
        return str(location[1]), 2
    return None, 0


def _yaml_files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.glob("*.yaml") if path.is_file())


def _taxonomies(reader: _Reader) -> TaxonomyContent:
    folder = reader.content_dir / "taxonomies"
    files = [file for path in _yaml_files(folder) if (file := reader.read(path, TaxonomyFile))]
    if not files and not reader.problems:
        reader.problems.append(Problem("taxonomies", None, None, "no vocabulary is there"))
    translations = _translations(reader, folder)
    return TaxonomyContent(tuple(files), translations, reader.origins)


def _translations(reader: _Reader, folder: Path) -> tuple[TranslationsFile, ...]:
    files = []
    for path in _yaml_files(folder / "translations"):
        file = reader.read(path, TranslationsFile)
        if file is None:
            continue
        if file.language != path.stem:
            name = path.relative_to(reader.content_dir).as_posix()
            message = f"is {file.language!r}, but the file is called {path.name}"
            reader.problems.append(Problem(name, None, "language", message))
        files.append(file)
    return tuple(files)


def read_taxonomies(content_dir: Path) -> TaxonomyContent:
    """The vocabularies of `content_dir/taxonomies`. Raises ContentError."""
    from portal.catalogue import checking

    reader = _Reader(content_dir)
    content = _taxonomies(reader)
    reader.finish()
    if problems := checking.taxonomy_problems(content):
        raise ContentError(problems)
    return content


def read_region(content_dir: Path, slug: str) -> RegionContent:
    """A region with the shared vocabularies, checked in itself and against each other. Raises ContentError."""
    from portal.catalogue import checking

    folder = region_folder(content_dir, slug)
    # The fingerprint comes first: a file that changes while it is read is then read again next time.
    fingerprint = content_fingerprint(content_dir, slug)
    reader = _Reader(content_dir)
    taxonomies = _taxonomies(reader)
    region = reader.read(folder / "region.yaml", RegionFile)
    places = reader.read(folder / "places.yaml", PlacesFile)
    organizations = reader.read(folder / "organizations.yaml", OrganizationsFile)
    locations = reader.read(folder / "locations.yaml", LocationsFile)
    services = [reader.read(path, ServicesFile) for path in _service_files(folder)]
    translations = _translations(reader, folder)
    upkeep = reader.read(folder / UPKEEP, UpkeepFile) if (folder / UPKEEP).exists() else UpkeepFile()
    reader.finish()
    if upkeep is None or region is None or places is None or organizations is None or locations is None:
        raise AssertionError("`finish` raises when a file could not be read")
    content = RegionContent(
        region=region,
        places=places,
        organizations=organizations.organizations,
        locations=locations.locations,
        services=tuple(service for file in services if file for service in file.services),
        translations=translations,
        taxonomies=taxonomies,
        upkeep=upkeep,
        fingerprint=fingerprint,
        origins=reader.origins,
    )
    if problems := checking.region_problems(content, folder=slug):
        raise ContentError(problems)
    return content


def region_folder(content_dir: Path, slug: str) -> Path:
    folder = content_dir / "regions" / slug
    if not _SLUG.fullmatch(slug) or not folder.is_dir():
        known = ", ".join(region_slugs(content_dir)) or "none"
        raise ContentError([Problem("regions", slug, None, f"there is no such region; there are: {known}")])
    return folder


def region_slugs(content_dir: Path) -> list[str]:
    """The regions that have files."""
    return sorted(path.parent.name for path in (content_dir / "regions").glob("*/region.yaml"))


def _service_files(folder: Path) -> list[Path]:
    """`services.yaml` or all of `services/`, then `helplines.yaml`."""
    files = [folder / "services.yaml"] if (folder / "services.yaml").exists() else []
    files += _yaml_files(folder / "services")
    if (folder / "helplines.yaml").exists():
        files.append(folder / "helplines.yaml")
    return files or [folder / "services.yaml"]


def content_fingerprint(content_dir: Path, region: str) -> str:
    """Changes whenever a file of the region or of the vocabularies changes; costs a few milliseconds."""
    digest = hashlib.sha256(f"format {FORMAT}\n".encode())
    for path in _all_files(content_dir, region):
        content = path.read_bytes()
        digest.update(f"{path.relative_to(content_dir).as_posix()} {len(content)}\n".encode())
        digest.update(content)
    return digest.hexdigest()


def _all_files(content_dir: Path, region: str) -> Iterable[Path]:
    for folder in (content_dir / "taxonomies", content_dir / "regions" / region):
        yield from sorted(path for path in folder.rglob("*.yaml") if path.is_file())
