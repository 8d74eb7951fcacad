"""The questionnaire as somebody without scripts goes through it: choosing, changing, not knowing, coming back."""

import re
from typing import Any
from urllib.parse import urlsplit

import pytest
from bs4 import BeautifulSoup
from flask import Flask

from tests.web.pages import Page, PageClient, check_page, text_of
from tests.web.walking import answer, question_of, walk

DU = re.compile(r"\b(du|dich|dir|dein(e[mnrs]?)?)\b", re.IGNORECASE)


def ticked(page: Page) -> list[str]:
    return [
        str(field["value"]) for field in page.all('main input[name="answer"]') if field.has_attr("checked")
    ]


def refused(client: PageClient, path: str, data: dict[str, Any]) -> Page:
    """Post something that cannot be taken; the page that says so."""
    form = client.page(path)
    return check_page(client.post(path, {"csrf_token": form.token, **data}), path, 422)


def summary(page: Page) -> str:
    """The error summary, whose link leads to a field that exists."""
    box = page.one('[role="alert"]')
    for link in box.select("a"):
        assert page.all(str(link["href"])), link
    return text_of(box)


def at_topic(client: PageClient, lang: str = "de") -> str:
    return urlsplit(answer(client, str(client.get(f"/{lang}/check").location), "me")).path


def at_place(client: PageClient, lang: str = "de", topic: str = "training_place") -> str:
    """Answer up to the question for the place."""
    path = at_topic(client, lang)
    for _ in range(8):
        if question_of(path) == "place":
            return urlsplit(path).path
        path = answer(client, path, topic if question_of(path) == "topic" else "dont_know")
    raise AssertionError("no question for the place")


# What was chosen.


@pytest.mark.parametrize("lang", ["de", "en", "ar"])
def test_four_tiles_are_one_too_many_and_stay_ticked(client: PageClient, lang: str) -> None:
    path = at_topic(client, lang)
    four = ["money", "home", "job", "no_plan"]
    page = refused(client, path, {"answer": four})
    assert sorted(ticked(page)) == sorted(four)
    assert "3" in summary(page)
    assert client.get(f"/{lang}/check").location == path, "nothing was kept"


def test_three_tiles_are_fine(client: PageClient) -> None:
    path = at_topic(client)
    onward = answer(client, path, ("money", "home", "job"))
    assert onward != path
    assert sorted(ticked(client.page(path))) == ["home", "job", "money"]


@pytest.mark.parametrize("lang", ["de", "en", "ar"])
def test_going_on_without_an_answer_asks_kindly(client: PageClient, lang: str) -> None:
    page = refused(client, str(client.get(f"/{lang}/check").location), {})
    assert summary(page)
    assert not ticked(page)


def test_two_answers_where_one_is_wanted_are_sent_back(client: PageClient) -> None:
    page = refused(client, str(client.get("/de/check").location), {"answer": ["me", "company"]})
    assert "nur eine" in summary(page)


def test_an_answer_that_does_not_exist_counts_as_none(client: PageClient) -> None:
    path = at_topic(client)
    page = refused(client, path, {"answer": ["hack", "find_people"]})
    assert not ticked(page)
    assert answer(client, path, ("hack", "money"))
    assert ticked(client.page(path)) == ["money"]


def test_real_answers_count_more_than_i_do_not_know(client: PageClient) -> None:
    path = at_topic(client)
    answer(client, path, ("dont_know", "money", "no_answer"))
    assert ticked(client.page(path)) == ["money"]


def test_both_special_answers_together_are_one(client: PageClient) -> None:
    path = at_topic(client)
    answer(client, path, ("no_answer", "dont_know"))
    assert len(ticked(client.page(path))) == 1


def test_special_answers_are_as_large_as_the_others_and_always_there(app: Flask) -> None:
    client = PageClient(app)
    path = str(client.get("/de/check").location)
    seen = []
    while question_of(path) != "result":
        page = client.page(urlsplit(path).path)
        values = {str(field["value"]) for field in page.all('main input[name="answer"]')}
        assert {"dont_know", "no_answer"} & values, path
        assert not page.all("main input[required], main select[required]")
        seen.append(question_of(path))
        path = answer(client, path, "dont_know")
    assert 2 <= len(seen) <= 8


