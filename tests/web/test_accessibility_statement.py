"""The accessibility statement, sign language and Leichte Sprache: what the law asks for, and never more than was tested."""

import json
import re
import shutil
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from pydantic import ValidationError

from portal.web import tested
from portal.web.application import build
from portal.web.tested import FILE, NAMES, Outcome, Run, read, write
from tests.accessibility import COMMAND, LANGUAGES, axe_version, nu_version
from tests.web.conftest import NOW
from tests.web.pages import Page, PageClient, text_of


def test_the_file_is_what_the_command_writes() -> None:
    """Not older than the tests: kinds of tests, languages and versions are those of today."""
    run = read(FILE)
    assert run.command == COMMAND
    assert tuple(test.name for test in run.tests) == NAMES
    tools = {test.name: test.tool for test in run.tests}
    assert f"axe-core {axe_version()}," in tools["rules"]
    assert tools["html"] == f"Nu Html Checker {nu_version()}"
    languages = {test.name: test.languages for test in run.tests}
    assert languages["rules"] == languages["reflow"] == LANGUAGES


def test_the_file_is_never_written_by_hand_with_too_much() -> None:
    for wrong in (
        {"views": 0},
        {"tool": ""},
        {"languages": []},
        {"name": "people"},
        {"praise": "flawless"},
    ):
        with pytest.raises(ValidationError):
            Outcome.model_validate({**a_test().model_dump(), **wrong})


def a_test(**changes: Any) -> Outcome:
    values = {
        "name": "rules",
        "tool": "axe-core 1.2.3",
        "views": 40,
        "languages": ("de", "ar"),
        "findings": (),
    }
    return Outcome.model_validate({**values, **changes})


def a_run(*tests: Outcome) -> Run:
    return Run(
        command=COMMAND,
        at=datetime(2026, 11, 18, 23, 30, tzinfo=UTC),
        commit="a" * 40,
        changed=False,
        tests=tests,
    )


def test_a_run_is_read_as_it_was_written(tmp_path: Path) -> None:
    run = a_run(a_test(findings=("de, /de/: one",)), a_test(name="html", views=2))
    write(tmp_path / "run.json", run)
    assert read(tmp_path / "run.json") == run
    assert (run.views, run.languages, run.findings) == (42, ("de", "ar"), ("de, /de/: one",))


@pytest.fixture
def statement(client: PageClient, monkeypatch: pytest.MonkeyPatch) -> Any:
    def show(run: Run, path: str = "/de/accessibility") -> Page:
        monkeypatch.setattr(tested, "last_run", lambda: run)
        # A query, because the page itself may be kept.
        return client.page(f"{path}?{len(run.findings)}")

    return show


def test_without_findings_the_statement_says_when_what_and_with_what(statement: Any) -> None:
    page = statement(a_run(a_test(), a_test(name="keyboard", tool="Chromium 1", views=7)))
    section = text_of(page.one("section[aria-labelledby=tested]"))
    assert "19. November 2026" in section, "the day where the portal is"
    assert "47 Seiten und Zustände" in section
    assert "Deutsch und العربية" in section
    assert "axe-core 1.2.3" in section
    assert "keinen Fehler" in section
    assert "offen" not in section


def test_each_test_claims_only_what_it_looked_at(statement: Any) -> None:
    page = statement(a_run(a_test(views=1040), a_test(name="reading_order", views=9, languages=("de",))))
    rules, order = (text_of(row) for row in page.one("section[aria-labelledby=tested]").select("dd"))
    assert "1.040 · Deutsch und العربية" in rules
    assert "9 · Deutsch" in order
    assert "العربية" not in order


def test_open_findings_stand_in_the_statement(statement: Any) -> None:
    page = statement(a_run(a_test(findings=("de, /de/: <img> without words", "ar, /ar/: too pale"))))
    section = page.one("section[aria-labelledby=tested]")
    assert "2 Fehler sind noch offen." in text_of(section)
    assert [text_of(li) for li in section.select("li")] == [
        "de, /de/: <img> without words",
        "ar, /ar/: too pale",
    ]
    assert section.select_one("ul")["lang"] == "en"
    assert "keinen Fehler" not in text_of(section)


