"""What a screen reader gets to read, in its order: the browser's own accessibility tree of the main pages.

The expected trees lie in `snapshots/`, to be read like a page. After a change that is meant:

    RENEW_SNAPSHOTS=1 .venv/bin/python -m pytest tests/journeys/test_access_tree.py

then read what `git diff` says about them, as if somebody read it aloud.
"""

import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.accessibility import recorded
from tests.journeys.conftest import Phone, Site
from tests.journeys.states import offer_address, open_all, steps
from tests.journeys.test_journeys import YOUNG

pytestmark = pytest.mark.browser
FOLDER = Path(__file__).parent / "snapshots"
RENEW = bool(os.environ.get("RENEW_SNAPSHOTS"))

SILENT = {
    "RootWebArea", "generic", "none", "InlineTextBox", "LineBreak", "ListMarker", "LabelText", "Legend", "Figcaption",
    "image", "mark", "strong", "emphasis",
}  # fmt: skip
"""Roles that say nothing themselves; what is in them is read. Pictures are decoration, or have a name."""
CONTROLS = {"radio", "checkbox", "textbox", "searchbox", "combobox"}
WHOLE = {"link", "button", "heading", "option", "DisclosureTriangle", "term", "status", *CONTROLS}
"""Their text is their name."""
OUR_WORD = {"DisclosureTriangle": "summary"}
STATES = (
    "level",
    "checked",
    "expanded",
    "invalid",
    "required",
    "disabled",
    "pressed",
    "selected",
    "autocomplete",
)

Node = dict[str, Any]


def tree(phone: Phone) -> str:
    """The tree as lines: role, name, states, description; indented by what contains it."""
    session = phone.context.new_cdp_session(phone.page)
    nodes: list[Node] = session.send("Accessibility.getFullAXTree")["nodes"]
    session.detach()
    by_id = {node["nodeId"]: node for node in nodes}
    text = "\n".join(_lines(nodes[0], by_id, 0))
    return re.sub(r"http://127\.0\.0\.1:\d+", "http://portal", text) + "\n"


def _lines(node: Node, by_id: dict[str, Node], depth: int) -> Iterator[str]:
    role, name = _value(node, "role"), " ".join(_value(node, "name").split())
    children = [by_id[id_] for id_ in node.get("childIds", ()) if id_ in by_id]
    shown = not node.get("ignored") and (role not in SILENT or (role == "image" and name))
    if role == "StaticText":
        if name and not node.get("ignored"):
            yield f"{'  ' * depth}text: {name}"
        return
    if role == "LabelText" and any(_value(n, "role") in CONTROLS for n in _within(node, by_id)):
        # The words of the label are the name of what is in it.
        children = [n for n in _within(node, by_id) if _value(n, "role") in CONTROLS]
    if not shown:
        yield from _joined(line for child in children for line in _lines(child, by_id, depth))
        return
    below = (
        [] if role in WHOLE else list(_joined(line for c in children for line in _lines(c, by_id, depth + 1)))
    )
    if role == "paragraph" and all(line.lstrip().startswith("text: ") for line in below):
        if below:
            yield f"{'  ' * depth}paragraph: {' '.join(line.split('text: ', 1)[1] for line in below)}"
        return
    head = OUR_WORD.get(role, role) + (f' "{name}"' if name else "")
    for state in node.get("properties", ()):
        if state["name"] == "level" and role != "heading":
            continue
        if state["name"] in STATES and state["value"].get("value") not in (False, "false", None):
            head += f" [{state['name']}={state['value']['value']}]"
    if value := _value(node, "value"):
        head += f" ({value})"
    if description := " ".join(_value(node, "description").split()):
        head += f" — {description}"
    yield f"{'  ' * depth}{head}"
    yield from below
    if role in WHOLE:
        # A link in a heading, a number in a term: what can be touched inside is read by itself.
        for child in children:
            yield from (
                line for line in _lines(child, by_id, depth + 1) if not line.lstrip().startswith("text: ")
            )


