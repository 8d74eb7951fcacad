"""`portal translations status|check|extract`, and the crawler, on texts with planted mistakes."""

import json
import shutil
from collections import Counter
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner, Result

from portal.config import ROOT, Settings
from portal.web.cli import main
from portal.web.crawling import Judge, Report, read
from portal.web.languages import available
from portal.web.translating import _written, check, templates, update
from portal.web.translation_report import Line, findings, status
from tests.web.conftest import SECRET
from tests.web.pages import PageClient


@pytest.fixture
def files(tmp_path: Path) -> Settings:
    """Settings that point to copies of translations and content."""
    shutil.copytree(ROOT / "translations", tmp_path / "translations", ignore=shutil.ignore_patterns("*.mo"))
    # One region is enough, and twice as fast.
    shutil.copytree(ROOT / "content", tmp_path / "content", ignore=shutil.ignore_patterns("harz"))
    return Settings(
        secret_key=SECRET,
        region="musterkreis",
        data_dir=tmp_path / "data",
        content_dir=tmp_path / "content",
        translations_dir=tmp_path / "translations",
    )


def declare(files: Settings, **states: str) -> None:
    languages = {code.replace("_", "-"): state for code, state in states.items()}
    (files.translations_dir / "languages.yaml").write_text(
        yaml.safe_dump({"languages": {"de": "complete", "en": "complete", **languages}}), encoding="utf-8"
    )


def put(files: Settings, language: str, domain: str, msgid: str, *translation: str) -> None:
    """Give one text a translation, plural forms one after the other."""
    path = files.translations_dir / language / "LC_MESSAGES" / f"{domain}.po"
    lines = path.read_text(encoding="utf-8").split("\n\n")
    [index] = [i for i, entry in enumerate(lines) if _msgid(entry) == msgid]
    head = lines[index][: lines[index].index("\nmsgstr")]
    if len(translation) > 1:
        told = "\n".join(
            f"msgstr[{i}] {json.dumps(text, ensure_ascii=False)}" for i, text in enumerate(translation)
        )
    else:
        told = f"msgstr {json.dumps(translation[0], ensure_ascii=False)}"
    lines[index] = f"{head}\n{told}"
    path.write_text("\n\n".join(lines) + "\n", encoding="utf-8")


def _msgid(entry: str) -> str:
    found: list[str] = []
    inside = False
    for line in entry.splitlines():
        if line.startswith("msgid "):
            inside, line = True, line.removeprefix("msgid ")
        elif line.startswith("msg"):
            break
        if inside and line.startswith('"'):
            found.append(json.loads(line))
    return "".join(found)


def told(files: Settings, language: str) -> list[str]:
    return [str(finding) for finding in findings(files, [language])]


def of_catalogues(files: Settings) -> list[str]:
    return [str(finding) for finding in check(files.translations_dir, files.questionnaires_dir)]


OFFERS = "%(num)s offer"
WHERE = "near %(place)s"


@pytest.mark.parametrize(
    ("msgid", "translation", "problem"),
    [
        (WHERE, ("в %(town)s",), "placeholders differ"),
        (WHERE, ("поруч",), "placeholders differ (place)"),
        (WHERE, ("100 % %(place)s",), "no placeholder"),
        (OFFERS, ("одна пропозиція", "%(num)s пропозиції", "%(num)s пропозицій"), "plural form 0 stands for"),
        (OFFERS, ("%(num)s пропозиція", "%(num)s пропозиції", ""), "some plural forms are missing"),
        ("Search offers", ("Angebote suchen",), "still German"),
        ("Search offers", ("Search offers",), "still English"),
        ("Search offers", ("<b>Шукати</b> пропозиції",), "markup or links differ"),
        ("Starting again takes 2 minutes.", ("Це займе 20 хвилин.",), "other numbers than German"),
    ],
)
def test_broken_texts_are_found(
    files: Settings, msgid: str, translation: tuple[str, ...], problem: str
) -> None:
    declare(files, uk="partial")
    update(files.translations_dir, files.questionnaires_dir)
    before = set(of_catalogues(files))
    put(files, "uk", "messages", msgid, *translation)
    new = set(of_catalogues(files)) - before
    assert any(problem in line for line in new), new


