"""The language of a page stands in its path and nowhere else."""

from collections.abc import Mapping, Sequence

from flask import Flask, Request, g, request
from flask_babel import Babel
from werkzeug.routing import BaseConverter

from portal.web import current, provenance
from portal.web.languages import locale_of


def best_language(request: Request, codes: Sequence[str], also: Mapping[str, str] | None = None) -> str:
    """The offered language the browser likes best; the first offered one when it names none of them.

    "de-AT" is served by "de"; "de-simple" only by itself. `also`: other codes → the offered language they mean.
    """
    known = {**(also or {}), **{code.lower(): code for code in codes}}
    for wanted, quality in request.accept_languages:
        wanted = wanted.lower()
        found = known.get(wanted) or known.get(wanted.partition("-")[0])
        if found is not None and quality > 0:
            return found
    return codes[0]


def install(
    app: Flask, codes: Sequence[str], translations_dir: str, also: Mapping[str, str] | None = None
) -> None:
    """Register the path converter `<lang:lang>`; every request gets its language, also one for an unknown address."""

    class LanguageConverter(BaseConverter):
        regex = "|".join(codes)
        part_isolating = True

    app.url_map.converters["lang"] = LanguageConverter

    @app.url_value_preprocessor
    def take_language(endpoint: str | None, values: dict[str, object] | None) -> None:
        g.lang = values.pop("lang") if values and "lang" in values else language_of_address(codes, also)
        provenance.begin()
        portal = app.extensions.get("portal")
        if portal is not None:
            current.begin(portal, portal.languages[g.lang])

    @app.url_defaults
    def give_language(endpoint: str, values: dict[str, object]) -> None:
        if "lang" not in values and app.url_map.is_endpoint_expecting(endpoint, "lang"):
            values["lang"] = g.lang

    app.config.update(BABEL_TRANSLATION_DIRECTORIES=translations_dir, BABEL_DEFAULT_LOCALE=codes[0])
    Babel(app, locale_selector=lambda: str(locale_of(g.lang)))


def language_of_address(codes: Sequence[str], also: Mapping[str, str] | None = None) -> str:
    """The first part of the path when it is a language, else what the browser likes."""
    first = request.path.split("/", 2)[1]
    return first if first in codes else best_language(request, codes, also)
