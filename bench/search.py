"""The search on Whoosh and PostgreSQL beside the same engines left to themselves, and yardsticks of the possible.

    python -m bench.search [--sizes 300,3000] [--engines …] [--languages de,en,…] [--rounds 2]

Offers are made from the texts of the Harz offers and the synonyms: words as often as there, and a long tail of new
compounds, so that the vocabulary grows with the catalogue. "whoosh opened" is "whoosh bare" as its quick start has it, with
a searcher for each query; "bare" keeps one. "bare" is the library as its manual shows it: its own
analysis, the same texts, a query of the German ones, the names of 20 hits; nothing is understood, corrected, marked.
A filter is a topic; where counts are asked for, bare Whoosh counts the same five fields, the others topics alone.
"memory" is a sketch of words in dictionaries, "tantivy" runs if it happens to be installed; neither keeps anything.

Every round asks in a new process, every query once after others have been asked: no answer comes from a cache of the
same query, but lists of words and texts of offers read for another query may still be in memory, as in the portal.

Needs PostgreSQL's programs for its part. Larger sizes take minutes (30,000) to an hour (300,000).
"""

import argparse
import gc
import heapq
import importlib
import importlib.util
import json
import math
import multiprocessing
import random
import resource
import sqlite3
import statistics
import tempfile
import time
from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, nullcontext
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import accumulate, islice, takewhile
from pathlib import Path
from typing import Any
from uuid import NAMESPACE_URL, uuid5

from rapidfuzz import process
from rapidfuzz.distance import OSA

from portal.catalogue.loading import load_region
from portal.catalogue.queries import Catalogue
from portal.catalogue.reading import read_region
from portal.catalogue.search import analysis
from portal.catalogue.search.concepts import load_concepts
from portal.catalogue.search.documents import ServiceDocument, Texts, document_from_view
from portal.catalogue.search.index import Filters, SearchRequest, ServiceIndex
from portal.catalogue.search.postgres import PostgresIndex
from portal.catalogue.search.service import Places
from portal.catalogue.search.whoosh import WhooshIndex
from portal.db import make_engine, session_factory, upgrade
from tests.databases import PostgresCluster, postgres_binaries

ROOT = Path(__file__).resolve().parent.parent
CONTENT = ROOT / "content"
QUERIES = 45
"""Of each kind, a third of them with frequent, less frequent and rare words."""
KINDS = ("one term", "three terms", "prefix", "typo", "filter", "filter, counts")
COUNTED = ("topics", "target_groups", "formats", "languages", "kinds")


# -- offers ------------------------------------------------------------------------------------------------------------


@dataclass
class Words:
    """Words of a language as often as the real texts have them."""

    words: list[str]
    weights: list[float]

    @classmethod
    def counted(cls, texts: Sequence[str]) -> "Words":
        counts = Counter(token.text for text in texts for token in analysis.tokens(text))
        words = [word for word, _ in counts.most_common()]
        return cls(words, list(accumulate(counts[word] for word in words)))

    def some(self, chance: random.Random, number: int) -> list[str]:
        found = chance.choices(self.words, cum_weights=self.weights, k=number)
        for i, word in enumerate(found):
            # Every twelfth word is a compound nobody has listed: Heaps' law, as in grown catalogues.
            if chance.random() < 0.08:
                found[i] = word + chance.choice(self.words).lower()
        return found