def _within(node: Node, by_id: dict[str, Node]) -> Iterator[Node]:
    for id_ in node.get("childIds", ()):
        if id_ in by_id:
            yield by_id[id_]
            yield from _within(by_id[id_], by_id)


def _value(node: Node, key: str) -> str:
    return str(node.get(key, {}).get("value", ""))


def _joined(lines: Iterator[str]) -> Iterator[str]:
    """Texts that follow one another are read in one go."""
    waiting = ""
    for line in lines:
        same = line.lstrip().startswith("text: ") and waiting and _depth(line) == _depth(waiting)
        if same:
            waiting += " " + line.split("text: ", 1)[1]
            continue
        if waiting:
            yield waiting
            waiting = ""
        if line.lstrip().startswith("text: "):
            waiting = line
        else:
            yield line
    if waiting:
        yield waiting


def _depth(line: str) -> int:
    return len(line) - len(line.lstrip())


def start(tab: Phone, site: Site) -> None:
    tab.page.goto("/de/")


def topics(tab: Phone, site: Site) -> None:
    tab.page.goto("/de/check")
    next(one for one in steps(tab, YOUNG, site) if one == "topic")


def place(tab: Phone, site: Site) -> None:
    tab.page.goto("/de/check")
    next(one for one in steps(tab, YOUNG, site) if one == "place")


def mistake(tab: Phone, site: Site) -> None:
    tab.page.goto("/de/check/who")
    tab.page.click('form#question button:not([type="button"])')
    tab.page.wait_for_selector("main [data-focus]")


def result(tab: Phone, site: Site) -> None:
    tab.page.goto("/de/check")
    for _step in steps(tab, YOUNG, site):
        pass
    open_all(tab)


def search(tab: Phone, site: Site) -> None:
    tab.page.goto("/de/offers?q=schulden&free=1")
    tab.page.locator("details.filter > summary").first.click()


def offer(tab: Phone, site: Site) -> None:
    tab.page.goto(f"/de/{offer_address(site)}")


def help_now(tab: Phone, site: Site) -> None:
    tab.page.goto("/de/help-now")


def not_found(tab: Phone, site: Site) -> None:
    tab.page.goto("/de/nothing-here")


PAGES: dict[str, Callable[[Phone, Site], None]] = {
    made.__name__: made
    for made in (start, topics, place, mistake, result, search, offer, help_now, not_found)
}


@pytest.mark.parametrize("name", PAGES)
def test_the_page_is_read_as_expected(phone: Any, site: Site, name: str) -> None:
    tab = phone(site)
    with recorded("reading_order", "de") as look:
        PAGES[name](tab, site)
        tab.page.wait_for_load_state("networkidle")
        found = tree(tab)
        file = FOLDER / f"{name}.txt"
        if RENEW:
            FOLDER.mkdir(exist_ok=True)
            file.write_text(found, encoding="utf-8")
        look.at(f"de, {name}")
        assert found == file.read_text(encoding="utf-8"), f"see the head of {Path(__file__).name}"


@pytest.mark.parametrize("name", PAGES)
def test_what_is_expected_is_in_order(name: str) -> None:
    """The snapshots themselves: whoever renews them in a hurry must not write a fault into them."""
    lines = (FOLDER / f"{name}.txt").read_text(encoding="utf-8").splitlines()
    bare = [line.strip() for line in lines]
    assert sum(line.startswith("heading ") and "[level=1]" in line for line in bare) == 1
    assert bare[0].startswith("link"), "first the way past the head of the page"
    order = [
        next(i for i, line in enumerate(bare) if re.match(role, line))
        for role in ("banner", "main", "contentinfo")
    ]
    assert order == sorted(order)
    nameless = re.compile(
        r"(link|button|radio|checkbox|textbox|searchbox|combobox|navigation|heading|image)( \[|$)"
    )
    assert [line for line in bare if nameless.match(line)] == []
