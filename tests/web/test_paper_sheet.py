"""The questionnaire on paper: all of it, for everybody the same, and readable for whoever is handed it."""

from flask import Flask

from portal.clearing.paper import paper_questions
from tests.web.pages import PageClient, text_of


def test_all_questions_and_answers_stand_on_it(app: Flask) -> None:
    portal = app.extensions["portal"]
    page = PageClient(app).page("/de/check/print")
    sheet = paper_questions(portal.clearing, "young_person")
    questions = page.all("ol.sheet > li")
    assert len(questions) == len(sheet)
    for paper, shown in zip(sheet, questions, strict=True):
        assert paper.question.text("young_person") in text_of(shown.h2)
        boxes = [text_of(option) for option in shown.select(".tick li")]
        if paper.question.type == "place":
            assert shown.select_one(".blank") and not boxes
        else:
            assert len(boxes) == len(paper.options)
            for option, box in zip(paper.options, boxes, strict=True):
                assert box.startswith(option.text("young_person"))
        condition = shown.select_one(".warm")
        assert (condition is not None) is (paper.after is not None)
        if paper.after and condition:
            assert str(paper.after[0]) in text_of(condition)
            assert all(option.text("young_person") in text_of(condition) for option in paper.after[1])


def test_below_each_line_stands_german(harz: PageClient) -> None:
    portal = harz.app.extensions["portal"]
    page = harz.page("/ar/check/print")
    for paper, shown in zip(
        paper_questions(portal.clearing, "young_person"), page.all("ol.sheet > li"), strict=True
    ):
        german = shown.select("[lang=de]")
        assert all(tag.get("dir") == "ltr" for tag in german)
        text = " ".join(text_of(tag) for tag in german)
        assert paper.question.text("young_person") in text
        if paper.question.type != "place":
            for option in paper.options:
                assert option.text("young_person") in text


def test_it_says_who_can_be_called_and_where_it_can_be_taken(app: Flask) -> None:
    portal = app.extensions["portal"]
    page = PageClient(app).page("/de/check/print")
    numbers = [str(link["href"]) for link in page.all('section[aria-labelledby="now"] a[href^="tel:"]')]
    assert numbers[:2] == ["tel:112", "tel:110"] and len(numbers) == 4
    desk = portal.catalogue.service(portal.region.clearing_desk)
    places = page.all('section[aria-labelledby="where"] li')
    assert desk.name in text_of(places[0])
    assert 2 <= len(places) <= 4


def test_it_is_the_same_for_everybody_and_holds_no_answer(client: PageClient) -> None:
    page = client.page("/de/check/print")
    assert page.response.headers["Cache-Control"].startswith("public")
    assert "Set-Cookie" not in page.response.headers
    assert not page.all("main input, main form")
    client.submit("/de/check/who", {"answer": "me"})
    client.submit("/de/check/topic", {"answer": "violence"})
    again = client.page("/de/check/print")
    assert again.response.get_data() == page.response.get_data()


def test_the_start_page_and_the_first_question_lead_to_it(client: PageClient) -> None:
    for path in ("/de/", "/de/check/who"):
        assert client.page(path).all('main a[href="/de/check/print"]'), path
    client.submit("/de/check/who", {"answer": "me"})
    assert not client.page("/de/check/topic").all('main a[href="/de/check/print"]'), "once is enough"