class Source:
    """The Harz offers, and the words to make more of them."""

    def __init__(self, folder: Path, languages: Sequence[str]) -> None:
        engine = make_engine(f"sqlite:///{folder / 'source.sqlite3'}")
        upgrade(engine)
        sessions = session_factory(engine)
        with sessions() as session:
            load_region(session, read_region(CONTENT, "harz"), now=datetime.now(UTC))
            session.commit()
        self.catalogue = Catalogue(sessions, "harz")
        self.places = Places(lambda: self.catalogue.places)
        self.real = [
            document_from_view(view, self.catalogue, self.catalogue.region.languages)
            for view in self.catalogue.services()
        ]
        self.languages = languages
        self.words = {language: Words.counted(self._texts(language)) for language in languages}

    def _texts(self, language: str) -> list[str]:
        texts = [
            " ".join((t.name, t.summary, t.organization, t.text))
            for document in self.real
            for code, t in document.texts.items()
            if code == language
        ]
        entries = json.loads(_as_json(CONTENT / "synonyms.yaml"))["concepts"]
        for entry in entries:
            known = entry.get(language, [])
            texts += [" ".join(words) for words in (known.values() if isinstance(known, dict) else [known])]
        return texts

    def documents(self, number: int) -> Iterator[ServiceDocument]:
        chance = random.Random(1)
        for i in range(number):
            yield self.document(f"offer-{i}", chance)

    def document(self, slug: str, chance: random.Random) -> ServiceDocument:
        """Codes, places and ages of a real offer, with other words."""
        model = chance.choice(self.real)
        texts = {}
        for language in self.languages:
            words = self.words[language]
            texts[language] = Texts(
                name=" ".join(words.some(chance, 3)).capitalize(),
                summary=" ".join(words.some(chance, 45)) + ".",
                organization=" ".join(words.some(chance, 2)),
                topics=model.texts["de"].topics,
                labels=model.texts["de"].labels,
                text=" ".join(words.some(chance, 25)),
            )
        return replace(model, id=uuid5(NAMESPACE_URL, slug), slug=slug, texts=texts)


def _as_json(path: Path) -> str:
    import yaml

    return json.dumps(yaml.safe_load(path.read_text(encoding="utf-8")), default=str)


def questions(
    documents: Iterator[ServiceDocument], topics: Sequence[str]
) -> dict[str, list[tuple[str, str]]]:
    """For each kind pairs of text and topic."""
    counts: Counter[str] = Counter()
    for document in documents:
        texts = document.texts["de"]
        counts.update({t.fold for t in analysis.tokens(f"{texts.name} {texts.summary} {texts.text}")})
    words = [
        w for w, _ in counts.most_common() if len(w) >= 5 and not w.isdigit() and w not in analysis.STOP_WORDS
    ]
    chance = random.Random(2)
    bands = (words[:60], words[60:600], words[600:3000] or words[60:])

    def word(i: int) -> str:
        return chance.choice(bands[i % 3])

    def wrong(text: str) -> str:
        at = chance.randrange(1, len(text) - 1)
        return text[:at] + chance.choice("bdfgkmpt") + text[at + 1 :]

    found: dict[str, list[tuple[str, str]]] = {kind: [] for kind in KINDS}
    for i in range(QUERIES):
        topic = chance.choice(topics)
        found["one term"].append((word(i) + " ", topic))
        found["three terms"].append((f"{word(i)} {word(i)} {word(i)} ", topic))
        found["prefix"].append((word(i)[: chance.randint(2, 4)], topic))
        found["typo"].append((wrong(word(i)) + " ", topic))
        found["filter"].append((word(i) + " ", topic))
        found["filter, counts"].append((word(i) + " ", topic))
    return found


# -- engines -----------------------------------------------------------------------------------------------------------


class Engine:
    """What is measured: `build`, `save`, `ask`. A kind that `ask` does not know gives False.

    What another process opens holds what was built before, unless the engine `keeps` nothing.
    """

    keeps = True

    def build(self, documents: Iterator[ServiceDocument]) -> None:
        raise NotImplementedError

    def save(self, document: ServiceDocument) -> None:
        raise NotImplementedError

    def ask(self, kind: str, text: str, topic: str) -> bool:
        raise NotImplementedError

    def size(self) -> int:
        return 0


class Ours(Engine):
    """Always the full search: understanding, ranking, filters, counts, corrections, extracts with marks."""

    def __init__(self, index: ServiceIndex) -> None:
        self._index = index

    def build(self, documents: Iterator[ServiceDocument]) -> None:
        self._index.rebuild(documents, revision=1)

    def save(self, document: ServiceDocument) -> None:
        self._index.put([document])

    def ask(self, kind: str, text: str, topic: str) -> bool:
        filters = Filters(topics=frozenset({topic})) if kind.startswith("filter") else Filters()
        self._index.search(SearchRequest(text, "de", filters, limit=20))
        return True

    def size(self) -> int:
        return int(self._index.state().details["bytes"])


def in_other_languages(document: ServiceDocument) -> str:
    return "\n".join(
        " ".join((texts.name, texts.summary, texts.organization, texts.text))
        for language, texts in document.texts.items()
        if language != "de"
    )