def test_right_texts_are_no_faults(files: Settings) -> None:
    declare(files, uk="partial")
    update(files.translations_dir, files.questionnaires_dir)
    before = set(of_catalogues(files))
    put(files, "uk", "messages", WHERE, "поблизу %(place)s")
    put(files, "uk", "messages", OFFERS, "%(num)s пропозиція", "%(num)s пропозиції", "%(num)s пропозицій")
    put(files, "uk", "messages", "Starting again takes 2 minutes.", "Почати знову: дві хвилини.")
    assert set(of_catalogues(files)) <= before


def test_a_complete_language_must_have_everything(files: Settings) -> None:
    """Bulgarian: declared, but nobody has written a word of it."""
    declare(files, bg="complete")
    update(files.translations_dir, files.questionnaires_dir)
    _offer(files, "bg")
    lines = told(files, "bg")
    for domain in ("messages", "questionnaire", "taxonomies", "pages", "musterkreis"):
        assert any(line.startswith(f"bg/{domain}: ") and "not translated" in line for line in lines), domain
    fields = {
        line.split(", ")[1].split(":")[0] for line in lines if line.startswith("bg/musterkreis: service")
    }
    assert fields >= {"name", "description", "application_process", "required_documents.0"}
    assert "eligibility_description" not in fields, "not part of the promise"
    declare(files, bg="partial")
    assert told(files, "bg") == []


def _offer(files: Settings, language: str) -> None:
    path = files.content_dir / "regions/musterkreis/region.yaml"
    region = yaml.safe_load(path.read_text(encoding="utf-8"))
    region["languages"] = list(dict.fromkeys([*region["languages"], language]))
    path.write_text(yaml.safe_dump(region, allow_unicode=True), encoding="utf-8")


def test_a_wrong_number_in_content_is_a_problem_of_the_region(files: Settings) -> None:
    path = files.content_dir / "regions/musterkreis/translations/en.yaml"
    made = yaml.safe_load(path.read_text(encoding="utf-8"))
    slug, fields = next(
        (slug, fields) for slug, fields in made["services"].items() if "description" in fields
    )
    fields["description"] = {"text": "For everyone aged 98 to 99."}
    path.write_text(yaml.safe_dump(made, allow_unicode=True), encoding="utf-8")
    assert any(slug in line and "+98 +99" in line for line in told(files, "en"))
    answer = command(files, "content", "check")
    assert answer.exit_code == 1 and "says other numbers than German" in answer.output


def test_a_wrong_number_in_a_page_is_found_and_the_page_not_shown(files: Settings) -> None:
    from portal.content import Pages

    page = files.content_dir / "pages/about/en.md"
    shown = Pages(files.content_dir, "musterkreis", {}).page("about", "en")
    assert shown is not None and shown.language == "en"
    page.write_text(page.read_text(encoding="utf-8") + "\nCall 0800 1110111.\n", encoding="utf-8")
    assert any("about: says other numbers" in line for line in told(files, "en"))
    shown = Pages(files.content_dir, "musterkreis", {}).page("about", "en")
    assert shown is not None and shown.language == "de"


def german(files: Settings, slug: str, add: str) -> None:
    """The offer says one sentence more in German; its translations stay as they are."""
    path = files.content_dir / "regions/musterkreis/services.yaml"
    content = yaml.safe_load(path.read_text(encoding="utf-8"))
    [service] = [one for one in content["services"] if one["slug"] == slug]
    service["description"] = f"{service['description']} {add}"
    path.write_text(yaml.safe_dump(content, allow_unicode=True), encoding="utf-8")


OFFER = "jobcenter"


def test_new_numbers_in_german_call_for_new_translations(files: Settings) -> None:
    """The pages show German until then, so a language that promises to be complete is not."""
    german(files, OFFER, "Das gilt bis 98 Jahre.")
    answer = command(files, "translations", "check", "--language", "uk")
    assert answer.exit_code == 1
    assert f"uk/musterkreis: service {OFFER}, description: made before" in answer.output
    assert "-98" in answer.output
    [line] = [line for line in status(files, ["uk"]) if line.domain == "musterkreis"]
    assert (line.states["outdated"], line.wrong, line.percent) == (1, 1, 99)
    declare(files, uk="partial")
    assert not any("made before" in line for line in told(files, "uk"))


