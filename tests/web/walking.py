"""Walking through the questionnaire as a browser without scripts does."""

from collections.abc import Mapping
from urllib.parse import urlsplit

from tests.web.pages import Page, PageClient, check_page


def question_of(path: str) -> str:
    return urlsplit(path).path.rsplit("/", 1)[1]


def answer(client: PageClient, path: str, values: str | tuple[str, ...] | Mapping[str, str]) -> str:
    """Answer the question at `path`; returns where it leads."""
    data: dict[str, object]
    if isinstance(values, Mapping):
        data = dict(values)
    else:
        data = {"answer": [values] if isinstance(values, str) else list(values)}
    response = client.submit(urlsplit(path).path, data)
    return str(response.location)


def walk(client: PageClient, lang: str, answers: Mapping[str, object], *, default: str = "dont_know") -> Page:
    """Answer every question that is asked, with `answers` where they name it; returns the result page."""
    path = str(client.get(f"/{lang}/check").location)
    for _ in range(12):
        question = question_of(path)
        if question == "result":
            return client.page(urlsplit(path).path)
        value = answers.get(question, default)
        if question == "place" and value not in ("dont_know", "no_answer", "outside"):
            value = {"place": str(value)}
        path = answer(client, path, value)  # type: ignore[arg-type]
    raise AssertionError(f"no result after twelve questions, at {path}")


__all__ = ["answer", "check_page", "question_of", "walk"]