class BareWhoosh(Engine):
    """Keeps one searcher open and refreshes it, as Whoosh advises programs that serve many."""

    def __init__(self, folder: Path) -> None:
        from whoosh import analysis as own
        from whoosh import fields, index

        stemmed = own.LanguageAnalyzer("de")
        schema = fields.Schema(
            id=fields.ID(unique=True, stored=True),
            name=fields.TEXT(stored=True, analyzer=stemmed, field_boost=3.0),
            body=fields.TEXT(stored=True, analyzer=stemmed),
            others=fields.TEXT(analyzer=own.StandardAnalyzer()),
            **{name: fields.KEYWORD(commas=True) for name in COUNTED},
        )
        self._folder = folder
        self._searcher: Any = None
        if folder.exists():
            self._index = index.open_dir(str(folder))
        else:
            folder.mkdir()
            self._index = index.create_in(str(folder), schema)

    def _open(self) -> AbstractContextManager[Any]:
        self._searcher = self._searcher.refresh() if self._searcher else self._index.searcher()
        return nullcontext(self._searcher)

    @staticmethod
    def _row(document: ServiceDocument) -> dict[str, str]:
        texts = document.texts["de"]
        body = f"{texts.summary} {texts.organization} {texts.text}"
        return {
            "id": str(document.id),
            "name": texts.name,
            "body": body,
            "others": in_other_languages(document),
            **{name: ",".join(getattr(document, name)) for name in COUNTED},
        }

    def build(self, documents: Iterator[ServiceDocument]) -> None:
        writer = self._index.writer(limitmb=256)
        for document in documents:
            writer.add_document(**self._row(document))
        writer.commit()

    def save(self, document: ServiceDocument) -> None:
        writer = self._index.writer()
        writer.update_document(**self._row(document))
        writer.commit()

    def ask(self, kind: str, text: str, topic: str) -> bool:
        from whoosh import qparser, query

        with self._open() as searcher:
            fields = ["name", "body"]
            if kind == "prefix":
                parsed: Any = query.Or([query.Prefix(field, text) for field in fields])
            elif kind == "typo":
                parsed = query.Or([query.FuzzyTerm(field, text.strip(), maxdist=1) for field in fields])
            else:
                parser = qparser.MultifieldParser(fields, self._index.schema, group=qparser.OrGroup)
                parsed = parser.parse(text)
            options: dict[str, Any] = {}
            if kind.startswith("filter"):
                options["filter"] = query.Term("topics", topic)
            if kind == "filter, counts":
                from whoosh import sorting

                options["groupedby"] = facets = sorting.Facets()
                for name in COUNTED:
                    facets.add_field(name, allow_overlap=True)
            found = searcher.search(parsed, limit=20, **options)
            [hit["name"] for hit in found]
            for name in COUNTED if kind == "filter, counts" else ():
                {code: len(numbers) for code, numbers in found.groups(name).items()}
        return True

    def size(self) -> int:
        return sum(file.stat().st_size for file in self._folder.iterdir())


class OpenedWhoosh(BareWhoosh):
    """The same index with a searcher opened for each query, as on the first page of Whoosh's manual."""

    def build(self, documents: Iterator[ServiceDocument]) -> None:
        if self._index.is_empty():
            super().build(documents)

    def save(self, document: ServiceDocument) -> None:
        raise NotImplementedError

    def _open(self) -> AbstractContextManager[Any]:
        searcher: AbstractContextManager[Any] = self._index.searcher()
        return searcher