def test_new_german_words_are_told_and_fail_nothing(files: Settings) -> None:
    """A typo mended in a file must not wait for eleven translators; the text is still shown, as outdated."""
    before = told(files, "uk")
    german(files, OFFER, "Komm einfach vorbei.")
    found = [finding for finding in findings(files, ["uk"]) if str(finding) not in before]
    assert [(finding.domain, finding.fails) for finding in found] == [("musterkreis", False)]
    answer = command(files, "translations", "check", "--language", "uk")
    assert f"worth a look: uk/musterkreis: service {OFFER}, description: outdated" in answer.output
    [line] = [line for line in status(files, ["uk"]) if line.domain == "musterkreis"]
    assert (line.states["outdated"], line.wrong, line.percent) == (1, 0, 99)


@pytest.mark.parametrize("entry", ["#, fuzzy\n{}", "{}"], ids=["fuzzy", "obsolete"])
def test_what_gettext_never_shows_is_not_translated(files: Settings, entry: str) -> None:
    path = files.translations_dir / "uk/LC_MESSAGES/messages.po"
    put(files, "uk", "messages", WHERE, "поблизу %(place)s")
    whole = path.read_text(encoding="utf-8")
    [found] = [part for part in whole.split("\n\n") if _msgid(part) == WHERE]
    words = found[found.index("msgid") :].rstrip()
    marked = entry.format(words) if "fuzzy" in entry else words.replace("msg", "#~ msg")
    before = set(of_catalogues(files))
    [done] = [line.translated for line in status(files, ["uk"]) if line.domain == "messages"]
    path.write_text(whole.replace(words, marked), encoding="utf-8")
    assert [line for line in set(of_catalogues(files)) - before if WHERE in line and "uk/messages" in line]
    assert command(files, "translations", "check", "--language", "uk").exit_code == 1
    [line] = [line for line in status(files, ["uk"]) if line.domain == "messages"]
    assert line.translated == done - 1


def test_comments_that_nobody_understands_are_found(files: Settings) -> None:
    path = files.translations_dir / "en/LC_MESSAGES/questionnaire.po"
    text = path.read_text(encoding="utf-8")
    head, _blank, rest = text.partition("\n\n")
    path.write_text(f"{head}\n\n# checked yesterday\n{rest}", encoding="utf-8")
    assert any("not understood: # checked yesterday" in line for line in told(files, "en"))


def test_what_translators_noted_stays_when_texts_are_extracted_anew(files: Settings) -> None:
    declare(files)
    path = files.translations_dir / "en/LC_MESSAGES/questionnaire.po"
    head, _blank, rest = path.read_text(encoding="utf-8").partition("\n\n")
    path.write_text(f"{head}\n\n# checked 2026-11-20\n{rest}", encoding="utf-8")
    update(files.translations_dir, files.questionnaires_dir)
    assert path.read_text(encoding="utf-8").count("# checked 2026-11-20\n") == 1
    [line] = [line for line in status(files, ["en"]) if line.domain == "questionnaire"]
    assert line.states["checked"] == 1 and line.states["missing"] == 0


def command(files: Settings, *arguments: str) -> Result:
    environment = {
        "PORTAL_CONTENT_DIR": str(files.content_dir),
        "PORTAL_TRANSLATIONS_DIR": str(files.translations_dir),
        "PORTAL_DATA_DIR": str(files.data_dir),
        "PORTAL_REGION": files.region,
    }
    return CliRunner().invoke(main, arguments, env=environment)


