"""Parts of pages that are the same for everybody, made once; and pages compressed without starting over.

A page with answers is made fresh each time, but most of what is on it is not about anybody: the tiles of a question, the
card of an office at this minute. Such a part is kept here as HTML, and the template gets a placeholder for it. What one
visitor said is never part of a key or of a fragment.

Every page begins with the same bytes, up to the end of its style sheet. A compressor that has already read them is kept
and copied, so that only the rest costs anything.
"""

import secrets
import struct
import zlib
from collections import OrderedDict
from collections.abc import Callable, Hashable
from itertools import count
from threading import Lock
from typing import Any

from markupsafe import Markup

_NUL = "\0"
"""Has no meaning in HTML, so it stands around placeholders, and nowhere else in a page."""
_GZIP_HEAD = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff"
_END_OF_STYLE = b"</style>"
_LEVEL = 6


class Fragments:
    """Kept parts, by key; what was not used for longest goes first. Keys name content, never a person.

    `capacity` must be far above what one page holds, for pages that are made at the same time.
    """

    def __init__(self, capacity: int = 800) -> None:
        self._capacity = capacity
        self._names: OrderedDict[Hashable, str] = OrderedDict()
        self._kept: dict[str, bytes] = {}
        self._numbers = count()
        # Whoever could guess it could write a placeholder into a text and have a part put there.
        self._mark = f"{_NUL}{secrets.token_hex(6)}{_NUL}"
        self._lock = Lock()

    def keep(self, key: Hashable, make: Callable[[], str]) -> Markup:
        """A placeholder for the template; `make` is called when the part is not there yet."""
        with self._lock:
            name = self._names.get(key)
            if name is not None:
                # Used last, goes last: the page being made may hold it next to parts that are new.
                self._names.move_to_end(key)
        if name is None:
            # A part may hold parts itself; those are put in now, so that placeholders never nest.
            plain = self.plain(make())
            with self._lock:
                name = str(next(self._numbers))
                self._kept[name] = plain
                self._names[key] = name
                while len(self._names) > self._capacity:
                    _key, oldest = self._names.popitem(last=False)
                    del self._kept[oldest]
        return Markup(self._mark + name + self._mark)  # noqa: S704 (a number)

    def plain(self, text: str) -> bytes:
        """The page with its parts put in."""
        if _NUL not in text:
            return text.encode()
        pieces = text.split(self._mark)
        return b"".join(
            self._kept[piece] if index % 2 else without_marks(piece).encode()
            for index, piece in enumerate(pieces)
        )


class Packer:
    """gzip (RFC 1952) for pages that begin alike."""

    def __init__(self, capacity: int = 40) -> None:
        self._capacity = capacity
        self._begun: OrderedDict[bytes, tuple[bytes, Any, int]] = OrderedDict()

    def gzip(self, page: bytes) -> bytes:
        end = page.find(_END_OF_STYLE) + len(_END_OF_STYLE)
        beginning = page[:end] if end >= len(_END_OF_STYLE) else b""
        kept = self._begun.get(beginning)
        if kept is None:
            compressor = zlib.compressobj(_LEVEL, zlib.DEFLATED, -15)
            kept = (compressor.compress(beginning), compressor, zlib.crc32(beginning))
            self._begun[beginning] = kept
            if len(self._begun) > self._capacity:
                self._begun.popitem(last=False)
        output, begun, checksum = kept
        rest = page[len(beginning) :]
        compressor = begun.copy()
        return b"".join(
            (
                _GZIP_HEAD,
                output,
                compressor.compress(rest),
                compressor.flush(),
                struct.pack("<II", zlib.crc32(rest, checksum), len(page) & 0xFFFFFFFF),
            )
        )


def without_marks(text: str) -> str:
    """What somebody typed, without the one character that has a meaning here (and none in HTML)."""
    return text.replace(_NUL, "")