class Fts5(Engine):
    def __init__(self, path: Path) -> None:
        self._path = path
        self._db = sqlite3.connect(path, isolation_level=None)
        self._db.executescript(
            "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;"
            "CREATE VIRTUAL TABLE IF NOT EXISTS offer USING fts5 (name, body, others, tokenize = 'unicode61');"
            "CREATE TABLE IF NOT EXISTS topic (code TEXT, offer INTEGER, PRIMARY KEY (code, offer)) WITHOUT ROWID;"
            "CREATE TABLE IF NOT EXISTS number (id TEXT PRIMARY KEY, offer INTEGER) WITHOUT ROWID;"
        )
        self._next = self._db.execute("SELECT coalesce(max(offer), 0) FROM number").fetchone()[0]

    def _add(self, document: ServiceDocument) -> None:
        texts = document.texts["de"]
        self._next += 1
        self._db.execute(
            "INSERT INTO offer (rowid, name, body, others) VALUES (?, ?, ?, ?)",
            (
                self._next,
                texts.name,
                f"{texts.summary} {texts.organization} {texts.text}",
                in_other_languages(document),
            ),
        )
        self._db.executemany(
            "INSERT INTO topic VALUES (?, ?)", [(code, self._next) for code in document.topics]
        )
        self._db.execute("INSERT OR REPLACE INTO number VALUES (?, ?)", (str(document.id), self._next))

    def build(self, documents: Iterator[ServiceDocument]) -> None:
        self._db.execute("BEGIN")
        for document in documents:
            self._add(document)
        self._db.execute("COMMIT")

    def save(self, document: ServiceDocument) -> None:
        self._db.execute("BEGIN IMMEDIATE")
        old = self._db.execute("SELECT offer FROM number WHERE id = ?", (str(document.id),)).fetchone()
        if old:
            self._db.execute("DELETE FROM offer WHERE rowid = ?", old)
            self._db.execute("DELETE FROM topic WHERE offer = ?", old)
        self._add(document)
        self._db.execute("COMMIT")

    def ask(self, kind: str, text: str, topic: str) -> bool:
        if kind == "typo":
            return False
        words = " OR ".join(f'"{word}"' for word in text.split())
        match = "{name body} : (" + (f'"{text}"*' if kind == "prefix" else words) + ")"
        if kind == "filter, counts":
            self._db.execute(
                "SELECT code, count(*) FROM topic WHERE offer IN (SELECT rowid FROM offer WHERE offer MATCH ?)"
                " GROUP BY code",
                (match,),
            ).fetchall()
        narrow = "AND rowid IN (SELECT offer FROM topic WHERE code = ?)" if kind.startswith("filter") else ""
        self._db.execute(
            f"SELECT name FROM offer WHERE offer MATCH ? {narrow} ORDER BY bm25(offer, 3, 1) LIMIT 20",
            (match, topic) if narrow else (match,),
        ).fetchall()
        return True

    def size(self) -> int:
        return sum(file.stat().st_size for file in self._path.parent.glob(self._path.name + "*"))


class BarePostgres(Engine):
    def __init__(self, url: str) -> None:
        engine = make_engine(url)
        self._connection: Any = engine.raw_connection().driver_connection
        self._connection.autocommit = True
        self._connection.execute("CREATE EXTENSION IF NOT EXISTS pg_trgm")
        self._connection.execute(
            "CREATE TABLE IF NOT EXISTS offer (id uuid PRIMARY KEY, name text, words tsvector, others tsvector, topics text[]);"
            "CREATE TABLE IF NOT EXISTS word (word text PRIMARY KEY)"
        )

    _INSERT = (
        "INSERT INTO offer VALUES (%s, %s, setweight(to_tsvector('german', %s), 'A')"
        " || to_tsvector('german', %s), to_tsvector('simple', %s), %s)"
        " ON CONFLICT (id) DO UPDATE SET (name, words, others, topics)"
        " = (excluded.name, excluded.words, excluded.others, excluded.topics)"
    )

    @staticmethod
    def _row(document: ServiceDocument) -> tuple[object, ...]:
        texts = document.texts["de"]
        body = f"{texts.summary} {texts.organization} {texts.text}"
        return document.id, texts.name, texts.name, body, in_other_languages(document), list(document.topics)

    def build(self, documents: Iterator[ServiceDocument]) -> None:
        with self._connection.transaction(), self._connection.cursor() as cursor:
            cursor.executemany(self._INSERT, (self._row(document) for document in documents))
        self._connection.execute("CREATE INDEX ON offer USING gin (words)")
        self._connection.execute("CREATE INDEX ON offer USING gin (others)")
        self._connection.execute("CREATE INDEX ON offer USING gin (topics)")
        self._connection.execute("INSERT INTO word SELECT word FROM ts_stat('SELECT words FROM offer')")
        self._connection.execute("CREATE INDEX ON word USING gin (word gin_trgm_ops)")
        self._connection.execute("ANALYZE")

    def save(self, document: ServiceDocument) -> None:
        self._connection.execute(self._INSERT, self._row(document))

    def ask(self, kind: str, text: str, topic: str) -> bool:
        words: list[object] = [" or ".join(text.split())]
        asked = "websearch_to_tsquery('german', %s)"
        if kind == "prefix":
            asked, words = "to_tsquery('simple', %s)", [f"{text}:*"]
        if kind == "typo":
            near = self._connection.execute(
                "SELECT word FROM word WHERE word %% %s ORDER BY similarity(word, %s) DESC LIMIT 3",
                (text, text),
            ).fetchall()
            words = [" or ".join(word for (word,) in near)]
        if kind == "filter, counts":
            self._connection.execute(
                f"SELECT topic, count(*) FROM offer, unnest(topics) AS topic WHERE words @@ {asked} GROUP BY 1",
                words,
            ).fetchall()
        narrow = ""
        if kind.startswith("filter"):
            narrow, words = "AND topics @> ARRAY[%s]", [*words, topic]
        self._connection.execute(
            f"SELECT name FROM offer, {asked} AS asked WHERE words @@ asked {narrow}"
            " ORDER BY ts_rank(words, asked) DESC LIMIT 20",
            words,
        ).fetchall()
        return True

    def size(self) -> int:
        return int(self._connection.execute("SELECT pg_total_relation_size('offer')").fetchone()[0])


