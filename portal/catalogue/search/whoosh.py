"""The embedded engine: Whoosh 2.7.4 as a store of words. Nothing else in the portal knows Whoosh.

What the library does badly stays out of its hands. Words come ready from `documents.terms` (its analysers crash on
Arabic); filters and counts are bitsets (it takes an empty filter for no filter); typing errors are RapidFuzz over the
vocabulary (its own suggestions change with the second segment); writers queue at a lock of ours (two of its writers
lose a save); lists of occurrences are written as arrays (it pickles and zips them in blocks, and asks the disk for
the length of a field at each occurrence); a rebuild goes to a new folder.

    <folder>/state     which folder counts, and which catalogue revision it holds; replaced in one move
    <folder>/lock      writers queue here
    <folder>/ix-…/     a Whoosh index

Whoosh reads pickles: nobody but the portal's own user may write to the folder (it is made with mode 0700).
"""

import contextlib
import errno
import fcntl
import json
import math
import os
import shutil
import sys
import threading
import time
import uuid
import weakref
import zlib
from array import array
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any
from uuid import UUID

from whoosh import fields, formats
from whoosh import index as whoosh_index
from whoosh.codec.whoosh3 import W3Codec, W3PostingsWriter
from whoosh.columns import VarBytesColumn
from whoosh.filedb.filestore import FileStorage
from whoosh.matching import ListMatcher
from whoosh.reading import SegmentReader, TermNotFound
from whoosh.writing import SegmentWriter

from portal.catalogue.search import analysis, ranking
from portal.catalogue.search.concepts import Concepts
from portal.catalogue.search.documents import SURFACE, WEIGHTS, ServiceDocument, step, terms
from portal.catalogue.search.index import (
    IndexBusy,
    IndexNotWritten,
    IndexState,
    IndexUnusable,
    SearchError,
    SearchRequest,
    SearchResults,
    Suggestion,
)
from portal.catalogue.search.ranking import Columns, PlaceBook, Snapshot
from portal.catalogue.search.snippets import places_of_words

_FORMAT = 2
"""Make of the stored rows; raise it with every change of `ranking.record`, of `snippets.places_of_words`, or of the
schema and the lists below."""
_WAIT_SECONDS = 30.0
_OPEN_TRIES = 6
_OPEN_SECONDS = 10.0
_KEPT_POSTINGS = 2_000_000
"""Occurrences of words kept in memory for each segment, some 20 MB."""
_KEPT_TEXTS = 1000
"""Offers whose texts are kept in memory for each segment, some 10 MB: the same ones are shown again and again."""
_MEGABYTES = 256
_FAN = 6
"""As many segments of about the same size become one."""


class _Lists(W3PostingsWriter):  # type: ignore[misc]
    """Writes all occurrences of a term in one piece: document numbers of four bytes, then steps of one."""

    def __init__(self, file: Any) -> None:
        super().__init__(file, blocklimit=sys.maxsize)

    def add_posting(self, number: int, weight: float, _: bytes, __: int | None = None) -> None:
        self._ids.append(number)
        self._weights.append(weight)

    def _write_block(self, last: bool = False) -> None:
        self._terminfo.add_block(self)
        self._postfile.write(self._ids.tobytes() + bytes(map(step, self._weights)))
        self._new_block()


class _Codec(W3Codec):  # type: ignore[misc]
    """Whoosh's files with our lists in them. Named in the pickle of every index: moving it makes them unreadable."""

    length_stats = False

    def postings_writer(self, dbfile: Any, byteids: bool = False) -> _Lists:
        return _Lists(dbfile)

    def postings_reader(
        self, dbfile: Any, terminfo: Any, format_: Any, term: Any = None, scorer: Any = None
    ) -> ListMatcher:
        numbers, steps = _occurrences(dbfile, terminfo)
        weights = [WEIGHTS[step] for step in steps]
        return ListMatcher(
            numbers, weights, [b""] * len(numbers), format_, scorer=scorer, term=term, terminfo=terminfo
        )


def _occurrences(file: Any, terminfo: Any) -> tuple[Sequence[int], bytes]:
    offset, _ = terminfo.extent()
    size = terminfo.doc_frequency()
    data = file.get(offset, 5 * size)
    numbers = array("I")
    numbers.frombytes(data[: 4 * size])
    return numbers, data[4 * size :]


