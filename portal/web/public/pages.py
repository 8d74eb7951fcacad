"""Start, topics, help now, editorial pages, and the way out."""

from typing import Any

from flask import Blueprint, Response, g, redirect, request, url_for
from werkzeug.exceptions import NotFound

from portal.web import provenance
from portal.web.current import current_language, current_portal
from portal.web.languages import review_of
from portal.web.provenance import Shown
from portal.web.public import access, check, presenting
from portal.web.public.views import Bit
from portal.web.responses import is_kept_copy, render
from portal.web.security import refuse_cross_site
from portal.web.texts import in_german

EDITORIAL = (
    "about", "explained", "sign-language", "privacy", "your-device", "imprint", "accessibility", "sources"
)  # fmt: skip
"""Slugs of the editorial pages, which are also their addresses."""
_SLUGS = ", ".join(f'"{slug}"' for slug in EDITORIAL)


def register(bp: Blueprint) -> None:
    bp.add_url_rule("/<lang:lang>/", "start", start)
    bp.add_url_rule("/<lang:lang>/topics", "topics", topics)
    bp.add_url_rule("/<lang:lang>/topics/<code>", "topic", topic)
    bp.add_url_rule("/<lang:lang>/help-now", "help_now", help_now)
    bp.add_url_rule("/<lang:lang>/offline", "offline", offline)
    bp.add_url_rule("/<lang:lang>/exit", "leave", leave, methods=["POST"])
    bp.add_url_rule("/<lang:lang>/exit", "leave_page", leave_page, methods=["GET"])
    bp.add_url_rule(f"/<lang:lang>/<any({_SLUGS}):slug>", "editorial", editorial)


def start() -> Response:
    portal = current_portal()
    return render(
        "public/start.html",
        keep=True,
        style="light",
        topics=presenting.topic_links(),
        example=next((in_german(words) for words in portal.region.example_searches), None),
        topics_url=url_for("public.topics"),
        explained=access.explained(),
        sign_language_url=url_for("public.editorial", slug="sign-language"),
    )


def topics() -> Response:
    return render("public/topics.html", keep=True, topics=presenting.topic_links())


def topic(code: str) -> Response:
    portal = current_portal()
    term = portal.catalogue.term("topics", code)
    if term is None:
        raise NotFound
    name, description = presenting.term_text(term, "name"), presenting.term_text(term, "description")
    services = presenting.sort_for_list(portal.catalogue.services_of_topic(code))
    shown = services[:20]
    return render(
        "public/topic.html",
        keep=True,
        name=name,
        description=description,
        contacts=presenting.contacts_of_topic(code),
        offers=tuple(presenting.offer_card(service) for service in shown),
        total=len(services),
        offers_url=url_for("public.offers", topic=code),
    )


def help_now() -> Response:
    return render("public/help_now.html", keep=True, groups=presenting.help_groups(live=not is_kept_copy()))


def editorial(slug: str) -> Response:
    portal = current_portal()
    page = portal.pages.page(slug, g.lang)
    if page is None:
        raise NotFound
    foreign = page.language != g.lang
    if not foreign and not current_language().is_german:
        provenance.note(Shown("", review_of(page.comments), label=True))
    title = Bit(page.title, page.language if foreign else None, "ltr" if foreign else None)
    template, more = access.additions(slug)
    response = render(
        template,
        keep=True,
        title=title,
        html=page.html,
        html_lang=page.language if foreign else None,
        data_html=portal.pages.sources_of_data() if slug == "sources" else "",
        quality_url=url_for("public.quality") if slug == "sources" else "",
        **more,
    )
    return access.with_film(response) if more.get("video") else response


def offline() -> Response:
    """What the browser keeps for the moment without a network: emergency numbers and a way back."""
    return render(
        "public/offline.html",
        keep=True,
        index=False,
        style="light",
        minutes=current_portal().settings.session_minutes,
        questions_url=url_for("public.check_offline"),
    )


def components() -> Response:
    """All components together, to look at; not in production."""
    return render("dev/components.html", index=False, style="paper")


def leave() -> Any:
    """Exit: the answers go, the browser's copies go, and a neutral page opens.

    It must never fail, so it needs no token: forging it deletes nothing that matters.
    """
    refuse_cross_site()
    check.forget()
    beacon = request.args.get("quiet") == "1"
    response = Response(status=204) if beacon else redirect(current_portal().region.exit_url, code=303)
    response.headers["Clear-Site-Data"] = '"cache", "storage"'
    response.headers["Cache-Control"] = "no-store"
    return response


def leave_page() -> Any:
    """Somebody reloaded or typed the address of Exit."""
    return redirect(url_for("public.start"), code=303)