class Sketch(Engine):
    """Words in dictionaries, weighed once for all: what a search in memory could do if it did nothing else."""

    keeps = False

    def __init__(self) -> None:
        self._names: list[str] = []
        self._topics: dict[str, set[int]] = defaultdict(set)
        self._terms: dict[str, dict[int, float]] = defaultdict(dict)
        self._words: list[str] = []

    def build(self, documents: Iterator[ServiceDocument]) -> None:
        for number, document in enumerate(documents):
            texts = document.texts["de"]
            self._names.append(texts.name)
            for code in document.topics:
                self._topics[code].add(number)
            for factor, text in (
                (3.0, texts.name),
                (1.0, f"{texts.summary} {texts.organization} {texts.text}"),
            ):
                for token in analysis.tokens(text):
                    found = self._terms[analysis.stem(token.fold, "de")]
                    found[number] = found.get(number, 0.0) + factor
        for found in self._terms.values():
            rarity = math.log1p(len(self._names) / len(found))
            found.update({number: rarity * weight / (weight + 1.2) for number, weight in found.items()})
        self._words = sorted(self._terms)

    def ask(self, kind: str, text: str, topic: str) -> bool:
        if kind == "prefix":
            start = analysis.fold(text)
            at = bisect_left(self._words, start)
            words = list(takewhile(lambda word: word.startswith(start), islice(self._words, at, None)))
        else:
            words = [analysis.stem(word, "de") for word in text.split()]
        if kind == "typo":
            near = process.extract(words[0], self._words, scorer=OSA.distance, score_cutoff=1, limit=3)
            words = [word for word, _, _ in near]
        scores: dict[int, float] = {}
        for word in words:
            for number, score in self._terms.get(word, {}).items():
                scores[number] = scores.get(number, 0.0) + score
        if kind == "filter, counts":
            {code: len(scores.keys() & some) for code, some in self._topics.items()}
        if kind.startswith("filter"):
            scores = {number: scores[number] for number in scores.keys() & self._topics[topic]}
        [self._names[number] for number in heapq.nlargest(20, scores, key=scores.__getitem__)]
        return True


class Tantivy(Engine):
    keeps = False

    def __init__(self) -> None:
        tantivy = importlib.import_module("tantivy")
        builder = tantivy.SchemaBuilder()
        builder.add_text_field("id", stored=True, tokenizer_name="raw")
        for name in ("name", "body"):
            builder.add_text_field(name, stored=name == "name", tokenizer_name="german")
        builder.add_text_field("others")
        builder.add_text_field("topics", tokenizer_name="raw")
        self._library = tantivy
        self._index = tantivy.Index(builder.build())
        stemmed = tantivy.TextAnalyzerBuilder(tantivy.Tokenizer.simple()).filter(tantivy.Filter.lowercase())
        self._index.register_tokenizer("german", stemmed.filter(tantivy.Filter.stemmer("german")).build())
        self._writer = self._index.writer()

    def _add(self, document: ServiceDocument) -> None:
        texts = document.texts["de"]
        self._writer.add_document(
            self._library.Document(
                id=[str(document.id)],
                name=[texts.name],
                body=[f"{texts.summary} {texts.organization} {texts.text}"],
                others=[in_other_languages(document)],
                topics=list(document.topics),
            )
        )

    def build(self, documents: Iterator[ServiceDocument]) -> None:
        for document in documents:
            self._add(document)
        self._commit()

    def _commit(self) -> None:
        self._writer.commit()
        self._index.reload()

    def save(self, document: ServiceDocument) -> None:
        self._writer.delete_documents_by_term("id", str(document.id))
        self._add(document)
        self._commit()

    def ask(self, kind: str, text: str, topic: str) -> bool:
        if kind == "filter, counts":
            return False
        library, schema, fields = self._library, self._index.schema, ["name", "body"]
        if kind == "prefix":
            near = [library.Query.regex_query(schema, field, f"{text.lower()}.*") for field in fields]
            query = library.Query.boolean_query([(library.Occur.Should, one) for one in near])
        elif kind == "typo":
            near = [library.Query.fuzzy_term_query(schema, field, text.strip().lower()) for field in fields]
            query = library.Query.boolean_query([(library.Occur.Should, one) for one in near])
        else:
            query = self._index.parse_query(text, fields)
        if kind == "filter":
            chosen = library.Query.term_query(schema, "topics", topic)
            query = library.Query.boolean_query([(library.Occur.Must, query), (library.Occur.Must, chosen)])
        searcher = self._index.searcher()
        [searcher.doc(address)["name"] for _, address in searcher.search(query, 20).hits]
        return True


