"""Parts of pages that are the same for everybody, made and compressed once.

A page with answers is made fresh each time, but most of what is on it is not about anybody: the style, the tiles of a
question, the card of an office at this minute. Such a part is kept here as HTML and as a deflate block; the template
gets a placeholder, and the finished page is put together from blocks (RFC 1951 §3.2.4: after a full flush blocks stand
for themselves). What one visitor said is never part of a key or of a fragment.
"""

import struct
import zlib
from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from itertools import count
from threading import Lock

from markupsafe import Markup

_MARK = "\0"
_GZIP_HEAD = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff"
_LAST_BLOCK = b"\x03\x00"
"""An empty final block, to close a stream whose other blocks are not marked as the last."""


@dataclass(slots=True)
class _Fragment:
    plain: bytes
    block: bytes


def _block(data: bytes, level: int) -> bytes:
    compressor = zlib.compressobj(level, zlib.DEFLATED, -15)
    return compressor.compress(data) + compressor.flush(zlib.Z_FULL_FLUSH)


class Fragments:
    """Kept parts, by key; the oldest go first. Keys name content, never a person."""

    def __init__(self, capacity: int = 800) -> None:
        self._capacity = capacity
        self._names: OrderedDict[Hashable, str] = OrderedDict()
        self._kept: dict[str, _Fragment] = {}
        self._numbers = count()
        self._lock = Lock()

    def keep(self, key: Hashable, make: Callable[[], str]) -> Markup:
        """A placeholder for the template; `make` is called when the part is not there yet."""
        name = self._names.get(key)
        if name is None:
            # A part may hold parts itself; those are put in now, so that blocks never nest.
            plain = self.plain(make())
            with self._lock:
                name = str(next(self._numbers))
                self._kept[name] = _Fragment(plain, _block(plain, 9))
                self._names[key] = name
                while len(self._names) > self._capacity:
                    _key, oldest = self._names.popitem(last=False)
                    del self._kept[oldest]
        return Markup(_MARK + name + _MARK)

    def plain(self, text: str) -> bytes:
        """The page with its parts put in."""
        if _MARK not in text:
            return text.encode()
        pieces = text.split(_MARK)
        return b"".join(
            self._kept[piece].plain if index % 2 else piece.encode() for index, piece in enumerate(pieces)
        )

    def gzip(self, text: str) -> bytes:
        """The same as a gzip stream (RFC 1952); only what is not kept is compressed now."""
        blocks = [_GZIP_HEAD]
        checksum = size = 0
        for index, piece in enumerate(text.split(_MARK)):
            if index % 2:
                kept = self._kept[piece]
                plain = kept.plain
                blocks.append(kept.block)
            else:
                plain = piece.encode()
                if not plain:
                    continue
                blocks.append(_block(plain, 5))
            checksum = zlib.crc32(plain, checksum)
            size += len(plain)
        blocks += [_LAST_BLOCK, struct.pack("<II", checksum, size & 0xFFFFFFFF)]
        return b"".join(blocks)


def without_marks(text: str) -> str:
    """What somebody typed, without the one character that has a meaning here (and none in HTML)."""
    return text.replace(_MARK, "")