@pytest.mark.parametrize("who", ["me", "my_child", "accompany", "company", "no_answer"])
@pytest.mark.parametrize("lang", ["de", "ar"])
def test_saying_nothing_at_all_still_ends_at_a_contact(app: Flask, lang: str, who: str) -> None:
    page = walk(PageClient(app), lang, {"who": who}, default="no_answer")
    first = page.one("article.first")
    assert text_of(first.select_one("h2"))
    assert first.select('a[href^="tel:"], a[href^="mailto:"], a[href^="https:"], address')


# Where somebody stands.


def test_a_result_is_there_after_two_answers_and_the_way_back_to_the_questions(client: PageClient) -> None:
    path = at_topic(client)
    assert not client.page(path).all('main a[href="/de/result"]'), "one answer is too little"
    onward = answer(client, path, "money")
    page = client.page(onward)
    assert page.one('main a[href="/de/result"]')
    result = client.page("/de/result")
    assert result.one("article.first")
    assert result.all(f'main a[href="{urlsplit(onward).path}"]'), "the open questions are offered"


def test_one_answer_leads_back_to_the_questions(client: PageClient) -> None:
    path = at_topic(client)
    response = client.get("/de/result")
    assert (response.status_code, response.location) == (303, path)


def test_a_bookmark_to_a_question_that_is_not_asked_leads_on(client: PageClient) -> None:
    path = at_topic(client)
    for question in ("crisis", "place", "company_topic", "age"):
        response = client.get(f"/de/check/{question}")
        assert (response.status_code, response.location) == (303, path), question
        sent = client.post(f"/de/check/{question}", {"answer": "no"})
        assert (sent.status_code, sent.location) == (303, path), question


def test_back_leads_through_the_same_questions_to_the_start(client: PageClient) -> None:
    path = str(client.get("/de/check").location)
    asked = []
    while question_of(path) != "result":
        asked.append(urlsplit(path).path)
        path = answer(client, path, "dont_know")
    back = [asked[-1]]
    while back[-1] != "/de/":
        back.append(client.page(back[-1]).soup.select_one("main p.back a")["href"])
    assert back == [*reversed(asked), "/de/"]


def test_what_was_answered_is_still_ticked_on_the_way_back(client: PageClient) -> None:
    chosen = {"topic": "training_place", "age": "age_15_17", "activity": "school"}
    walk(client, "de", chosen)
    for question, option in chosen.items():
        assert ticked(client.page(f"/de/check/{question}")) == [option]


def test_changing_an_early_answer_keeps_the_later_ones(client: PageClient) -> None:
    walk(client, "de", {"who": "me", "topic": "training_place", "age": "age_15_17", "place": "Tannwerder"})
    after = answer(client, "/de/check/topic", "job")
    assert ticked(client.page("/de/check/age")) == ["age_15_17"]
    assert client.page("/de/check/place").one("#place")["value"] == "Tannwerder"
    while question_of(after) != "result":
        assert question_of(after) not in ("who", "age", "place"), "asked again"
        after = answer(client, after, "dont_know")
    said = text_of(client.page("/de/result").one("details.said"))
    assert "15 bis 17" in said
    assert "Tannwerder" in said
    assert "Ausbildung finden" not in said


def test_an_answer_that_no_longer_applies_is_forgotten(client: PageClient) -> None:
    walk(client, "de", {"topic": "feeling_bad", "crisis": "no"})
    answer(client, "/de/check/topic", "job")
    with client.client.session_transaction() as cookie:
        assert "crisis" not in cookie["a"]
    assert client.get("/de/check/crisis").status_code == 303


def test_what_was_said_is_shown_with_a_way_to_change_it(client: PageClient) -> None:
    walk(client, "de", {"topic": ("training_place", "job"), "age": "age_18_20", "place": "Tannwerder"})
    for path in ("/de/result", "/de/check/topic"):
        links = {str(a["href"]): text_of(a) for a in client.page(path).all("ul.said a")}
        assert set(links) >= {"/de/check/topic", "/de/check/age", "/de/check/place"}
        assert "18 bis 20" in links["/de/check/age"]
        assert "Tannwerder" in links["/de/check/place"]