def _merge(writer: SegmentWriter, segments: Sequence[Any]) -> list[Any]:
    """Which segments stay; the others are copied to the new one, without their deleted documents.

    Segments come together by sixes of about the same size, so that a document is copied only a few times in its life;
    large ones also when most of their documents are gone.
    """
    alike: dict[int, list[Any]] = defaultdict(list)
    merged = []
    for segment in segments:
        living = segment.doc_count()
        if not living or segment.deleted_count() > living >= _FAN**2:
            merged.append(segment)
        else:
            alike[int(math.log(living, _FAN))].append(segment)
    for size in sorted(alike):
        if len(alike[size]) >= _FAN:
            merged += alike.pop(size)
            break
    for segment in merged:
        if segment.doc_count():
            reader = SegmentReader(writer.storage, writer.schema, segment)
            writer.add_reader(reader)
            reader.close()
    return [segment for some in alike.values() for segment in some]


class _Weights(fields.FieldType):  # type: ignore[misc]
    """Takes terms with their weights as they are, without any analysis."""

    indexed = True
    stored = False

    def __init__(self) -> None:
        self.format = formats.Existence()
        self.scorable = False

    def index(self, value: Mapping[str, float], **_: object) -> Iterator[tuple[bytes, int, float, bytes]]:
        for term, weight in value.items():
            yield term.encode(), 1, weight, b""


def _schema() -> Any:
    return fields.Schema(
        id=fields.ID(unique=True),
        terms=_Weights(),
        record=fields.COLUMN(VarBytesColumn()),
        texts=fields.COLUMN(VarBytesColumn()),
    )


@dataclass(frozen=True, slots=True)
class _State:
    folder: str
    revision: int | None
    format: int
    analysis: str
    writes: int


class _Storage(FileStorage):  # type: ignore[misc]
    """Whoosh forgets to close files when it stumbles; this storage remembers them."""

    def __init__(self, path: Path) -> None:
        super().__init__(str(path))
        self._files: list[Any] = []

    def open_file(self, name: str, **options: Any) -> Any:
        self._files.append(super().open_file(name, **options))
        return self._files[-1]

    def create_file(self, name: str, **options: Any) -> Any:
        self._files.append(super().create_file(name, **options))
        return self._files[-1]

    @contextlib.contextmanager
    def closing_on_failure(self) -> Iterator[None]:
        try:
            yield
        except BaseException:
            for file in self._files:
                with contextlib.suppress(Exception):
                    file.close()
            raise
        finally:
            self._files.clear()


class _Segment:
    """A Whoosh segment, read once: columns at once, words and postings when asked for.

    Raises IndexUnusable from every method when the files do not make sense.
    """

    def __init__(self, storage: _Storage, segment: Any, lock: threading.Lock) -> None:
        # Whoosh moves one file pointer about; all reading of the portal goes through one lock, and is kept.
        self._lock = lock
        self._postings: dict[str, tuple[Sequence[int], bytes]] = {}
        self._kept = 0
        self._words: dict[str, Sequence[str]] = {}
        self._numbers: dict[str, int] = {}
        self._shown: dict[int, _Shown] = {}
        self._reader = SegmentReader(storage, _schema(), segment)
        weakref.finalize(self, self._reader.close)
        records = self._reader.column_reader("record")
        self.columns: Columns = ranking.columns(
            [json.loads(records[number]) for number in range(self._reader.doc_count_all())]
        )
        self._texts = self._reader.column_reader("texts")

    def postings(self, term: str) -> tuple[Sequence[int], bytes]:
        language, _, word = term.partition(f":{SURFACE}")
        words = self._words.get(language)
        if words is not None and not _stands_in(words, word):
            # A prefix asks every segment for two dozen words, and the small ones have next to none of them.
            return (), b""
        with self._lock, _unusable_if_broken():
            known = self._postings.get(term)
            if known is None:
                known = self._read_postings(term)
                self._kept += 1 + len(known[0])
                if self._kept > _KEPT_POSTINGS:
                    self._postings.clear()
                    self._kept = 1 + len(known[0])
                self._postings[term] = known
            return known

    def _read_postings(self, term: str) -> tuple[Sequence[int], bytes]:
        # Not by the reader's own `postings`, which goes through all deleted documents each time.
        terms = self._reader._terms
        try:
            found = terms.term_info("terms", term.encode())
        except TermNotFound:
            return (), b""
        return _occurrences(terms._postfile, found)

    def words(self, language: str) -> Sequence[str]:
        with self._lock, _unusable_if_broken():
            known = self._words.get(language)
            if known is None:
                prefix = f"{language}:{SURFACE}"
                skip = len(prefix.encode())
                found = self._reader.expand_prefix("terms", prefix)
                known = self._words[language] = sorted(term[skip:].decode() for term in found)
            return known

    def texts(self, number: int) -> Mapping[str, Mapping[str, str]]:
        known = self._shown.get(number)
        if known is None:
            with self._lock, _unusable_if_broken():
                known = _Shown(self._texts[number])
            if len(self._shown) >= _KEPT_TEXTS:
                self._shown = {}
            self._shown[number] = known
        return known

    def number_of(self, service_id: str) -> int | None:
        """Number of an offer that stands here, or once stood here."""
        if not self._numbers:
            self._numbers = {known: number for number, known in enumerate(self.columns.ids)}
        return self._numbers.get(service_id)


