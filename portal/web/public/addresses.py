"""Addresses of the pages that are made fresh, written out: `url_for` would be a third of their cost.

A test compares each with the route.
"""

from urllib.parse import urlencode

from portal.web.current import current_language


def question(question_id: str) -> str:
    return f"/{current_language().code}/check/{question_id}"


def result() -> str:
    return f"/{current_language().code}/result"


def bilingual(kind: str) -> str:
    return f"/{current_language().code}/result/both/{kind}"


def result_both() -> str:
    return f"/{current_language().code}/result/both"


def organization(slug: str) -> str:
    return f"/{current_language().code}/organizations/{slug}"


def offer(slug: str) -> str:
    return f"/{current_language().code}/offers/{slug}"


def offer_calendar(slug: str) -> str:
    return f"/{current_language().code}/offers/{slug}/hours.ics"


def offer_qr(slug: str) -> str:
    return f"/{current_language().code}/offers/{slug}/qr.svg"


def kept_card(slug: str) -> str:
    return f"/{current_language().code}/offers/{slug}/card"


def slip() -> str:
    return f"/{current_language().code}/slip"


def slip_code() -> str:
    return f"/{current_language().code}/slip/code"


def mine() -> str:
    return f"/{current_language().code}/mine"


def start() -> str:
    return f"/{current_language().code}/"


def place_suggestions() -> str:
    return f"/{current_language().code}/suggest/places"


def forget() -> str:
    return f"/{current_language().code}/forget"


def offers(**values: str | None) -> str:
    query = urlencode([(name, value) for name, value in values.items() if value])
    return f"/{current_language().code}/offers" + (f"?{query}" if query else "")
