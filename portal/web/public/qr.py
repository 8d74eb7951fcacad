"""QR codes as inline SVG, made here and not by a service."""

from functools import lru_cache

import segno
from markupsafe import Markup


@lru_cache(maxsize=512)
def qr_svg(address: str) -> Markup:
    """`address` must be public: the code can be read by everybody who sees it. Dark on light in every theme."""
    code = segno.make(address, error="m", micro=False)
    return Markup(
        code.svg_inline(scale=4, border=4, dark="#000", light="#fff", svgclass="qr", lineclass=None, omitsize=True)
    )
