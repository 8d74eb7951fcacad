"""From what people type to the municipality: postal code, town, village, with typos and however umlauts are typed.

A postal code often belongs to several municipalities, sometimes to two counties; then the answer is a choice.
"""

import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Literal

from rapidfuzz.distance import OSA

from portal.catalogue.geography import distance_km
from portal.catalogue.records import NeighbourRecord, PlaceRecord, SharedPostalCode

__all__ = ["Outside", "PlaceFinder", "PlaceOption", "PlaceResult", "distance_km", "known_towns", "normalise"]

_LONGEST_INPUT = 80
_MOST_CHOICES = 40
_SURE_BEGINNING = 3
"""Letters from which somebody may mean a place elsewhere."""
_SURE_PREFIX = 5
"""Letters from which the beginning of one name only is taken for that name."""
_UMLAUTS = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue", "ß": "ss", "æ": "ae", "ø": "oe"})
_FILLERS = frozenset(
    {
        "ot",
        "ortsteil",
        "d",
        "de",
        "plz",
        "stadt",
        "gemeinde",
        "einheitsgemeinde",
        "verbandsgemeinde",
        "samtgemeinde",
    }
)
_WORD = re.compile(r"[^\W_]+")
_POSTAL_CODE = re.compile(r"(?<!\d)\d{5}(?!\d)")


@dataclass(frozen=True, slots=True)
class PlaceOption:
    ags: str
    slug: str
    """Of the municipality."""
    name: str
    """Of the municipality."""
    locality: str | None
    postal_code: str | None
    """Of the locality, or what was typed."""
    label: str
    """For showing: `Ströbeck (Halberstadt)`."""


@dataclass(frozen=True, slots=True)
class Outside:
    name: str | None
    county: str | None
    state: str | None = None


@dataclass(frozen=True, slots=True)
class PlaceResult:
    status: Literal["found", "choose", "outside", "unknown", "empty"]
    places: tuple[PlaceOption, ...] = ()
    """found: one. choose: the options. outside, unknown: what might have been meant, often nothing."""
    outside: Outside | None = None
    """outside: where it is, when that is known. choose: another county is one of the options."""


@dataclass(frozen=True, slots=True)
class _Name:
    words: tuple[str, ...]
    """Umlauts written out."""
    loose: str
    """Umlauts as plain vowels, words run together; what typos are looked for in."""
    option: PlaceOption
    is_place: bool


def normalise(text: str) -> str:
    """Lower case, ASCII digits, umlauts written out, everything between words one space."""
    text = unicodedata.normalize("NFKC", text[:_LONGEST_INPUT])
    text = "".join(_digit(character) for character in text).casefold().translate(_UMLAUTS)
    text = "".join(c for c in unicodedata.normalize("NFKD", text) if not unicodedata.combining(c))
    return " ".join(_WORD.findall(text))


def _digit(character: str) -> str:
    """٣ and ۳ are typed too."""
    return str(unicodedata.decimal(character)) if character.isdecimal() else character


def _loose(normal: str) -> str:
    """Some leave the dots out (Strobeck), some write them out (Stroebeck)."""
    return normal.replace(" ", "").replace("ae", "a").replace("oe", "o").replace("ue", "u")


def _allowed_typos(length: int) -> int:
    return 0 if length < 4 else 1 if length < 8 else 2


@cache
def known_towns() -> tuple[tuple[str, ...], ...]:
    """The names of each town in `towns.txt`, the one to show first."""
    lines = resources.files(__package__).joinpath("towns.txt").read_text(encoding="utf-8").splitlines()
    return tuple(tuple(line.split(", ")) for line in lines if line and not line.startswith("#"))


