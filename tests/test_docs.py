"""The documents: what they point to is there, and the commands they name exist."""

import re
from pathlib import Path

import click
import pytest

from portal.config import ROOT
from portal.web.cli import main
from tests.pictures import MOST_BYTES
from tests.pictures import PAGES as PAGES_ON_SHEETS

PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
PICTURES = sorted(path for path in (ROOT / "docs" / "images").iterdir() if path.is_file())
SHEETS = sorted((ROOT / "docs" / "images" / "languages").glob("*.webp"))
LARGEST_PICTURE = 120_000

_LINK = re.compile(r"\]\(([^)\s]+)\)")
_COMMAND = re.compile(r"(?:^|[`\s/])portal ((?:[a-z][a-z0-9-]*)(?: [a-z][a-z0-9-]*)*)")


def without_code(text: str) -> str:
    return re.sub(r"```.*?```|`[^`\n]*`", "", text, flags=re.S)


def anchors(page: Path) -> set[str]:
    """As GitHub makes them from headings."""
    headings = re.findall(r"^#+ +(.+)$", page.read_text(encoding="utf-8"), re.M)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def code(text: str) -> str:
    """Code in lines and in indented blocks, where commands stand; without the comments of the shell."""
    inline = re.findall(r"`([^`\n]+)`", text)
    blocks = [re.sub(r"(^|\s)#.*", "", line) for line in text.splitlines() if line.startswith("    ")]
    return "\n".join(inline + blocks)


def unknown_command(words: list[str]) -> bool:
    """Whether the words name no command; what follows a command are its arguments."""
    command: click.Command = main
    for word in words:
        if not isinstance(command, click.Group):
            return False
        if word not in command.commands:
            return True
        command = command.commands[word]
    return False


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    lost = []
    for target in _LINK.findall(without_code(page.read_text(encoding="utf-8"))):
        if re.match(r"[a-z]+:", target):
            continue
        path, _, anchor = target.partition("#")
        found = (page.parent / path).resolve() if path else page
        if not found.exists() or (anchor and anchor not in anchors(found)):
            lost.append(target)
    assert lost == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_commands_exist(page: Path) -> None:
    named = _COMMAND.findall(code(page.read_text(encoding="utf-8")))
    # After `docker compose exec` the service comes first, which has the name of the command.
    assert [words for words in named if unknown_command(words.removeprefix("portal ").split())] == []


def test_the_pattern_sees_commands() -> None:
    assert _COMMAND.findall(code("Run `.venv/bin/portal users frobnicate x`.")) == ["users frobnicate x"]
    assert unknown_command(["users", "frobnicate"])
    assert not unknown_command(["users", "list", "anything"])


@pytest.mark.parametrize("picture", PICTURES, ids=lambda picture: picture.name)
def test_pictures_are_small(picture: Path) -> None:
    assert picture.stat().st_size <= LARGEST_PICTURE


def test_every_picture_of_the_admin_area_is_shown() -> None:
    shown = (ROOT / "docs" / "coordinating.md").read_text(encoding="utf-8")
    pictures = [picture.name for picture in PICTURES if picture.name.startswith("admin-")]
    assert pictures
    assert [name for name in pictures if f"(images/{name})" not in shown] == []


def test_the_sheets_of_all_languages_are_small_together_and_shown() -> None:
    """Made by `make screenshots`."""
    assert {sheet.stem for sheet in SHEETS} == set(PAGES_ON_SHEETS)
    assert sum(sheet.stat().st_size for sheet in SHEETS) <= MOST_BYTES
    shown = (ROOT / "docs" / "screens.md").read_text(encoding="utf-8")
    assert [sheet.name for sheet in SHEETS if f"(images/languages/{sheet.name})" not in shown] == []