def test_the_statement_claims_no_audit_by_people(client: PageClient) -> None:
    text = client.page("/de/accessibility").text
    assert "erfüllt die Regeln zum Teil" in text
    assert "Menschen mit Behinderung und eine unabhängige Stelle haben es noch nicht geprüft" in text
    assert "anlauf@musterkreis.example" in text, "how to tell us"
    assert "Durchsetzungsstelle" in text
    assert "fehlen hier noch" in text


@pytest.mark.parametrize("lang", ["de", "ar"])
def test_the_start_page_leads_to_sign_language_and_leichte_sprache(client: PageClient, lang: str) -> None:
    start = client.page(f"/{lang}/")
    signs = start.one(f'main a[href="/{lang}/sign-language"]')
    assert text_of(signs)
    easy = [a for a in start.all("main a") if text_of(a) == "Leichte Sprache" and "explained" in a["href"]]
    assert len(easy) == 1
    assert str(easy[0]["lang"]).startswith("de")
    explained = client.page(str(easy[0]["href"]))
    for target in ("check", "offers", "help-now", "privacy", "accessibility", "sign-language"):
        assert explained.all(f'.prose a[href="{target}"]'), target


def test_without_a_film_the_page_says_so_and_names_who_can_be_written_to(client: PageClient) -> None:
    page = client.page("/de/sign-language")
    assert not page.all("video")
    assert "noch keinen Film" in page.text
    names = [text_of(card) for card in page.all("main ul.cards > li")]
    assert names
    services = {s.name: s for s in client.app.extensions["portal"].catalogue.helplines}
    for name in names:
        found = next(s for known, s in services.items() if known in name)
        assert {"gebaerdensprache", "chat", "mail", "forum", "app"} & set(found.formats), name
    assert client.get("/sign-language-video").status_code == 404


def test_a_film_of_the_region_is_played_from_here(own_settings: Any, tmp_path: Path) -> None:
    content = tmp_path / "content"
    shutil.copytree(own_settings.content_dir, content)
    film = content / "regions/musterkreis/sign-language.mp4"
    film.write_bytes(bytes(range(256)) * 8)
    app: Flask = build(own_settings.model_copy(update={"content_dir": content}), now=lambda: NOW)
    client = PageClient(app)
    try:
        page = client.page("/de/sign-language")
        video = page.one("video")
        assert video["src"] == "/sign-language-video"
        assert video.has_attr("controls")
        assert not video.has_attr("autoplay")
        assert "noch keinen Film" not in page.text
        assert "media-src 'self'" in page.response.headers["Content-Security-Policy"]
        assert "media-src" not in client.get("/de/accessibility").headers["Content-Security-Policy"]
        with client.get("/sign-language-video", headers={"Range": "bytes=256-259"}) as part:
            assert (part.status_code, part.data, part.content_type) == (206, b"\x00\x01\x02\x03", "video/mp4")
    finally:
        app.extensions["portal"].store.engine.dispose()


def test_the_lock_file_of_the_checker_is_pinned_by_hash() -> None:
    root = Path(__file__).resolve().parent.parent.parent
    for folder in ("nu", "lighthouse"):
        wanted = json.loads((root / ".ci" / folder / "package.json").read_text(encoding="utf-8"))[
            "dependencies"
        ]
        locked = json.loads((root / ".ci" / folder / "package-lock.json").read_text(encoding="utf-8"))[
            "packages"
        ]
        assert {name: locked[f"node_modules/{name}"]["version"] for name in wanted} == wanted
        loose = [name for name, package in locked.items() if name and not package.get("integrity")]
        assert loose == []
        assert all(re.fullmatch(r"[\d.]+", version) for version in wanted.values())