def test_status_counts_every_kind_of_text(files: Settings) -> None:
    answer = command(files, "translations", "status", "--json", "--language", "en")
    lines = {line["domain"]: line for line in json.loads(answer.output)}
    assert set(lines) == {"questionnaire", "taxonomies", "musterkreis", "pages"}
    for line in lines.values():
        states = ("machine", "unchecked", "checked")
        assert line["translated"] == sum(line[state] for state in states) <= line["texts"]
    assert lines["pages"]["texts"] == len(list((ROOT / "content/pages").glob("*/de.md")))
    table = command(files, "translations", "status").output
    assert all(code in table for code in available(files.translations_dir) if code != "de")


def test_percent_is_hundred_only_when_nothing_is_missing() -> None:
    assert Line("uk", "pages", Counter(missing=1, machine=999)).percent == 99
    assert Line("uk", "pages", Counter(outdated=1, machine=999)).percent == 99
    assert Line("uk", "pages", Counter(machine=3)).percent == 100


def test_a_language_nobody_declared_is_refused(files: Settings) -> None:
    answer = command(files, "translations", "check", "--language", "tlh")
    assert answer.exit_code == 1 and "tlh" in answer.output


def test_extract_writes_what_a_translator_begins_with(files: Settings, tmp_path: Path) -> None:
    answer = command(files, "translations", "extract", "--to", str(tmp_path / "pot"))
    assert answer.exit_code == 0
    assert {path.name for path in (tmp_path / "pot").iterdir()} == {
        "messages.pot",
        "questionnaire.pot",
        "admin.pot",
    }
    assert (tmp_path / "pot/messages.pot").read_bytes() == _written(
        templates(files.questionnaires_dir)["messages"]
    )


def test_the_gettext_part_stands_alone(files: Settings) -> None:
    declare(files)
    assert check(files.translations_dir, files.questionnaires_dir) == []


# The crawler


@pytest.fixture(scope="module")
def judge(musterkreis_app) -> Judge:
    portal = musterkreis_app.extensions["portal"]
    sources = [source.text for source in portal.clearing.source_texts()]
    return Judge(portal.catalogue, portal.languages, sources)


@pytest.mark.parametrize(
    ("html", "kind"),
    [
        ("<p>Angebote suchen</p>", "german"),
        ("<p>Wir zeigen dir, wer dir hilft, und nicht nur das.</p>", "german"),
        ("<p>Search for the offers that are near you</p>", "english"),
        ("<p>Stadtbibliothek und drumherum liegt dort</p>", "script"),
        ("<p>مرحبا %(name)s</p>", "placeholder"),
        ("<p>مرحبا \ufffd</p>", "character"),
        ('<p lang="de">Angebote suchen</p>', ""),
        ('<p><span lang="de">Wir und nicht du</span> مرحبا</p>', ""),
        ("<p>مرحبا (Amt für Jugend und Soziales, nicht weit)</p>", ""),
        ("<script>the and you with</script><p>مرحبا</p>", ""),
        ('<p>03943 93-58, <a href="#">www.und-nicht-fuer.de</a></p>', ""),
    ],
)
def test_the_crawler_hears_which_language_it_is(judge: Judge, html: str, kind: str) -> None:
    page = read("/ar/x", 200, f'<html lang="ar"><body>{html}</body></html>')
    found = [fault.kind for fault in judge.faults(page, "ar", judge.own("ar"), Report())]
    assert found == ([kind] if kind else [])


def test_german_labels_are_counted_because_they_cannot_say_it(judge: Judge) -> None:
    page = read("/ar/x", 200, '<html lang="ar"><button aria-label="Angebote suchen">x</button></html>')
    report = Report()
    assert list(judge.faults(page, "ar", judge.own("ar"), report)) == []
    assert report.unsayable["ar"] == 1


def test_marked_german_is_counted(judge: Judge) -> None:
    page = read("/ar/x", 200, '<html lang="ar"><p lang="de">Angebote suchen</p></html>')
    report = Report()
    list(judge.faults(page, "ar", judge.own("ar"), report))
    assert report.german["ar"] == 1


def test_every_page_is_in_its_language(client: PageClient) -> None:
    """The whole walk is a step of `make check`; this is its beginning."""
    from portal.web.crawling import crawl

    report = crawl(client.app, ["de", "en", "ar"], most=25)
    assert [str(fault) for fault in report.faults] == []
