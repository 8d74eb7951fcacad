"""Rules of the house that no page shows: addresses, icons, escaping, licences."""

import inspect
import json
import re
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import yaml
from flask import Flask, g, url_for

from portal.web import current, rendering
from portal.web.assets import squeezed
from portal.web.public import addresses

ROOT = Path(__file__).resolve().parents[2]
TEMPLATES = rendering.TEMPLATES
ASSETS = rendering.ASSETS
ICONS = {path.stem for path in (ASSETS / "icons").glob("*.svg")}

WRITTEN_OUT: dict[str, tuple[tuple[Any, ...], str, dict[str, str]]] = {
    "question": (("age",), "public.question", {"question_id": "age"}),
    "result": ((), "public.result", {}),
    "bilingual": (("jobcenter",), "public.result_bilingual", {"kind": "jobcenter"}),
    "result_both": ((), "public.result_both", {}),
    "organization": (("jobcenter",), "public.organization", {"slug": "jobcenter"}),
    "offer": (("schuldnerberatung",), "public.offer", {"slug": "schuldnerberatung"}),
    "offer_calendar": (("schuldnerberatung",), "public.offer_calendar", {"slug": "schuldnerberatung"}),
    "offer_qr": (("schuldnerberatung",), "public.offer_qr", {"slug": "schuldnerberatung"}),
    "kept_card": (("schuldnerberatung",), "public.kept_card", {"slug": "schuldnerberatung"}),
    "slip": ((), "public.slip", {}),
    "slip_code": ((), "public.slip_code", {}),
    "mine": ((), "public.mine", {}),
    "start": ((), "public.start", {}),
    "place_suggestions": ((), "public.place_suggestions", {}),
    "forget": ((), "public.forget", {}),
    "offers": ((), "public.offers", {}),
}
"""Function of addresses.py → arguments, and the route it must agree with."""


def test_no_address_is_forgotten_here() -> None:
    functions = {
        name
        for name, value in inspect.getmembers(addresses, inspect.isfunction)
        if value.__module__ == addresses.__name__
    }
    assert functions == set(WRITTEN_OUT)


@pytest.mark.parametrize("lang", ["de", "en", "ar"])
@pytest.mark.parametrize("name", WRITTEN_OUT)
def test_addresses_that_are_written_out_are_those_of_the_routes(
    musterkreis_app: Flask, name: str, lang: str
) -> None:
    arguments, endpoint, values = WRITTEN_OUT[name]
    with musterkreis_app.test_request_context("/"):
        portal = musterkreis_app.extensions["portal"]
        g.lang = lang
        current.begin(portal, portal.languages[lang])
        assert getattr(addresses, name)(*arguments) == url_for(endpoint, lang=lang, **values)


def test_an_address_with_a_query_is_that_of_the_route(musterkreis_app: Flask) -> None:
    with musterkreis_app.test_request_context("/"):
        portal = musterkreis_app.extensions["portal"]
        g.lang = "de"
        current.begin(portal, portal.languages["de"])
        written = addresses.offers(kind="jobcenter", place="Süßenwalde & Söhne", topic=None)
        assert musterkreis_app.test_client().get(written).status_code == 200
        parts = urlsplit(written)
        with musterkreis_app.test_request_context(written) as context:
            assert dict(context.request.args) == {"kind": "jobcenter", "place": "Süßenwalde & Söhne"}
        assert parts.path == url_for("public.offers", lang="de")


