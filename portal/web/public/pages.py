"""Start, topics, help now, editorial pages, and the way out."""

from typing import Any

from flask import Blueprint, Response, g, redirect, request, url_for
from werkzeug.exceptions import NotFound

from portal.web.current import current_portal
from portal.web.public import check, presenting
from portal.web.public.views import Bit
from portal.web.responses import render
from portal.web.security import refuse_cross_site


def register(bp: Blueprint) -> None:
    bp.add_url_rule("/<lang:lang>/", "start", start)
    bp.add_url_rule("/<lang:lang>/topics", "topics", topics)
    bp.add_url_rule("/<lang:lang>/topics/<code>", "topic", topic)
    bp.add_url_rule("/<lang:lang>/help-now", "help_now", help_now)
    bp.add_url_rule("/<lang:lang>/offline", "offline", offline)
    bp.add_url_rule("/<lang:lang>/exit", "leave", leave, methods=["POST"])
    bp.add_url_rule("/<lang:lang>/exit", "leave_page", leave_page, methods=["GET"])
    bp.add_url_rule(
        "/<lang:lang>/<any(about, privacy, imprint, accessibility, sources):slug>", "editorial", editorial
    )


def start() -> Response:
    portal = current_portal()
    return render(
        "public/start.html",
        keep=True,
        style="light",
        topics=presenting.topic_links(),
        example=next(iter(portal.region.example_searches), None),
        topics_url=url_for("public.topics"),
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
    return render("public/help_now.html", keep=True, groups=presenting.help_groups())


def editorial(slug: str) -> Response:
    portal = current_portal()
    page = portal.pages.page(slug, g.lang)
    if page is None:
        raise NotFound
    foreign = page.language != g.lang
    title = Bit(page.title, page.language if foreign else None, "ltr" if foreign else None)
    return render(
        "public/page.html",
        keep=True,
        title=title,
        html=page.html,
        html_lang=page.language if foreign else None,
        data_html=portal.pages.sources_of_data() if slug == "sources" else "",
        quality_url=url_for("public.quality") if slug == "sources" else "",
    )


def offline() -> Response:
    """What the browser keeps for the moment without a network: emergency numbers and a way back."""
    return render("public/offline.html", keep=True, index=False)


def components() -> Response:
    """All components together, to look at; not in production."""
    return render("dev/components.html", index=False)


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
