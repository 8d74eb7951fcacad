"""What stands in a form, as a tree: `phones.0.number` is the number of the first phone.

A page is always made from such a tree: from a record, from what was just sent, or from what was kept.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from portal.catalogue.editing import EntryProblem

DEEPEST = 7
MOST_ROWS = 200
NO_FIELD = ("record", "slug", "status", "assured_date")
"""Of a record, but not of a form: what is wrong with them is said above the form."""

Node = dict[str, Any]
"""Names to lists of texts (fields), or to nodes; rows of a group have numbers as names."""


def nested(pairs: Iterable[tuple[str, str]]) -> Node:
    """Names that are too deep, or that are both a field and a group, are left out: no form of ours sends them."""
    root: Node = {}
    for name, value in pairs:
        steps = name.split(".")
        if len(steps) > DEEPEST:
            continue
        node: Any = root
        for step in steps[:-1]:
            node = node.setdefault(step, {}) if isinstance(node, dict) else None
        if isinstance(node, dict):
            leaf = node.setdefault(steps[-1], [])
            if isinstance(leaf, list):
                leaf.append(value.replace("\0", ""))
    return root


def flat(node: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    for name, value in node.items():
        if isinstance(value, Mapping):
            yield from flat(value, f"{prefix}{name}.")
        else:
            for text in value:
                yield f"{prefix}{name}", text


def texts(node: Mapping[str, Any], name: str) -> list[str]:
    found = node.get(name, [])
    return [text.strip() for text in found] if isinstance(found, list) else []


def text(node: Mapping[str, Any], name: str) -> str:
    """White space around it means nothing, and browsers send two characters for the end of a line."""
    found = texts(node, name)
    return found[0].replace("\r\n", "\n") if found else ""


def ticked(node: Mapping[str, Any], name: str) -> bool:
    return text(node, name) == "y"


def below(node: Mapping[str, Any], name: str) -> Node:
    found = node.get(name)
    return found if isinstance(found, dict) else {}


def rows(node: Mapping[str, Any], name: str) -> list[Node]:
    """The rows of a group in their order."""
    group = below(node, name)
    numbered = sorted((int(key), key) for key in group if key.isascii() and key.isdigit())
    return [group[key] for _number, key in numbered[:MOST_ROWS] if isinstance(group[key], dict)]


def numbered(found: Iterable[Node]) -> Node:
    return {str(index): row for index, row in enumerate(found)}


def renumbered(node: Mapping[str, Any]) -> Node:
    """Rows counted from 0 without gaps, as templates walk through them; in every group, also inside of rows."""
    inner = {name: renumbered(value) if isinstance(value, Mapping) else value for name, value in node.items()}
    if inner and all(name.isascii() and name.isdigit() for name in inner):
        return numbered(inner[name] for name in sorted(inner, key=int))
    return inner


def at(root: Node, path: str) -> Node:
    """The node that a path leads to, made when it is missing."""
    node = root
    for step in path.split(".") if path else ():
        inner = node.get(step)
        if not isinstance(inner, dict):
            inner = node[step] = {}
        node = inner
    return node


def is_blank(node: Any, *, but: Iterable[str] = ()) -> bool:
    """Nothing was entered; fields named in `but` have a value from the start."""
    if isinstance(node, Mapping):
        return all(is_blank(value, but=but) for name, value in node.items() if name not in but)
    return not any(text.strip() for text in node)


@dataclass(frozen=True, slots=True)
class Field:
    """What the macros of `ui/form.html` need."""

    name: str
    data: str
    errors: tuple[str, ...] = ()
    all: tuple[str, ...] = ()
    """Every value of a group of ticks."""

    @property
    def id(self) -> str:
        return "f-" + self.name.replace(".", "-")


@dataclass(slots=True)
class Shown:
    """A tree with what is wrong in it, for a template."""

    tree: Node
    problems: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Name of the field → sentences."""
    used: set[str] = field(default_factory=set)

    def f(self, name: str) -> Field:
        prefix, _, last = name.rpartition(".")
        node = self._node(prefix)
        self.used.add(name)
        values = node.get(last, []) if node else []
        values = values if isinstance(values, list) else []
        return Field(
            name, values[0] if values else "", self.problems.get(name, ()), tuple(v.strip() for v in values)
        )

    def _node(self, path: str) -> Node:
        node: Any = self.tree
        for step in path.split(".") if path else ():
            node = node.get(step, {}) if isinstance(node, dict) else {}
        return node if isinstance(node, dict) else {}

    def count(self, path: str) -> int:
        """How many rows a group has."""
        return len(rows(self._node(path.rpartition(".")[0]), path.rpartition(".")[2]))

    def summary(self) -> list[tuple[str, str, str]]:
        """Every problem once: the id of the field or the group to go to, the field's path, and the sentence."""
        return [
            (self._anchor(name), name, sentence)
            for name, found in self.problems.items()
            for sentence in found
        ]

    def _anchor(self, name: str) -> str:
        prefix, _, last = name.rpartition(".")
        node = self._node(prefix)
        if isinstance(node.get(last), dict):
            return "g-" + name.replace(".", "-")
        return "edit" if name in NO_FIELD else Field(name, "").id


def by_field(problems: Iterable[EntryProblem], word: Any) -> dict[str, tuple[str, ...]]:
    found: dict[str, list[str]] = {}
    for problem in problems:
        sentence = word(problem)
        sentences = found.setdefault(problem.field, [])
        if sentence not in sentences:
            sentences.append(sentence)
    return {name: tuple(sentences) for name, sentences in found.items()}