def icons_in(value: Any) -> Iterator[str]:
    """Every value of a key `icon`, however deep."""
    if isinstance(value, dict):
        for key, inner in value.items():
            if key == "icon" and inner:
                yield str(inner)
            else:
                yield from icons_in(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from icons_in(inner)


def test_every_icon_that_is_named_exists() -> None:
    files = [*ROOT.glob("questionnaires/*.yaml"), *ROOT.glob("content/**/*.yaml")]
    named: dict[str, str] = {}
    for path in files:
        for icon in icons_in(yaml.load(path.read_text(encoding="utf-8"), Loader=yaml.CSafeLoader)):
            named.setdefault(icon, path.name)
    for path in TEMPLATES.rglob("*.html"):
        for icon in re.findall(r'icon\("([a-z0-9_-]+)"', path.read_text(encoding="utf-8")):
            named.setdefault(icon, path.name)
    assert len(named) > 50
    missing = {icon: where for icon, where in named.items() if icon.replace("_", "-") not in ICONS}
    assert not missing


def test_every_icon_can_be_put_into_a_page() -> None:
    icons = rendering.Icons()
    for name in ICONS:
        markup = str(icons(name))
        assert name in icons
        assert "<path" in markup or "<circle" in markup or "<rect" in markup or "<line" in markup, name
        assert not re.search(r"<script|on\w+=|href|style=", markup), name
        assert 'aria-hidden="true"' in markup


KNOWN_SAFE = {("public/page.html", "html"), ("public/page.html", "data_html")}
"""Editorial pages: cleaned by nh3 in portal/content.py."""


def test_only_cleaned_pages_are_taken_as_markup() -> None:
    found = set()
    for path in TEMPLATES.rglob("*.html"):
        text = path.read_text(encoding="utf-8")
        name = path.relative_to(TEMPLATES).as_posix()
        found |= {(name, what) for what in re.findall(r"\{\{\s*([\w.]+)\s*\|\s*safe\b", text)}
        assert len(re.findall(r"\|\s*safe\b", text)) == len([f for f in found if f[0] == name]), name
        assert "autoescape" not in text, name
        assert not re.search(r"\|\s*(forceescape|xmlattr|json)\b", text.replace('|json("', "")), name
    assert found == KNOWN_SAFE


def test_markup_is_made_in_few_places() -> None:
    """Whatever becomes Markup is made from checked parts; a new place is a decision."""
    makers = {
        path.relative_to(ROOT / "portal").as_posix()
        for path in (ROOT / "portal").rglob("*.py")
        if re.search(r"\bMarkup\(", path.read_text(encoding="utf-8"))
    }
    assert makers <= {
        "web/admin/security.py", "web/rendering.py", "web/fragments.py", "web/public/qr.py", "web/public/check.py", "web/public/outcome.py",
    }  # fmt: skip


def test_templates_translate_every_word_they_show() -> None:
    """A word between tags that is not in {{ }} would be the same in every language."""
    shown = {}
    for path in TEMPLATES.rglob("*.html"):
        name = path.relative_to(TEMPLATES).as_posix()
        if name.startswith("dev/"):
            continue
        text = re.sub(
            r"\{#.*?#\}|\{%.*?%\}|\{\{.*?\}\}|<svg.*?</svg>|<!--.*?-->",
            " ",
            path.read_text(encoding="utf-8"),
            flags=re.S,
        )
        text = re.sub(r"<[^>]*>|\b(?:lang|dir)=|\baria-[a-z]+=\"[^\"]*\"", "\n", text, flags=re.S)
        if words := [line for line in re.findall(r"[A-Za-zÄÖÜäöüß]{3,}", text) if line not in ALLOWED_WORDS]:
            shown[name] = words
    assert not shown


ALLOWED_WORDS = {"SMS"}
"""The same in every language."""


@pytest.mark.parametrize(
    ("licence", "words"),
    [("htmx.LICENSE.txt", "Zero-Clause BSD|BSD"), ("icons/LICENSE.txt", "ISC|MIT")],
)
def test_what_others_made_comes_with_its_licence(licence: str, words: str) -> None:
    text = (ASSETS / licence).read_text(encoding="utf-8")
    assert re.search(words, text)
    assert re.search(r"Copyright|Permission", text)


def test_every_asset_is_ours_or_named_in_the_list_of_dependencies() -> None:
    ours = {
        "app.css",
        "more.css",
        "paper.css",
        "app.js",
        "icon.svg",
        "worker.js",
        "saved.js",
        "clearing.js",
        "readaloud.js",
        "icon-192.png",
        "icon-512.png",
        "icon-maskable.png",
    }
    documented = (ROOT / "docs" / "dependencies.md").read_text(encoding="utf-8").lower()
    for path in ASSETS.iterdir():
        if path.is_file() and path.name not in ours and "LICENSE" not in path.name:
            assert path.name.split(".")[0] in documented, f"{path.name} is not in docs/dependencies.md"


def test_scripts_ask_nobody_else(musterkreis_app: Flask) -> None:
    for name in ("app.js", "worker.js", "saved.js", "clearing.js", "readaloud.js"):
        text = (ASSETS / name).read_text(encoding="utf-8")
        assert not re.search(r"https?://(?!localhost)", text), name


def test_the_manifest_is_complete(musterkreis_app: Flask) -> None:
    client = musterkreis_app.test_client()
    address = musterkreis_app.extensions["portal"].page_constants["de"]["manifest_url"]
    manifest = json.loads(client.get(address).get_data())
    assert {"name", "start_url", "display", "lang", "dir"} <= set(manifest)
    assert "Anlauf" not in manifest["name"] + manifest["short_name"], "others see the phone, too"
    purposes = set()
    for icon in manifest["icons"]:
        answer = client.get(icon["src"])
        assert answer.status_code == 200, icon
        purposes.add((icon["sizes"], icon.get("purpose")))
        if icon["type"] == "image/png":
            width, height = struct.unpack(">II", answer.get_data()[16:24])
            assert icon["sizes"] == f"{width}x{height}"
    assert {("192x192", None), ("512x512", None), ("512x512", "maskable")} <= purposes
    assert client.get(manifest["start_url"]).status_code in (200, 302)


@pytest.mark.parametrize("encoding", ["gzip", "br", "gzip, deflate, br", "identity", "br;q=0, gzip", ""])
def test_assets_come_packed_as_asked_and_stay_the_same(musterkreis_app: Flask, encoding: str) -> None:
    import gzip

    import brotli

    client = musterkreis_app.test_client()
    address = musterkreis_app.extensions["portal"].page_constants["de"]["script_url"]
    response = client.get(address, headers={"Accept-Encoding": encoding})
    used = response.headers.get("Content-Encoding", "")
    assert used in encoding
    assert "immutable" in response.headers["Cache-Control"]
    unpack = {"": bytes, "gzip": gzip.decompress, "br": brotli.decompress}[used]
    assert unpack(response.get_data()) == squeezed((ASSETS / "app.js").read_bytes())


def test_our_scripts_can_be_squeezed_line_by_line() -> None:
    """No text or comment of theirs goes over several lines, so that nothing but white space and comments is lost."""
    for path in ASSETS.glob("*.js"):
        if ".min" in path.name:
            continue
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            assert line.replace("\\`", "").count("`") % 2 == 0, (
                f"{path.name}:{number}: a text over several lines"
            )
            assert not line.lstrip().startswith(("/*", "*")), (
                f"{path.name}:{number}: a comment over several lines"
            )
            assert not line.rstrip().endswith("\\"), f"{path.name}:{number}: a text over several lines"


def test_an_old_asset_address_is_gone_and_not_another_file(musterkreis_app: Flask) -> None:
    client = musterkreis_app.test_client()
    for name in ("app.js", "app.0000000000.js", "../app.css", "..%2F..%2Fcli.py", "app.css", "icons"):
        assert client.get(f"/static/{name}").status_code == 404, name
