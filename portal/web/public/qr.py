"""QR codes as SVG, made here and not by a service."""

import io
from functools import lru_cache

import segno
from markupsafe import Markup


@lru_cache(maxsize=512)
def qr_svg(address: str) -> bytes:
    """`address` must be public: the code can be read by everybody who sees it, and is remembered here."""
    return drawn(address)


def qr_inside(text: str) -> Markup:
    """For a page that is shown to one person: remembered nowhere, and no address of its own."""
    return Markup(drawn(text).decode())  # noqa: S704 (drawn by segno; the text stands in it as dots)


def drawn(text: str) -> bytes:
    """Dark on light in every theme."""
    buffer = io.BytesIO()
    segno.make(text, error="m", micro=False).save(
        buffer, kind="svg", scale=4, border=4, dark="#000", light="#fff", xmldecl=False, omitsize=True
    )
    return buffer.getvalue()