class PlaceFinder:
    """`towns` lie elsewhere and are known only as they are written, so that no typo here is taken for one there."""

    def __init__(
        self,
        places: Sequence[PlaceRecord],
        neighbours: Sequence[NeighbourRecord] = (),
        shared_postal_codes: Sequence[SharedPostalCode] = (),
        towns: Iterable[Sequence[str]] = (),
    ) -> None:
        self._records = {place.ags: place for place in places}
        self._options = {
            place.ags: PlaceOption(place.ags, place.slug, place.name, None, None, place.name)
            for place in places
        }
        self._names: list[_Name] = []
        self._exact: dict[str, list[_Name]] = defaultdict(list)
        self._by_code: dict[str, list[PlaceOption]] = defaultdict(list)
        self._shared = {code.postal_code: code.other_county for code in shared_postal_codes}
        self._neighbours = {
            _loose(normalise(neighbour.name)): Outside(neighbour.name, neighbour.county, neighbour.state)
            for neighbour in neighbours
        }
        self._neighbour_codes = {
            code: Outside(neighbour.name, neighbour.county, neighbour.state)
            for neighbour in neighbours
            for code in neighbour.postal_codes
        }
        self._towns = {
            _loose(normalise(written)): Outside(names[0], None)
            for names in towns
            for name in names
            for written in (name, *_shorter(name))
        }
        for place in places:
            self._add_place(place)

    def _add_place(self, place: PlaceRecord) -> None:
        option = self._options[place.ags]
        for name in (place.name, *place.alternate_names):
            self._add_name(name, option, is_place=True)
            for shorter in _shorter(name):
                self._add_name(shorter, option, is_place=True)
        if place.association:
            self._add_name(_without_fillers(place.association), option, is_place=True)
        seen_codes = set()
        for locality in place.localities:
            own = _loose(normalise(locality.name)) == _loose(normalise(place.name)) or any(
                _loose(normalise(locality.name)) == _loose(normalise(shorter))
                for shorter in _shorter(place.name)
            )
            village = PlaceOption(
                place.ags,
                place.slug,
                place.name,
                locality.name,
                locality.postal_code,
                place.name if own else f"{locality.name} ({place.name.split(' (')[0]})",
            )
            seen_codes.add(locality.postal_code)
            self._by_code[locality.postal_code].append(village)
            if not own:
                self._add_name(locality.name, village, is_place=False)
                for shorter in _shorter(locality.name):
                    self._add_name(shorter, village, is_place=False)
        for code in place.postal_codes:
            if code not in seen_codes:
                self._by_code[code].append(
                    PlaceOption(place.ags, place.slug, place.name, None, code, place.name)
                )

    def _add_name(self, text: str, option: PlaceOption, *, is_place: bool) -> None:
        normal = normalise(text)
        name = _Name(tuple(normal.split()), _loose(normal), option, is_place)
        for key in {normal, _loose(normal)}:
            if not any(other.option == option for other in self._exact[key]):
                self._exact[key].append(name)
        self._names.append(name)

    # Looking up.

    def all(self) -> tuple[PlaceOption, ...]:
        """The municipalities, in the order of the files."""
        return tuple(self._options.values())

    def by_ags(self, ags: str) -> PlaceOption | None:
        return self._options.get(ags)

    def centre(self, ags: str) -> tuple[float, float] | None:
        """Latitude and longitude of the municipality's middle."""
        record = self._records.get(ags)
        return (record.latitude, record.longitude) if record else None

    def ags_of(self, text: str) -> str | None:
        """The municipality that `text` names exactly (village, town or unambiguous postal code), else None."""
        result = self._look_up(normalise(text), guess=False)
        return result.places[0].ags if result.status == "found" else None

    def find(self, text: str) -> PlaceResult:
        return self._look_up(normalise(text), guess=True)

    def _look_up(self, normal: str, *, guess: bool) -> PlaceResult:
        if not normal:
            return PlaceResult("empty")
        code = _POSTAL_CODE.search(normal)
        words = [word for word in _POSTAL_CODE.sub(" ", normal).split() if word not in _FILLERS]
        if code and words:
            return self._code_and_name(code.group(), words, guess=guess)
        if code:
            return self._code(code.group())
        if not words:
            # Somebody may live in a village called "Stadt", but here it says nothing.
            return PlaceResult("unknown")
        if len(words) == 1 and words[0].isdigit():
            return self._part_of_code(words[0]) if guess else PlaceResult("unknown")
        return self._name(words, guess=guess)

    def _code(self, code: str) -> PlaceResult:
        options = self._by_code.get(code, [])
        if not options:
            near = self._one_digit_wrong(code)
            return PlaceResult("outside", near, self._neighbour_codes.get(code))
        other_county = self._shared.get(code)
        municipalities = {option.ags for option in options}
        if len(municipalities) == 1 and not other_county:
            option = self._options[options[0].ags]
            return PlaceResult(
                "found", (PlaceOption(option.ags, option.slug, option.name, None, code, option.name),)
            )
        choices = tuple(sorted(options, key=_town_first))
        return PlaceResult("choose", choices, Outside(None, other_county) if other_county else None)

    def _one_digit_wrong(self, code: str) -> tuple[PlaceOption, ...]:
        if code in self._neighbour_codes:
            return ()
        near = [
            self._options[option.ags]
            for known, options in self._by_code.items()
            if OSA.distance(code, known, score_cutoff=1) <= 1
            for option in options
        ]
        return tuple(dict.fromkeys(near))[:5]

    def _part_of_code(self, digits: str) -> PlaceResult:
        if not 3 <= len(digits) <= 4:
            return PlaceResult("unknown")
        options = [
            option
            for code in sorted(self._by_code)
            if code.startswith(digits)
            for option in sorted(self._by_code[code], key=_town_first)
        ]
        return PlaceResult("choose", tuple(options[:_MOST_CHOICES])) if options else PlaceResult("unknown")

    def _code_and_name(self, code: str, words: list[str], *, guess: bool) -> PlaceResult:
        by_code = self._code(code)
        by_name = self._name(words, guess=guess)
        if by_name.status not in ("found", "choose"):
            # An unknown village beside a postal code that lies here completely is one we do not list.
            if by_name.status == "outside" and by_code.status in ("outside", "choose"):
                return by_name
            return by_code
        if by_code.status == "outside":
            # The name is exact or nearly so, the code is not from here: one of them is wrong, so ask.
            if by_code.outside is not None or by_name.status == "choose":
                return PlaceResult("choose", by_name.places, by_code.outside)
            return by_name
        in_code = {option.ags for option in self._by_code[code]}
        both = tuple(option for option in by_name.places if option.ags in in_code)
        exact = tuple(option for option in both if option.postal_code in (None, code))
        chosen = exact or both
        if not chosen:
            return PlaceResult("choose", (*by_name.places, *by_code.places), by_code.outside)
        if len({option.ags for option in chosen}) == 1:
            return PlaceResult("found", chosen[:1])
        return PlaceResult("choose", chosen)

    def _name(self, words: list[str], *, guess: bool) -> PlaceResult:
        normal = " ".join(words)
        loose = _loose(normal)
        exact = self._exact.get(normal) or self._exact.get(loose) or self._village_of_place(words)
        if exact:
            return _one_or_choice([name.option for name in exact])
        if elsewhere := self._neighbours.get(loose) or self._towns.get(loose):
            return PlaceResult("outside", (), elsewhere)
        if not guess or len(normal) < 3:
            return PlaceResult("unknown")
        beginning = [name for name in self._names if self._begins(name, normal, loose)]
        if beginning:
            options = _distinct(name.option for name in sorted(beginning, key=lambda name: not name.is_place))
            if len({option.ags for option in options}) == 1 and len(loose) >= _SURE_PREFIX:
                return PlaceResult("found", options[:1])
            return PlaceResult("choose", options[:_MOST_CHOICES])
        return self._with_typos(words, loose)

    @staticmethod
    def _begins(name: _Name, normal: str, loose: str) -> bool:
        return name.loose.startswith(loose) or any(
            " ".join(name.words[start:]).startswith(normal) for start in range(1, len(name.words))
        )

    def _village_of_place(self, words: list[str]) -> list[_Name]:
        """`Wernigerode-Hasserode`, `Halberstadt OT Ströbeck`, `Ströbeck (Halberstadt)`."""
        for split in range(1, len(words)):
            first, second = " ".join(words[:split]), " ".join(words[split:])
            for place_text, village_text in ((first, second), (second, first)):
                places = {name.option.ags for name in self._known(place_text) if name.is_place}
                villages = [name for name in self._known(village_text) if name.option.ags in places]
                if villages:
                    return villages
        return []

    def _known(self, text: str) -> list[_Name]:
        return self._exact.get(text) or self._exact.get(_loose(text)) or []

    def _with_typos(self, words: list[str], loose: str) -> PlaceResult:
        allowed = _allowed_typos(len(loose))
        if not allowed:
            return PlaceResult("unknown")
        best = allowed + 1
        nearest: list[_Name] = []
        for name in self._names:
            distance = OSA.distance(loose, name.loose, score_cutoff=min(best, allowed))
            if distance < best:
                best, nearest = distance, [name]
            elif distance == best and distance <= allowed:
                nearest.append(name)
        outside = [
            neighbour
            for key, neighbour in self._neighbours.items()
            if OSA.distance(loose, key, score_cutoff=allowed) <= min(best - 1, allowed)
        ]
        if outside:
            return PlaceResult("outside", (), outside[0])
        if best <= allowed and nearest:
            return _one_or_choice([name.option for name in nearest])
        village = self._typo_beside_place(words)
        return village or PlaceResult("unknown")

    def _typo_beside_place(self, words: list[str]) -> PlaceResult | None:
        """`Wernigerode Haserode`: the town is right and the village misspelt or not listed."""
        for split in range(len(words) - 1, 0, -1):
            for known in (words[:split], words[-split:]):
                places = [name for name in self._known(" ".join(known)) if name.is_place]
                if places and len({name.option.ags for name in places}) == 1:
                    return PlaceResult("found", (places[0].option,))
        return None

    def suggest(self, text: str, limit: int = 8) -> tuple[PlaceOption, ...]:
        """While somebody is typing: exact names, then beginnings, towns before villages, then typos."""
        normal = normalise(text)
        words = [word for word in normal.split() if word not in _FILLERS]
        if not words:
            return ()
        if words[0].isdigit() and len(words) == 1:
            codes = [code for code in sorted(self._by_code) if code.startswith(words[0])]
            return _distinct(
                option for code in codes for option in sorted(self._by_code[code], key=_town_first)
            )[:limit]
        words = [word for word in words if not word.isdigit()] or words
        normal = " ".join(words)
        loose = _loose(normal)
        ranked: list[tuple[int, bool, str, PlaceOption]] = []

        def rank(name: _Name) -> int | None:
            if name.loose == loose:
                return 0
            if name.loose.startswith(loose):
                return 1
            return 2 if self._begins(name, normal, loose) else None

        for name in self._names:
            if (place := rank(name)) is not None:
                ranked.append((place, not name.is_place, _sort_key(name.option.label), name.option))
        options = _distinct(option for *_order, option in sorted(ranked, key=lambda entry: entry[:3]))
        if not options:
            options = self.find(text).places
        return options[:limit]

    def suggest_outside(self, text: str, limit: int = 3) -> tuple[str, ...]:
        """Places elsewhere whose name begins like this, so that those who live there see that they may say so."""
        loose = _loose(" ".join(word for word in normalise(text).split() if word not in _FILLERS))
        if len(loose) < _SURE_BEGINNING:
            return ()
        known = {**self._towns, **self._neighbours}
        names = sorted(place.name for key, place in known.items() if place.name and key.startswith(loose))
        return tuple(dict.fromkeys(names))[:limit]


