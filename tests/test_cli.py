"""The command `portal`, as an operator and a coordinator type it."""

import json
import os
import re
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner, Result

from portal.config import ROOT
from portal.web.cli import main

CASES = yaml.safe_load((ROOT / "questionnaires" / "cases.yaml").read_text(encoding="utf-8"))
YOUNG = {
    "who": "me",
    "topic": ["training_place"],
    "age": "age_15_17",
    "activity": "school",
    "place": "Tannwerder",
}
Portal = Callable[..., Result]


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder with Musterkreis in it."""
    folder = tmp_path_factory.mktemp("cli") / "data"
    for command in (["content", "load"], ["search", "rebuild"]):
        result = invoke(*command, environ={"PORTAL_DATA_DIR": str(folder), "PORTAL_REGION": "musterkreis"})
        assert result.exit_code == 0, result.output
    return folder


def invoke(*arguments: str, environ: dict[str, str], given: str | None = None) -> Result:
    plain = {name: None for name in os.environ if name.startswith("PORTAL_")}
    return CliRunner().invoke(main, arguments, input=given, env={**plain, **environ})


@pytest.fixture
def portal(loaded: Path) -> Portal:
    """Reads the loaded region; does not change it."""

    def run(*arguments: str, given: str | None = None, **environ: str) -> Result:
        return invoke(
            *arguments,
            given=given,
            environ={"PORTAL_DATA_DIR": str(loaded), "PORTAL_REGION": "musterkreis", **environ},
        )

    return run


@pytest.fixture
def own(loaded: Path, tmp_path: Path) -> Portal:
    """With a data folder and content files of its own, to be changed."""
    shutil.copytree(loaded, tmp_path / "data")
    shutil.copytree(ROOT / "content", tmp_path / "content", ignore=shutil.ignore_patterns("harz"))

    def run(*arguments: str, given: str | None = None, **environ: str) -> Result:
        return invoke(
            *arguments,
            given=given,
            environ={
                "PORTAL_DATA_DIR": str(tmp_path / "data"),
                "PORTAL_CONTENT_DIR": str(tmp_path / "content"),
                "PORTAL_REGION": "musterkreis",
                **environ,
            },
        )

    return run


def fine(result: Result) -> str:
    assert result.exit_code == 0, f"{result.output}\n{result.exception!r}"
    return result.stdout


def refused(result: Result) -> str:
    """Ended with a message and not with a traceback."""
    assert result.exit_code != 0, result.output
    assert result.exception is None or isinstance(result.exception, SystemExit), repr(result.exception)
    assert "Traceback" not in result.output
    return result.output


# Help and settings.


def commands(group: Any = main, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    yield path
    for name, command in getattr(group, "commands", {}).items():
        yield from commands(command, (*path, name))


@pytest.mark.parametrize("path", list(commands()), ids=lambda path: " ".join(path) or "portal")
def test_every_command_explains_itself(path: tuple[str, ...]) -> None:
    output = fine(invoke(*path, "--help", environ={}))
    lines = [line for line in output.splitlines() if line.strip()]
    assert len(lines) > 2
    assert not lines[1].strip().startswith("Options"), "no word on what it does"


def test_an_unknown_command_is_refused(portal: Portal) -> None:
    assert "No such command" in refused(portal("clearance"))


def test_settings_are_shown_without_secrets(portal: Portal) -> None:
    secret = "not-for-anybody-0123456789-0123456789"
    output = fine(
        portal(
            "settings", PORTAL_SECRET_KEY=secret, PORTAL_DATABASE_URL="postgresql://anlauf:geheim@db/anlauf"
        )
    )
    assert "PORTAL_REGION=musterkreis" in output
    assert secret not in output
    assert "geheim" not in output
    assert "SECRET" not in output


def test_a_misspelt_setting_is_named(portal: Portal) -> None:
    assert "PORTAL_REGOIN" in refused(portal("settings", PORTAL_REGOIN="harz"))


def test_production_without_a_key_does_not_start(portal: Portal) -> None:
    assert "PORTAL_SECRET_KEY" in refused(portal("settings", PORTAL_ENVIRONMENT="production"))


# Clearing.


def test_questions_are_json_with_texts_and_options(portal: Portal) -> None:
    found = json.loads(fine(portal("clearing", "questions")))
    questions = {question["id"]: question for question in found["questions"]}
    assert next(iter(questions)) == "who"
    assert questions["topic"]["max_choices"] == 3
    for question in questions.values():
        assert question["options"]
        assert all(question["text"][audience] for audience in question["audiences"])
        assert len({option["id"] for option in question["options"]}) == len(question["options"])


def test_answers_become_a_contact(portal: Portal) -> None:
    found = json.loads(fine(portal("clearing", "route", given=json.dumps(YOUNG))))
    assert set(found) == {"primary", "also", "urgent", "rules"}
    assert set(found["primary"]) == {"kind", "service", "reason"}
    assert found["primary"]["kind"] == "berufsberatung"
    assert found["primary"]["reason"]
    assert found["urgent"] is False
    assert found["rules"]
    assert all(set(contact) == {"kind", "service"} for contact in found["also"])
    assert len(found["also"]) <= 3


def test_answers_may_come_from_a_file(portal: Portal, tmp_path: Path) -> None:
    path = tmp_path / "answers.json"
    path.write_text(json.dumps(YOUNG), encoding="utf-8")
    assert fine(portal("clearing", "route", str(path))) == fine(
        portal("clearing", "route", given=json.dumps(YOUNG))
    )
    assert "missing.json" in refused(portal("clearing", "route", str(tmp_path / "missing.json")))


@pytest.mark.parametrize("place", ["Tannwerder", "tannwerder", "inside", "15987042", ["Tannwerder"]])
def test_a_place_may_be_written_in_many_ways(portal: Portal, place: Any) -> None:
    found = json.loads(fine(portal("clearing", "route", given=json.dumps({**YOUNG, "place": place}))))
    assert found["primary"]["kind"] == "berufsberatung"
    assert "ignored" not in found


def test_a_place_elsewhere_names_the_kind_to_look_for_there(portal: Portal) -> None:
    found = json.loads(fine(portal("clearing", "route", given=json.dumps({**YOUNG, "place": "Weitenbruck"}))))
    assert found["primary"]["kind"] == "stelle_am_wohnort"
    assert found["primary"]["named_kind"] == "berufsberatung"


def test_what_no_question_knows_is_named_and_does_no_harm(portal: Portal) -> None:
    strange = {
        **YOUNG,
        "shoe_size": "43",
        "age": ["age_15_17", "hundred"],
        "place": "Atlantis",
        "topic": "training_place",
    }
    found = json.loads(fine(portal("clearing", "route", given=json.dumps(strange))))
    assert found["primary"]["kind"] == "berufsberatung"
    assert sorted(found["ignored"]) == ["age: hundred", "place: Atlantis", "shoe_size"]


@pytest.mark.parametrize(
    "answers",
    ["{}", '{"who": null}', '{"topic": []}', '{"place": {"a": 1}}', '{"who": 7}', '{"who": [["me"]]}'],
)
def test_few_or_odd_answers_still_have_a_contact(portal: Portal, answers: str) -> None:
    assert json.loads(fine(portal("clearing", "route", given=answers)))["primary"]["service"]


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ("{", "not JSON"),
        ("", "not JSON"),
        ("[1, 2]", "one object"),
        ('"me"', "one object"),
        ("null", "one object"),
        ("\0", "not JSON"),
    ],
)
def test_what_is_no_object_is_refused_in_words(portal: Portal, given: str, words: str) -> None:
    output = refused(portal("clearing", "route", given=given))
    assert words in json.loads(output)["error"]


def test_deeply_nested_input_is_refused_too(portal: Portal) -> None:
    refused(portal("clearing", "route", given="[" * 100_000))


def test_a_batch_answers_line_by_line(portal: Portal) -> None:
    """Every reviewed case; one bad line does not spoil the others, and is seen at the end."""
    cases = [
        case
        for case in CASES
        if "today" not in case and "switches" not in case and "law unknown" not in case["title"]
    ]
    lines = [json.dumps(case["answers"], ensure_ascii=False) for case in cases]
    result = portal(
        "clearing",
        "route",
        "--batch",
        "--today",
        "2026-11-20",
        given="\n".join([*lines, "", "broken"]) + "\n",
    )
    assert result.exit_code == 1
    answers = [json.loads(line) for line in result.stdout.splitlines()]
    assert len(answers) == len(cases) + 1
    assert "not JSON" in answers[-1]["error"]
    for case, found in zip(cases, answers, strict=False):
        assert found["primary"]["kind"] == case["kind"], case["title"]
        assert found["urgent"] is case["urgent"], case["title"]
        assert set(case.get("also", ())) <= {contact["kind"] for contact in found["also"]}, case["title"]


def test_the_day_decides(portal: Portal) -> None:
    case = next(case for case in CASES if "today" in case)
    found = json.loads(
        fine(portal("clearing", "route", "--today", str(case["today"]), given=json.dumps(case["answers"])))
    )
    assert case["rule"] in found["rules"]
    assert "Invalid" in refused(portal("clearing", "route", "--today", "tomorrow", given="{}"))


def test_the_command_gives_what_the_page_shows(portal: Portal, loaded: Path) -> None:
    """The same desk: one route through the code, not two."""
    from portal.config import Settings
    from portal.web.application import build
    from tests.web.pages import PageClient

    settings = Settings(secret_key="x" * 40, region="musterkreis", data_dir=loaded)
    app = build(settings)
    for answers in (
        YOUNG,
        {"who": "me", "topic": ["money"], "money_issue": "debts"},
        {"who": "company", "company_topic": "trouble"},
    ):
        found = json.loads(fine(portal("clearing", "route", given=json.dumps(answers))))
        client = PageClient(app)
        kept = {key: value if isinstance(value, list) else [value] for key, value in answers.items()}
        if "place" in kept:
            kept["place"] = [app.extensions["portal"].catalogue.places.ags_of(answers["place"])]
        with client.client.session_transaction() as cookie:
            cookie["a"] = kept
        page = client.page("/de/result")
        offer = page.all(f'article.first a[href="/de/offers/{found["primary"]["service"]}"]')
        assert offer, found["primary"]


def test_the_proof_runs_and_says_what_it_stands_for(portal: Portal) -> None:
    output = fine(portal("clearing", "check"))
    found = re.fullmatch(r"([\d,]+) states stand for ([\d,]+) answer sets; 0 problems; [\d.]+ s\n", output)
    assert found, output
    states, sets = (int(number.replace(",", "")) for number in found.groups())
    assert 1000 < states < sets


def test_a_broken_questionnaire_is_named(portal: Portal, tmp_path: Path) -> None:
    broken = tmp_path / "questionnaires"
    shutil.copytree(ROOT / "questionnaires", broken)
    text = (broken / "clearing.yaml").read_text(encoding="utf-8")
    (broken / "clearing.yaml").write_text(
        text.replace("- id: topic\n", "- id: toppic\n", 1), encoding="utf-8"
    )
    for command in ("questions", "check"):
        result = portal("clearing", command, PORTAL_QUESTIONNAIRES_DIR=str(broken))
        assert "clearing.yaml" in refused(result)


# Content.


def test_a_first_load_says_what_came_and_a_second_that_nothing_did(tmp_path: Path) -> None:
    environ = {"PORTAL_DATA_DIR": str(tmp_path / "new"), "PORTAL_REGION": "musterkreis"}
    dry = fine(invoke("content", "load", "--dry-run", environ=environ))
    assert "nothing was written" in dry
    first = fine(invoke("content", "load", environ=environ))
    assert dry.replace(" (nothing was written)", "") == first
    assert "service" in first
    second = fine(invoke("content", "load", environ=environ))
    assert " new" not in second
    assert " changed" not in second


def edit(tmp_path: Path, name: str, old: str, new: str) -> None:
    path = tmp_path / "content" / "regions" / "musterkreis" / name
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")


def test_a_changed_file_is_listed_first_and_then_loaded(own: Portal, tmp_path: Path) -> None:
    edit(tmp_path, "services.yaml", "Schulden? Plan B rechnet mit dir", "Schulden? Hier rechnet jemand mit")
    dry = fine(own("content", "load", "--dry-run"))
    assert "schuldnerberatung" in dry
    before = json.loads(fine(own("catalogue", "search", "Schulden")))
    assert not any("Hier rechnet jemand" in hit["title"] for hit in before["results"])
    fine(own("content", "load"))
    after = json.loads(fine(own("catalogue", "search", "Schulden")))
    assert any("Hier rechnet jemand" in hit["title"] for hit in after["results"]), "the index follows"


@pytest.mark.parametrize(
    ("name", "old", "new", "words"),
    [
        ("services.yaml", "organization: ", "organisation: ", "organisation"),
        ("organizations.yaml", "number: 030 23125 118", "number: not a number", "frauenhaus-musterkreis"),
        ("services.yaml", "services:", "services: [", "services.yaml"),
        ("locations.yaml", "organization: frauenhaus-musterkreis", "organization: nobody", "nobody"),
        (
            "locations.yaml",
            "confidential: true",
            "confidential: true\n    transportation: Bus 1",
            "frauenhaus-musterkreis",
        ),
    ],
)
def test_a_broken_file_changes_nothing_and_is_named(
    own: Portal, tmp_path: Path, name: str, old: str, new: str, words: str
) -> None:
    database = tmp_path / "data" / "musterkreis.sqlite3"
    edit(tmp_path, "services.yaml", "Schulden? Plan B rechnet mit dir", "Nie geladen")
    edit(tmp_path, name, old, new)
    before = dump(database)
    for arguments in (["content", "load", "--force"], ["content", "check"]):
        output = refused(own(*arguments))
        assert name in output
        assert words in output
    assert dump(database) == before


def dump(database: Path) -> list[str]:
    with sqlite3.connect(database) as connection:
        lines = list(connection.iterdump())
    connection.close()
    return lines


def folder(path: Path) -> dict[str, bytes]:
    return {
        file.relative_to(path).as_posix(): file.read_bytes()
        for file in sorted(path.rglob("*"))
        if file.is_file()
    }


@pytest.mark.parametrize("region", ["harz", "musterkreis"])
def test_shipped_content_is_sound(portal: Portal, region: str) -> None:
    assert "no problems" in fine(portal("content", "check", "--region", region))


def test_a_region_nobody_has_is_refused(portal: Portal) -> None:
    for command in ("check", "load"):
        assert "nowhere" in refused(portal("content", command, "--region", "nowhere"))


def test_what_is_exported_can_be_loaded_again_and_is_the_same(own: Portal, tmp_path: Path) -> None:
    written = fine(own("content", "export", str(tmp_path / "export"))).splitlines()
    assert len(written) > 10
    assert all(Path(path).is_file() for path in written)
    output = fine(own("content", "load", "--dry-run", PORTAL_CONTENT_DIR=str(tmp_path / "export")))
    parts = output.splitlines()[-1].removesuffix(" (nothing was written)").split(": ", 1)[1].split("; ")
    assert len(parts) >= 6
    assert all(re.fullmatch(r"\w+ \d+ unchanged", part) for part in parts), output[-2000:]


def test_stamping_twice_changes_nothing(own: Portal) -> None:
    fine(own("content", "stamp"))
    assert all(line.endswith(" 0 stamped") for line in fine(own("content", "stamp")).splitlines())


# Search.


def test_a_search_is_json(portal: Portal) -> None:
    found = json.loads(fine(portal("catalogue", "search", "Schulden", "--limit", "3")))
    assert set(found) == {"urgent", "concepts", "results"}
    assert 0 < len(found["results"]) <= 3
    assert "schuldnerberatung" in [kind for hit in found["results"] for kind in hit["kinds"]]
    scores = [hit["score"] for hit in found["results"]]
    assert scores == sorted(scores, reverse=True)


def test_nothing_found_is_the_clearing_desk_as_on_the_page(portal: Portal) -> None:
    [found] = json.loads(fine(portal("catalogue", "search", "xqzwv")))["results"]
    assert "clearing" in found["kinds"]
    assert found["score"] == 0


def test_danger_is_said(portal: Portal) -> None:
    assert json.loads(fine(portal("catalogue", "search", "ich will nicht mehr leben")))["urgent"] is True


def test_many_searches_line_by_line(portal: Portal) -> None:
    asked = [
        {"query": "Schulden"},
        {"query": "debts", "lang": "en"},
        {"query": ""},
        {},
        {"query": 5},
        {"query": "xqzwv"},
    ]
    lines = fine(
        portal("catalogue", "search", "--batch", given="\n".join(map(json.dumps, asked)) + "\n\n")
    ).splitlines()
    assert len(lines) == len(asked)
    assert json.loads(lines[0])["results"]
    assert json.loads(lines[1])["results"]


@pytest.mark.parametrize("line", ["{", "[]", '"Schulden"', "5", "null", "\x00"])
def test_a_bad_line_of_a_batch_is_an_error_in_words_and_the_rest_is_answered(
    portal: Portal, line: str
) -> None:
    result = portal("catalogue", "search", "--batch", given=f'{line}\n{{"query": "Schulden"}}\n')
    refused(result)
    answers = [json.loads(answer) for answer in result.stdout.splitlines()]
    assert answers[0]["error"]
    assert answers[1]["results"]


@pytest.mark.parametrize("lang", ["de", "en", "ar", "xx", ""])
def test_a_search_in_any_language_is_answered(portal: Portal, lang: str) -> None:
    result = portal("catalogue", "search", "Schulden", "--lang", lang)
    if lang in ("de", "en", "ar"):
        assert json.loads(fine(result))["results"]
    else:
        assert result.exception is None or isinstance(result.exception, SystemExit), repr(result.exception)


def test_the_index_is_checked_built_and_measured(own: Portal, tmp_path: Path) -> None:
    assert "fits" in fine(own("search", "check"))
    stats = json.loads(fine(own("search", "stats")))
    assert stats["count"] > 50
    shutil.rmtree(tmp_path / "data" / "index")
    assert "portal search rebuild" in refused(own("search", "check"))
    assert f"{stats['count']} services indexed" in fine(own("search", "rebuild"))
    assert "fits" in fine(own("search", "check"))


def test_statistics_of_an_index_that_is_not_there_are_refused_in_words(own: Portal, tmp_path: Path) -> None:
    shutil.rmtree(tmp_path / "data" / "index")
    result = own("search", "stats")
    assert result.exception is None or isinstance(result.exception, SystemExit), repr(result.exception)


# Database and translations.


def test_the_schema_is_upgraded_once(tmp_path: Path) -> None:
    environ = {"PORTAL_DATA_DIR": str(tmp_path / "data"), "PORTAL_REGION": "musterkreis"}
    assert fine(invoke("db", "upgrade", environ=environ)) == "upgraded\n"
    assert fine(invoke("db", "upgrade", environ=environ)) == "already current\n"


def test_a_database_that_cannot_be_reached_is_said(tmp_path: Path) -> None:
    environ = {
        "PORTAL_DATA_DIR": str(tmp_path),
        "PORTAL_DATABASE_URL": f"postgresql://anlauf:geheim@/anlauf?host={tmp_path}",
    }
    output = refused(invoke("db", "upgrade", environ=environ))
    assert output.strip()
    assert "geheim" not in output


def test_a_command_on_an_empty_machine_prepares_what_it_needs(tmp_path: Path) -> None:
    environ = {"PORTAL_DATA_DIR": str(tmp_path / "data"), "PORTAL_REGION": "musterkreis"}
    assert json.loads(fine(invoke("clearing", "route", given="{}", environ=environ)))["primary"]["service"]


def test_a_lost_translation_is_named_and_the_file_is_brought_up_to_date(
    portal: Portal, tmp_path: Path
) -> None:
    folder_of_texts = tmp_path / "translations"
    shutil.copytree(ROOT / "translations", folder_of_texts)
    environ = {"PORTAL_TRANSLATIONS_DIR": str(folder_of_texts)}
    path = folder_of_texts / "de" / "LC_MESSAGES" / "messages.po"
    text = path.read_text(encoding="utf-8")
    found = re.search(r'\n\n(?:#[^\n]*\n)*msgid "Search offers"\nmsgstr "[^"]+"\n', text)
    assert found
    path.write_text(text.replace(found[0], "\n"), encoding="utf-8")
    assert "de/messages: not in the .po, run `portal translations update`: Search offers" in refused(
        portal("translations", "check", **environ)
    )
    assert str(path) in fine(portal("translations", "update", **environ))
    output = refused(portal("translations", "check", **environ))
    assert "not in the .po" not in output
    assert "de/messages: not translated: Search offers" in output
    assert fine(portal("translations", "update", **environ)) == "", "twice changes nothing"


def test_the_installed_command_is_this_one(loaded: Path) -> None:
    environ = {**{k: v for k, v in os.environ.items() if not k.startswith("PORTAL_")},
               "PORTAL_DATA_DIR": str(loaded), "PORTAL_REGION": "musterkreis"}  # fmt: skip
    finished = subprocess.run(
        [sys.executable, "-m", "portal.web.cli", "clearing", "route"],
        input=json.dumps({"who": "me", "topic": ["violence"], "safe_now": "now"}),
        capture_output=True,
        text=True,
        env=environ,
        cwd=ROOT,
        check=False,
        timeout=60,
    )
    assert finished.returncode == 0, finished.stderr
    found = json.loads(finished.stdout)
    assert found["primary"]["kind"] == "notruf"
    assert found["urgent"] is True