# -- measuring ---------------------------------------------------------------------------------------------------------

ENGINES = (
    "whoosh bare",
    "whoosh opened",
    "whoosh",
    "fts5 bare",
    "postgres bare",
    "postgres",
    "memory",
    "tantivy",
)


@dataclass(frozen=True)
class Place:
    """Where an engine's index lies; a process of its own finds it again by this."""

    folder: str
    url: str

    def open(self, name: str, source: Source) -> Engine:
        folder = Path(self.folder)
        if name == "whoosh bare":
            return BareWhoosh(folder / "bare")
        if name == "whoosh opened":
            return OpenedWhoosh(folder / "bare")
        if name == "fts5 bare":
            return Fts5(folder / "fts5.sqlite3")
        if name == "postgres bare":
            return BarePostgres(self.url)
        if name == "memory":
            return Sketch()
        if name == "tantivy":
            return Tantivy()
        return Ours(self.index(name, source))

    def index(self, name: str, source: Source) -> ServiceIndex:
        concepts = load_concepts(CONTENT / "synonyms.yaml")
        if name == "whoosh":
            return WhooshIndex(Path(self.folder) / "index", concepts, source.places)
        return PostgresIndex(make_engine(self.url), "bench", concepts, source.places)


def percentile(times: Sequence[float], share: float) -> float:
    return sorted(times)[min(len(times) - 1, int(share * len(times)))]


def milliseconds(times: Sequence[float]) -> str:
    return f"{statistics.median(times) * 1e3:.2f}/{percentile(times, 0.95) * 1e3:.1f}"