def test_the_language_can_change_in_the_middle(client: PageClient) -> None:
    onward = answer(client, at_topic(client), "money")
    other = client.page(urlsplit(onward).path.replace("/de/", "/ar/"))
    assert other.soup.html["dir"] == "rtl"
    assert question_of(client.get("/ar/check").location) == question_of(onward)


def test_an_acknowledgement_honours_what_was_chosen(client: PageClient) -> None:
    onward = answer(client, at_topic(client), "training_place")
    assert "Gut, dass du das angehst" in client.page(onward).text


def test_every_question_says_why_it_is_asked_and_how_many_are_left(app: Flask) -> None:
    client = PageClient(app)
    path = str(client.get("/de/check").location)
    left = []
    while question_of(path) != "result":
        page = client.page(urlsplit(path).path)
        assert "Warum fragen wir das" in page.text
        found = re.search(r"(\d+) Frage", text_of(page.one("p.back")))
        left.append(int(found[1]) if found else 1)
        path = answer(client, path, "dont_know")
    assert left == sorted(left, reverse=True), "the rest never grows when nothing new is said"
    assert all(number >= 1 for number in left)


# The place.


@pytest.mark.parametrize(
    ("region", "typed", "villages"),
    [("harz", "06493", 2), ("harz", "06507", 2), ("musterkreis", "00131", 2), ("musterkreis", "Grünlohe", 2)],
)
def test_a_place_that_could_be_several_asks_which_one(
    request: pytest.FixtureRequest, region: str, typed: str, villages: int
) -> None:
    client = PageClient(request.getfixturevalue(f"{region}_app"))
    path = at_place(client)
    page = refused(client, path, {"place": typed})
    assert page.one("#place")["value"] == typed
    options = [str(field["value"]) for field in page.all('#which-one input[name="answer"]')]
    places = [value for value in options if value != "outside"]
    assert len(places) >= villages
    assert "outside" in options
    chosen = answer(client, path, {"place": typed, "answer": places[1]})
    assert question_of(chosen) != "place"
    with client.client.session_transaction() as cookie:
        assert cookie["a"]["place"] == [places[1]]


def test_a_postal_code_shared_with_another_county_may_be_the_other_county(client: PageClient) -> None:
    path = at_place(client)
    refused(client, path, {"place": "00141"})
    answer(client, path, {"place": "00141", "answer": "outside"})
    with client.client.session_transaction() as cookie:
        assert cookie["a"]["place"] == ["outside"]


@pytest.mark.parametrize("lang", ["de", "en", "ar"])
@pytest.mark.parametrize("typed", ["Atlantis", "9999", "<b>x</b>", "\u202eabc", "🏚️"])
def test_an_unknown_place_is_said_and_the_words_stay(client: PageClient, lang: str, typed: str) -> None:
    path = at_place(client, lang)
    page = refused(client, path, {"place": typed})
    assert page.one("#place")["value"] == typed
    assert page.one("#place").get("aria-invalid") == "true"
    assert summary(page)
    assert not page.all("main b b"), "what was typed is text"


def test_a_place_nobody_knows_here_may_be_elsewhere(client: PageClient) -> None:
    path = at_place(client)
    page = refused(client, path, {"place": "Buxtehude"})
    first = page.all('form#question input[type="radio"]')[0]
    assert first["value"] == "outside"
    assert page.one(f'main [role="alert"] a[href="#{first["id"]}"]')
    assert len(page.all('input[value="outside"]')) == 1
    answer(client, path, {"place": "Buxtehude", "answer": "outside"})
    with client.client.session_transaction() as cookie:
        assert cookie["a"]["place"] == ["outside"]


def test_while_typing_a_town_elsewhere_is_named_as_such(harz: PageClient) -> None:
    body = harz.get("/de/suggest/places?q=magd").get_data(as_text=True)
    options = BeautifulSoup(body, "html5lib").select("[role=option]")
    assert [option["data-value"] for option in options] == ["Magdeburg"]
    assert "Nicht in diesem Kreis" in text_of(options[0])


