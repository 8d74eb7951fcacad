"""QR codes as SVG, made here and not by a service."""

import io
from functools import lru_cache

import segno


@lru_cache(maxsize=512)
def qr_svg(address: str) -> bytes:
    """`address` must be public: the code can be read by everybody who sees it. Dark on light in every theme."""
    buffer = io.BytesIO()
    segno.make(address, error="m", micro=False).save(
        buffer, kind="svg", scale=4, border=4, dark="#000", light="#fff", xmldecl=False, omitsize=True
    )
    return buffer.getvalue()