def measure(
    name: str,
    source: Source,
    place: Place,
    number: int,
    asked: dict[str, list[tuple[str, str]]],
    saves: int,
    turn: int,
) -> dict[str, Any]:
    """One round of questions and then saves."""
    before = memory()
    engine = place.open(name, source)
    if not engine.keeps:
        engine.build(source.documents(number))
    times: dict[str, list[float]] = {}
    gc.collect()
    for kind, pairs in asked.items():
        for text, topic in pairs[: QUERIES // 3]:
            engine.ask(kind, text, topic)
        for text, topic in pairs[QUERIES // 3 :]:
            began = time.perf_counter()
            known = engine.ask(kind, text, topic)
            took = time.perf_counter() - began
            if known:
                times.setdefault(kind, []).append(took)
    grown = memory() - before
    chance = random.Random(3 + turn)
    saving = []
    for _ in range(saves):
        document = source.document(f"offer-{chance.randrange(number)}", chance)
        began = time.perf_counter()
        try:
            engine.save(document)
        except NotImplementedError:
            break
        saving.append(time.perf_counter() - began)
    return {"memory": [grown], "save": saving, **times}


def memory() -> int:
    """Bytes held now, where the system tells, else the most ever held."""
    try:
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
        return pages * resource.getpagesize()
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def in_process(work: Callable[..., Any], *args: Any) -> Any:
    """The result of `work` in a process of its own, so that memory and caches are its own."""
    context = multiprocessing.get_context("spawn")
    with context.Pool(1) as pool:
        return pool.apply(work, args)


def _build(name: str, languages: Sequence[str], place: Place, number: int) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        source = Source(Path(folder), languages)
        engine = place.open(name, source)
        gc.collect()
        began = time.perf_counter()
        engine.build(source.documents(number))
        return {"build": time.perf_counter() - began, "bytes": engine.size()}


def _measure(
    name: str, languages: Sequence[str], place: Place, number: int, saves: int, turn: int
) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        source = Source(Path(folder), languages)
        topics = sorted({code for document in source.real for code in document.topics})
        asked = questions(source.documents(min(number, 3000)), topics)
        return measure(name, source, place, number, asked, saves, turn)


def _read(
    name: str, languages: Sequence[str], place: Place, seconds: float, start: Any, results: Any
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        source = Source(Path(folder), languages)
        asked = [pair for pairs in questions(source.documents(1000), ["sucht"]).values() for pair in pairs]
        random.Random(4).shuffle(asked)
        engine = Ours(place.index(name, source))
        engine.ask("", "beratung", "")
        start.wait()
        times = []
        until = time.perf_counter() + seconds
        while time.perf_counter() < until:
            text, topic = asked[len(times) % len(asked)]
            began = time.perf_counter()
            engine.ask("", text, topic)
            times.append(time.perf_counter() - began)
        results.put(times)


def readers(
    name: str, languages: Sequence[str], place: Place, number: int, *, saving: int | None
) -> tuple[list[float], int]:
    """Four readers for three seconds, without or with two coordinators who save five times a second each.

    `saving` names their offers. Returns the readers' times and how many saves are not in the index afterwards.
    """
    context = multiprocessing.get_context("spawn")
    savers = [] if saving is None else [f"{who}-{saving}" for who in "ab"]
    start, results = context.Barrier(5 + len(savers)), context.Queue()
    work = [
        context.Process(target=_read, args=(name, languages, place, 3.0, start, results)) for _ in range(4)
    ]
    work += [context.Process(target=_save, args=(name, languages, place, who, start)) for who in savers]
    for started in work:
        started.start()
    with tempfile.TemporaryDirectory() as folder:
        index = place.index(name, Source(Path(folder), languages))
        held = index.count()
        start.wait()
        times = [took for _ in range(4) for took in results.get(timeout=120)]
        for started in work:
            started.join()
        return times, held + len(savers) * _SAVES - index.count()


_SAVES = 15


def _save(name: str, languages: Sequence[str], place: Place, who: str, start: Any) -> None:
    with tempfile.TemporaryDirectory() as folder:
        source = Source(Path(folder), languages)
        index = place.index(name, source)
        documents = [source.document(f"saved-{who}-{i}", random.Random(i)) for i in range(_SAVES)]
        start.wait()
        for document in documents:
            index.put([document])
            time.sleep(0.2)


def table(number: int, measured: dict[str, dict[str, Any]]) -> None:
    print(f"\n{number:,} offers, p50/p95 in ms")
    print("| engine | build s | MB | +MB RAM | save | " + " | ".join(KINDS) + " |")
    print("|---" * (5 + len(KINDS)) + "|")
    for name, found in measured.items():
        cells = [
            f"{found['build']:.1f}",
            f"{found['bytes'] / 1e6:.1f}",
            f"{statistics.mean(found['memory']) / 1e6:.0f}",
            *(milliseconds(found[kind]) if found.get(kind) else "none" for kind in ("save", *KINDS)),
        ]
        print(f"| {name} | " + " | ".join(cells) + " |", flush=True)


@dataclass(frozen=True)
class Goal:
    """`ours` in ms, or `ours` against `bare`: at most `most` times as long, or at least `fewest` times as fast."""

    what: str
    ours: float
    bare: float
    most: float | None = None
    fewest: float | None = None

    def row(self) -> str:
        if self.fewest is not None:
            ratio = self.bare / self.ours
            goal, met = f"at least {self.fewest:g}x as fast", ratio >= self.fewest
        else:
            ratio = self.ours / self.bare
            goal, met = f"at most {self.most:g}x", ratio <= (self.most or 0)
        return (
            f"| {self.what} | {self.ours * 1e3:.2f} | {self.bare * 1e3:.2f} | {ratio:.2f}x | {goal} |"
            f" {'met' if met else 'missed'} |"
        )


def goals(engine: str, measured: dict[str, dict[str, Any]]) -> list[Goal]:
    ours, bare = measured[engine], measured[f"{engine} bare"]
    full = max(percentile(ours[kind], 0.95) for kind in KINDS)
    found = [
        Goal(
            "full search, dearest kind, against bare three terms: p95",
            full,
            percentile(bare["three terms"], 0.95),
            most=3 if engine == "whoosh" else 2,
        )
    ]
    if engine != "whoosh":
        return found
    others = [("bare", bare)]
    if "whoosh opened" in measured:
        others.append(("opened for each query", measured["whoosh opened"]))
    return [
        *found,
        *(
            Goal(
                f"{kind}, against {which}: p50",
                statistics.median(ours[kind]),
                statistics.median(other[kind]),
                fewest=10,
            )
            for kind in ("filter", "filter, counts", "prefix")
            for which, other in others
        ),
        Goal("a save: p50", statistics.median(ours["save"]), statistics.median(bare["save"]), most=1.5),
        Goal(
            "a save: mean, with the merging of segments",
            statistics.mean(ours["save"]),
            statistics.mean(bare["save"]),
            most=1.5,
        ),
    ]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--sizes", default="300,3000")
    parser.add_argument("--engines", default=",".join(ENGINES))
    parser.add_argument("--languages", default=",".join(analysis.LANGUAGES))
    parser.add_argument("--saves", type=int, default=20)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--no-readers", action="store_true")
    chosen = parser.parse_args()
    languages = chosen.languages.split(",")
    engines = [name for name in ENGINES if name in chosen.engines.split(",")]
    if "tantivy" in engines and importlib.util.find_spec("tantivy") is None:
        print("tantivy is not installed")
        engines.remove("tantivy")
    with ExitStack() as stack:
        cluster = binaries = None
        if any(name.startswith("postgres") for name in engines):
            binaries = postgres_binaries()
            if binaries is None:
                print("PostgreSQL is not installed")
                engines = [name for name in engines if not name.startswith("postgres")]
        if binaries is not None:
            # As it comes, but for the memory: it writes through to the disk at every commit.
            cluster = PostgresCluster(binaries, "-c listen_addresses='' -c shared_buffers=512MB")
            stack.callback(cluster.stop)
            cluster.start()
        before: dict[str, tuple[int, float]] = {}
        for number in map(int, chosen.sizes.split(",")):
            with ExitStack() as own:
                url = ""
                if cluster:
                    url = own.enter_context(cluster.database())
                    engine = make_engine(url)
                    upgrade(engine)
                    engine.dispose()
                place = Place(own.enter_context(tempfile.TemporaryDirectory()), url)
                measured: dict[str, dict[str, Any]] = {}
                for name in engines:
                    measured[name] = in_process(_build, name, languages, place, number)
                for turn in range(chosen.rounds):
                    for name in engines:
                        found = in_process(_measure, name, languages, place, number, chosen.saves, turn)
                        for what, times in found.items():
                            measured[name].setdefault(what, []).extend(times)
                table(number, measured)
                print("\n| goal | ours ms | bare ms | ratio | goal | |\n|---|---|---|---|---|---|")
                for name in ("whoosh", "postgres"):
                    if {name, f"{name} bare"} <= measured.keys():
                        for goal in goals(name, measured):
                            print(f"{goal.row()[:2]}{name}: {goal.row()[2:]}")
                for name in engines:
                    if "bare" in name or name not in ("whoosh", "postgres") or chosen.no_readers:
                        continue
                    idle: list[float] = []
                    busy: list[float] = []
                    lost = 0
                    for turn in range(chosen.rounds):
                        idle += readers(name, languages, place, number, saving=None)[0]
                        some, missing = readers(name, languages, place, number, saving=turn)
                        busy += some
                        lost += missing
                    goal = Goal(
                        "four readers while two save, against idle: p95",
                        percentile(busy, 0.95),
                        percentile(idle, 0.95),
                        most=1.5,
                    )
                    print(f"{goal.row()[:2]}{name}: {goal.row()[2:]}")
                    print(
                        f"| {name}: lost saves of two who save at once | {lost} | | | none | {'missed' if lost else 'met'} |"
                    )
                for name in engines:
                    now = percentile(measured[name]["three terms"], 0.95)
                    if name in before:
                        size, earlier = before[name]
                        print(
                            f"{name}: {number / size:.0f} times the offers, three terms p95 {now / earlier:.1f} times"
                        )
                    before[name] = number, now


if __name__ == "__main__":
    main()