@pytest.mark.parametrize(
    ("region", "typed"),
    [
        ("harz", "Goslar"),
        ("harz", "38640"),
        ("harz", "münchen"),
        ("harz", "Hettstedt"),
        ("musterkreis", "Weitenbruck"),
    ],
)
def test_somebody_from_next_door_is_led_on(request: pytest.FixtureRequest, region: str, typed: str) -> None:
    client = PageClient(request.getfixturevalue(f"{region}_app"))
    page = walk(client, "de", {"topic": "training_place", "age": "age_15_17", "place": typed})
    first = page.one("article.first")
    assert "Berufsberatung" in text_of(first.select_one("h2"))
    assert "anderen Landkreis" in text_of(first.select_one(".why"))
    assert first.select('a[href^="https:"]'), "how to find it there"
    assert not first.select("address"), "the house here is the wrong one"


def test_a_place_goes_before_a_quiet_answer_that_was_still_selected(client: PageClient) -> None:
    path = at_place(client)
    answer(client, path, {"place": "Tannwerder", "answer": "dont_know"})
    with client.client.session_transaction() as cookie:
        assert cookie["a"]["place"] == [client.app.extensions["portal"].catalogue.places.ags_of("Tannwerder")]


@pytest.mark.parametrize("typed", ["tannwerder", " Tannwerder ", "TANNWERDER", "Tanwerder"])
def test_a_place_is_known_however_it_is_written(client: PageClient, typed: str) -> None:
    path = at_place(client)
    assert question_of(answer(client, path, {"place": typed})) != "place"


def test_a_house_of_the_place_is_shown_and_how_far_it_is(harz: PageClient) -> None:
    near = walk(
        harz, "de", {"topic": "money", "age": "age_18_20", "money_issue": "living", "place": "Wernigerode"}
    )
    assert "Jobcenter" in text_of(near.one("article.first h2"))
    assert "Wernigerode" in text_of(near.one("article.first address"))


# Who is asking.


@pytest.mark.parametrize("who", ["my_child", "accompany", "company"])
def test_grown_ups_are_spoken_to_as_sie(app: Flask, who: str) -> None:
    client = PageClient(app)
    path = str(client.get("/de/check").location)
    path = answer(client, path, who)
    while question_of(path) != "result":
        page = client.page(urlsplit(path).path)
        for part in (page.h1, text_of(page.one("form#question")), *map(text_of, page.all("main details"))):
            assert not DU.search(part), f"{path}: {part}"
        path = answer(client, path, "dont_know")
    result = client.page("/de/result")
    for selector in ("h1", ".why", ".kicker", "details.said"):
        for part in result.all(f"main {selector}"):
            assert not DU.search(text_of(part)), text_of(part)


@pytest.mark.parametrize("who", ["me", "no_answer"])
def test_young_people_are_spoken_to_as_du(app: Flask, who: str) -> None:
    client = PageClient(app)
    path = answer(client, str(client.get("/de/check").location), who)
    while question_of(path) != "result":
        page = client.page(urlsplit(path).path)
        assert not re.search(
            r"\b(Ihnen|Ihre[mnrs]?)\b|\b(?<!\. )(?<!^)Sie\b (?!kommt|ist|hilft)",
            text_of(page.one("form#question")),
        )
        path = answer(client, path, "dont_know")
    assert DU.search(client.page("/de/result").text)


# Leaving no trace.


def test_nothing_that_was_typed_as_a_place_is_kept_but_the_municipality(client: PageClient) -> None:
    answer(client, at_place(client), {"place": "Vogelbrück"})
    with client.client.session_transaction() as cookie:
        assert cookie["a"]["place"][0].isdigit()
        assert "Vogelbrück" not in repr(dict(cookie))


def test_deleting_everything_leads_to_the_start_and_leaves_nothing(client: PageClient) -> None:
    result = walk(client, "de", {})
    forms = [form for form in result.all("main form") if form["action"] == "/de/forget"]
    assert len(forms) == 1
    response = client.post("/de/forget")
    assert response.status_code == 303
    client.page(str(response.location))
    assert client.cookie_names() == []