def _stands_in(words: Sequence[str], word: str) -> bool:
    at = bisect_left(words, word)
    return at < len(words) and words[at] == word


class _Snapshot(Snapshot):
    def names(self, numbers: Collection[int], language: str) -> Mapping[int, str]:
        """The names of these few: the order of all is another one after each save."""
        found: dict[int, str] = {}
        for number in numbers:
            segment, local = self.locate(number)
            found[number] = segment.columns.sorting(language)[local]
        return found


class _Shown(Mapping[str, Mapping[str, str]]):
    """Texts of an offer by language, packed one by one: a page shows one of eight."""

    def __init__(self, packed: bytes) -> None:
        head, _, self._packed = packed.partition(b"\n")
        self._where: dict[str, list[int]] = json.loads(head)
        self._texts: dict[str, Mapping[str, str]] = {}

    @staticmethod
    def pack(texts: Mapping[str, Mapping[str, str]]) -> bytes:
        where: dict[str, list[int]] = {}
        body = b""
        for language, some in texts.items():
            part = zlib.compress(json.dumps(some, ensure_ascii=False, separators=(",", ":")).encode(), 1)
            where[language] = [len(body), len(body) + len(part)]
            body += part
        return json.dumps(where, separators=(",", ":")).encode() + b"\n" + body

    def __getitem__(self, language: str) -> Mapping[str, str]:
        known = self._texts.get(language)
        if known is None:
            start, end = self._where[language]
            with _unusable_if_broken():
                known = self._texts[language] = json.loads(zlib.decompress(self._packed[start:end]))
        return known

    def __contains__(self, language: object) -> bool:
        return language in self._where

    def __iter__(self) -> Iterator[str]:
        return iter(self._where)

    def __len__(self) -> int:
        return len(self._where)