def _shorter(name: str) -> list[str]:
    """`Blankenburg (Harz)` and `Falkenstein/Harz` are typed without the end, `Bad Suderode` without `Bad`."""
    shorter = []
    without_end = re.split(r"\s*[(/]|\s*,\s", name)[0].strip()
    if without_end and without_end != name:
        shorter.append(without_end)
    for text in (name, without_end):
        first, _, rest = text.partition(" ")
        if first == "Bad" and rest:
            shorter.append(rest)
    return list(dict.fromkeys(shorter))


def _without_fillers(name: str) -> str:
    """`Verbandsgemeinde Vorharz` is called Vorharz, and stands for all its municipalities."""
    return " ".join(word for word in name.split() if normalise(word) not in _FILLERS)


def _one_or_choice(options: Iterable[PlaceOption]) -> PlaceResult:
    distinct = _distinct(options)
    if len({option.ags for option in distinct}) == 1:
        return PlaceResult("found", distinct[:1])
    return PlaceResult("choose", tuple(sorted(distinct, key=_town_first)))


def _distinct(options: Iterable[PlaceOption]) -> tuple[PlaceOption, ...]:
    return tuple(dict.fromkeys(options))


def _town_first(option: PlaceOption) -> tuple[bool, str]:
    """Most people live in the town itself, so it stands before its villages."""
    return option.label != option.name, _sort_key(option.label)


def _sort_key(label: str) -> str:
    """As in German telephone books: ä beside a."""
    return _loose(normalise(label).replace(" ", "~"))