class WhooshIndex:
    """A `ServiceIndex` in a folder, for any number of processes on one machine."""

    def __init__(
        self,
        folder: Path,
        concepts: Concepts,
        places: PlaceBook | None = None,
        *,
        wait_seconds: float = _WAIT_SECONDS,
    ) -> None:
        self._folder = folder
        self._concepts = concepts
        self._places = places
        self._wait_seconds = wait_seconds
        self._reading = threading.Lock()
        self._opening = threading.Lock()
        self._open: _Open | None = None

    # -- reading ---------------------------------------------------------------------------------------------------

    def use(self, concepts: Concepts) -> None:
        self._concepts = concepts

    def search(self, request: SearchRequest) -> SearchResults:
        return ranking.search(self._current().snapshot, request, self._concepts, self._places)

    def suggest(self, prefix: str, language: str, limit: int = 8) -> tuple[Suggestion, ...]:
        return ranking.suggest(self._current().snapshot, prefix, language, limit)

    def count(self) -> int:
        return self._current().snapshot.count

    @property
    def revision(self) -> int | None:
        return self._current().state.revision

    def state(self) -> IndexState:
        now = self._current()
        path = self._folder / now.state.folder
        return IndexState(
            count=now.snapshot.count,
            revision=now.state.revision,
            details={
                "engine": "whoosh",
                "segments": len(now.segments),
                "bytes": sum(file.stat().st_size for file in path.iterdir()),
                "writes": now.state.writes,
                **{f"words_{code}": now.snapshot.vocabulary(code) for code in analysis.LANGUAGES},
            },
        )

    def close(self) -> None:
        self._open = None

    def _current(self) -> "_Open":
        """What was written last. Costs one look at a small file when nothing has changed."""
        now = self._open
        try:
            if now is not None and now.mark == self._mark():
                return now
        except OSError as error:
            raise IndexUnusable("there is no index") from error
        with self._opening:
            return self._opened_between_writes()

    def _opened_between_writes(self) -> "_Open":
        """A writer may just have taken away a segment that the table of contents still named: try again.

        While others go on writing, the tries begin anew each time; an index that nobody changes and that still
        cannot be opened is broken.
        """
        deadline = time.monotonic() + _OPEN_SECONDS
        seen: object = None
        tries = 0
        while True:
            mark = self._mark_or_none()
            try:
                return self._opened()
            except IndexUnusable:
                tries = tries + 1 if mark == seen == self._mark_or_none() else 1
                seen = self._mark_or_none()
                if tries >= _OPEN_TRIES or time.monotonic() > deadline:
                    raise
            time.sleep(0.005 * tries)

    def _mark_or_none(self) -> tuple[int, int, int] | None:
        try:
            return self._mark()
        except OSError:
            return None

    def _mark(self) -> tuple[int, int, int]:
        found = os.stat(self._folder / "state")
        return found.st_ino, found.st_mtime_ns, found.st_size

    def _opened(self) -> "_Open":
        before = self._open
        with _unusable_if_broken():
            mark = self._mark()
            if before is not None and before.mark == mark:
                return before
            state = self._read_state()
            same_folder = before is not None and before.state.folder == state.folder
            known = before.segments if before is not None and same_folder else {}
            storage = before.storage if before is not None and same_folder else self._storage(state.folder)
            segments: dict[str, _Segment] = {}
            live: list[int] = []
            with storage.closing_on_failure():
                for part in _index(storage)._read_toc().segments:
                    name = part.segment_id()
                    segments[name] = known.get(name) or _Segment(storage, part, self._reading)
                    everything = (1 << part.doc_count_all()) - 1
                    live.append(everything & ~ranking.bitset(part.deleted_docs()))
            self._open = _Open(mark, state, storage, segments, _Snapshot(list(segments.values()), live))
            return self._open

    def _storage(self, folder: str) -> _Storage:
        path = self._folder / folder
        if not path.is_dir():
            raise IndexUnusable("the index folder is gone")
        return _Storage(path)

    def _read_state(self) -> "_State":
        state = _State(**json.loads((self._folder / "state").read_text(encoding="utf-8")))
        if (state.format, state.analysis) != (_FORMAT, analysis.fingerprint()):
            raise IndexUnusable("the index was made by another version")
        return state

    # -- writing ---------------------------------------------------------------------------------------------------

    def put(self, documents: Iterable[ServiceDocument]) -> None:
        self._write(documents, ())

    def remove(self, ids: Iterable[UUID]) -> None:
        self._write((), ids)

    def catch_up(
        self, documents: Iterable[ServiceDocument], removed: Iterable[UUID], *, since: int, revision: int
    ) -> None:
        self._write(documents, removed, since=since, revision=revision)

    def _write(
        self,
        documents: Iterable[ServiceDocument],
        removed: Iterable[UUID],
        *,
        since: int | None = None,
        revision: int | None = None,
    ) -> None:
        with self._locked():
            with _unusable_if_broken():
                state = self._read_state()
                storage = self._storage(state.folder)
            held = state.revision
            if revision is not None and held is not None and held >= revision:
                # Another process was quicker.
                return
            rows = {str(document.id): _row(document) for document in documents}
            gone = {str(one) for one in removed} - set(rows)
            if rows or gone:
                with _not_written_if_refused(), _unusable_if_broken():
                    self._commit(storage, rows, gone, self._opened().segments)
            if since is not None and revision is not None and held is not None and held >= since:
                held = revision
            self._write_state(replace(state, revision=held, writes=state.writes + 1))

    def _commit(
        self,
        storage: _Storage,
        rows: Mapping[str, dict[str, Any]],
        gone: Iterable[str] = (),
        held: Mapping[str, _Segment] | None = None,
    ) -> None:
        """Under the lock. `held` are the segments of the index; what they have of `gone` and `rows` is deleted."""
        with storage.closing_on_failure():
            # Whoosh's own lock is not needed under ours, and would stay behind after a failure.
            writer = SegmentWriter(_index(storage), _lk=False, limitmb=_MEGABYTES, codec=_Codec())
            try:
                for segment in writer.segments:
                    known = (held or {})[segment.segment_id()]
                    for one in (*gone, *rows):
                        number = known.number_of(one)
                        if number is not None:
                            segment.delete_document(number)
                for row in rows.values():
                    writer.add_document(**row)
                writer.commit(mergetype=_merge)
            except BaseException:
                with contextlib.suppress(Exception):
                    writer.cancel()
                raise

    def rebuild(self, documents: Iterable[ServiceDocument], revision: int | None = None) -> None:
        before = self._state_or_none()
        with self._locked():
            now = self._state_or_none()
            if now is not None and before != now and revision is not None and now.revision == revision:
                # Another process has just done the same while this one was waiting.
                return
            folder = f"ix-{uuid.uuid4().hex[:12]}"
            path = self._folder / folder
            with _not_written_if_refused():
                try:
                    path.mkdir(mode=0o700)
                    storage = _Storage(path)
                    with storage.closing_on_failure():
                        storage.create_index(_schema())
                    self._commit(storage, {str(document.id): _row(document) for document in documents})
                    self._write_state(
                        _State(
                            folder, revision, _FORMAT, analysis.fingerprint(), (now.writes if now else 0) + 1
                        )
                    )
                except BaseException:
                    shutil.rmtree(path, ignore_errors=True)
                    raise
            for old in self._folder.glob("ix-*"):
                if old.name != folder:
                    shutil.rmtree(old, ignore_errors=True)

    def _state_or_none(self) -> "_State | None":
        try:
            with _unusable_if_broken():
                return self._read_state()
        except IndexUnusable:
            return None

    def _write_state(self, state: "_State") -> None:
        fresh = self._folder / f"state-{uuid.uuid4().hex[:12]}"
        with _not_written_if_refused():
            try:
                fresh.write_text(json.dumps(asdict(state)), encoding="utf-8")
                fresh.replace(self._folder / "state")
            finally:
                fresh.unlink(missing_ok=True)

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        """One writer at a time, over threads and processes; the system frees the locks of a process that died.

        Whoever is next holds the turn while it waits: a writer that has just finished cannot overtake it again
        and again. Raises IndexBusy.
        """
        with _not_written_if_refused():
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        until = time.monotonic() + self._wait_seconds
        with contextlib.ExitStack() as held:
            with self._holding("turn", until):
                held.enter_context(self._holding("lock", until))
            yield

    @contextlib.contextmanager
    def _holding(self, name: str, until: float) -> Iterator[None]:
        with _not_written_if_refused():
            handle = os.open(self._folder / name, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            while True:
                try:
                    fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except BlockingIOError:
                    if time.monotonic() >= until:
                        raise IndexBusy("another process is writing to the index") from None
                    time.sleep(0.005)
            yield
        finally:
            os.close(handle)


@dataclass(frozen=True, slots=True)
class _Open:
    """The index as one process sees it: `mark` tells whether the state file is still the same."""

    mark: tuple[int, int, int]
    state: _State
    storage: _Storage
    segments: Mapping[str, _Segment]
    snapshot: Snapshot


def _index(storage: _Storage) -> Any:
    return whoosh_index.FileIndex(storage, schema=_schema())


def _row(document: ServiceDocument) -> dict[str, Any]:
    weights = {
        f"{language}:{term}": weight
        for language, texts in document.texts.items()
        for term, weight in terms(texts, language).items()
    }
    shown = {
        language: {"name": texts.name, "summary": texts.summary, "organization": texts.organization}
        for language, texts in document.texts.items()
    }
    for language, texts in shown.items():
        texts["words"] = places_of_words(texts, language)
    return {
        "id": str(document.id),
        "terms": weights,
        "record": json.dumps(ranking.record(document), ensure_ascii=False, separators=(",", ":")).encode(),
        "texts": _Shown.pack(shown),
    }


@contextlib.contextmanager
def _unusable_if_broken() -> Iterator[None]:
    """Whatever Whoosh, pickle, zlib or JSON say about files that make no sense, the answer is a rebuild."""
    try:
        yield
    except (SearchError, MemoryError):
        raise
    except OSError as error:
        if error.errno in _REFUSED:
            raise
        raise IndexUnusable(f"{type(error).__name__}: {error}") from error
    except Exception as error:
        raise IndexUnusable(f"{type(error).__name__}: {error}") from error


_REFUSED = frozenset(
    {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM, errno.EMFILE, errno.EFBIG}
)


@contextlib.contextmanager
def _not_written_if_refused() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise IndexNotWritten(f"{type(error).__name__}: {error}") from error
