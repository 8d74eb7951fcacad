"""The search on Whoosh and PostgreSQL beside the same engines left to themselves, and SQLite FTS5.

    python -m bench.search [--sizes 300,3000] [--engines …] [--languages de,en,…]

Offers are made from the texts of the Harz offers and the synonyms: words as often as there, and a long tail of new
compounds, so that the vocabulary grows with the catalogue. "bare" is the library as its manual shows it: its own
analysis, the same texts, a query of the German ones, the names of 20 hits; nothing is understood, corrected, marked. Every query is asked
once of a process that has answered others before, so nothing is answered from a cache of the same words.

Needs PostgreSQL's programs for its part. Larger sizes take minutes (30,000) to an hour (300,000).
"""

import argparse
import gc
import json
import multiprocessing
import random
import resource
import sqlite3
import statistics
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import accumulate
from pathlib import Path
from typing import Any
from uuid import NAMESPACE_URL, uuid5

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
KINDS = ("one term", "three terms", "prefix", "typo", "filter", "facets")


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
        found["facets"].append((word(i) + " ", topic))
    return found


# -- engines -----------------------------------------------------------------------------------------------------------


class Engine:
    """What is measured: `build`, `save`, `ask`. A kind that `ask` does not know gives False."""

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
        filters = Filters(topics=frozenset({topic}), free=True) if kind == "filter" else Filters()
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
    def __init__(self, folder: Path) -> None:
        from whoosh import analysis as own
        from whoosh import fields, index

        stemmed = own.LanguageAnalyzer("de")
        schema = fields.Schema(
            id=fields.ID(unique=True, stored=True),
            name=fields.TEXT(stored=True, analyzer=stemmed, field_boost=3.0),
            body=fields.TEXT(stored=True, analyzer=stemmed),
            others=fields.TEXT(analyzer=own.StandardAnalyzer()),
            topics=fields.KEYWORD(commas=True),
        )
        folder.mkdir()
        self._folder = folder
        self._index = index.create_in(str(folder), schema)

    @staticmethod
    def _row(document: ServiceDocument) -> dict[str, str]:
        texts = document.texts["de"]
        body = f"{texts.summary} {texts.organization} {texts.text}"
        return {
            "id": str(document.id),
            "name": texts.name,
            "body": body,
            "others": in_other_languages(document),
            "topics": ",".join(document.topics),
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

        with self._index.searcher() as searcher:
            fields = ["name", "body"]
            if kind == "prefix":
                parsed: Any = query.Or([query.Prefix(field, text) for field in fields])
            elif kind == "typo":
                parsed = query.Or([query.FuzzyTerm(field, text.strip(), maxdist=1) for field in fields])
            else:
                parser = qparser.MultifieldParser(fields, self._index.schema, group=qparser.OrGroup)
                parsed = parser.parse(text)
            options: dict[str, Any] = {}
            if kind == "filter":
                options["filter"] = query.Term("topics", topic)
            if kind == "facets":
                from whoosh import sorting

                options["groupedby"] = sorting.FieldFacet("topics", allow_overlap=True)
            found = searcher.search(parsed, limit=20, **options)
            [hit["name"] for hit in found]
            if kind == "facets":
                {name: len(numbers) for name, numbers in found.groups().items()}
        return True

    def size(self) -> int:
        return sum(file.stat().st_size for file in self._folder.iterdir())


class Fts5(Engine):
    def __init__(self, path: Path) -> None:
        self._path = path
        self._db = sqlite3.connect(path, isolation_level=None)
        self._db.executescript(
            "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;"
            "CREATE VIRTUAL TABLE offer USING fts5 (name, body, others, tokenize = 'unicode61');"
            "CREATE TABLE topic (code TEXT, offer INTEGER, PRIMARY KEY (code, offer)) WITHOUT ROWID;"
            "CREATE TABLE number (id TEXT PRIMARY KEY, offer INTEGER) WITHOUT ROWID;"
        )
        self._next = 0

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
        if kind == "facets":
            self._db.execute(
                "SELECT code, count(*) FROM topic WHERE offer IN (SELECT rowid FROM offer WHERE offer MATCH ?)"
                " GROUP BY code",
                (match,),
            ).fetchall()
        narrow = "AND rowid IN (SELECT offer FROM topic WHERE code = ?)" if kind == "filter" else ""
        self._db.execute(
            f"SELECT name FROM offer WHERE offer MATCH ? {narrow} ORDER BY bm25(offer, 3, 1) LIMIT 20",
            (match, topic) if narrow else (match,),
        ).fetchall()
        return True

    def size(self) -> int:
        return self._path.stat().st_size


class BarePostgres(Engine):
    def __init__(self, url: str) -> None:
        engine = make_engine(url)
        self._connection: Any = engine.raw_connection().driver_connection
        self._connection.autocommit = True
        self._connection.execute("CREATE EXTENSION IF NOT EXISTS pg_trgm")
        self._connection.execute(
            "CREATE TABLE offer (id uuid PRIMARY KEY, name text, words tsvector, others tsvector, topics text[]);"
            "CREATE TABLE word (word text PRIMARY KEY)"
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
        if kind == "facets":
            self._connection.execute(
                f"SELECT topic, count(*) FROM offer, unnest(topics) AS topic WHERE words @@ {asked} GROUP BY 1",
                words,
            ).fetchall()
        narrow = ""
        if kind == "filter":
            narrow, words = "AND topics @> ARRAY[%s]", [*words, topic]
        self._connection.execute(
            f"SELECT name FROM offer, {asked} AS asked WHERE words @@ asked {narrow}"
            " ORDER BY ts_rank(words, asked) DESC LIMIT 20",
            words,
        ).fetchall()
        return True

    def size(self) -> int:
        return int(self._connection.execute("SELECT pg_total_relation_size('offer')").fetchone()[0])


# -- measuring ---------------------------------------------------------------------------------------------------------

ENGINES = ("whoosh bare", "whoosh", "fts5 bare", "postgres bare", "postgres")


@dataclass(frozen=True)
class Place:
    """Where an engine's index lies; a process of its own finds it again by this."""

    folder: str
    url: str

    def open(self, name: str, source: Source) -> Engine:
        folder = Path(self.folder)
        if name == "whoosh bare":
            return BareWhoosh(folder / "bare")
        if name == "fts5 bare":
            return Fts5(folder / "fts5.sqlite3")
        if name == "postgres bare":
            return BarePostgres(self.url)
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
    name: str, source: Source, place: Place, number: int, asked: dict[str, list[tuple[str, str]]], saves: int
) -> dict[str, Any]:
    engine = place.open(name, source)
    gc.collect()
    began = time.perf_counter()
    engine.build(source.documents(number))
    build = time.perf_counter() - began
    before = memory()
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
    chance = random.Random(3)
    saving = []
    for _ in range(saves):
        document = source.document(f"offer-{chance.randrange(number)}", chance)
        began = time.perf_counter()
        engine.save(document)
        saving.append(time.perf_counter() - began)
    return {"build": build, "bytes": engine.size(), "memory": grown, "save": saving, **times}


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


def _measure(name: str, languages: Sequence[str], place: Place, number: int, saves: int) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        source = Source(Path(folder), languages)
        topics = sorted({code for document in source.real for code in document.topics})
        asked = questions(source.documents(min(number, 3000)), topics)
        return measure(name, source, place, number, asked, saves)


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
    name: str, languages: Sequence[str], place: Place, number: int, *, saving: bool
) -> tuple[list[float], int]:
    """Four readers for three seconds, with two coordinators who save five times a second each, or without.

    Returns the readers' times and how many saves are not in the index afterwards.
    """
    context = multiprocessing.get_context("spawn")
    start, results = context.Barrier(5 + 2 * saving), context.Queue()
    work = [
        context.Process(target=_read, args=(name, languages, place, 3.0, start, results)) for _ in range(4)
    ]
    if saving:
        work += [context.Process(target=_save, args=(name, languages, place, who, start)) for who in "ab"]
    for process in work:
        process.start()
    start.wait()
    times = [took for _ in range(4) for took in results.get(timeout=120)]
    for process in work:
        process.join()
    lost = 0
    if saving:
        with tempfile.TemporaryDirectory() as folder:
            index = place.index(name, Source(Path(folder), languages))
            lost = number + 2 * _SAVES - index.count()
    return times, lost


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
            f"{found['memory'] / 1e6:.0f}",
            milliseconds(found["save"]),
            *(milliseconds(found[kind]) if kind in found else "none" for kind in KINDS),
        ]
        print(f"| {name} | " + " | ".join(cells) + " |", flush=True)


def ratios(measured: dict[str, dict[str, Any]]) -> None:
    def p95(name: str, kind: str) -> float:
        return percentile(measured[name][kind], 0.95)

    def median(name: str, kind: str) -> float:
        return statistics.median(measured[name][kind])

    for ours, bare in (("whoosh", "whoosh bare"), ("postgres", "postgres bare")):
        if ours not in measured or bare not in measured:
            continue
        yardstick = p95(bare, "three terms")
        full = max(p95(ours, kind) for kind in ("one term", "three terms", "filter", "facets"))
        print(f"{ours}: full search p95 {full / yardstick:.2f}x the bare three-term query's p95", end="; ")
        print(
            "; ".join(
                f"{kind} {median(bare, kind) / median(ours, kind):.1f}x as fast"
                for kind in ("filter", "prefix")
            ),
            f"as bare (p50); save {median(ours, 'save') / median(bare, 'save'):.2f}x a bare one (p50)",
        )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--sizes", default="300,3000")
    parser.add_argument("--engines", default=",".join(ENGINES))
    parser.add_argument("--languages", default=",".join(analysis.LANGUAGES))
    parser.add_argument("--saves", type=int, default=20)
    parser.add_argument("--no-readers", action="store_true")
    chosen = parser.parse_args()
    languages = chosen.languages.split(",")
    engines = [name for name in ENGINES if name in chosen.engines.split(",")]
    with ExitStack() as stack:
        cluster = None
        if any(name.startswith("postgres") for name in engines):
            binaries = postgres_binaries()
            if binaries is None:
                sys.exit(
                    "PostgreSQL is not installed; leave it out with --engines 'whoosh bare,whoosh,fts5 bare'"
                )
            # As it comes, but for the memory: it writes through to the disk at every commit.
            cluster = PostgresCluster(binaries, "-c listen_addresses='' -c shared_buffers=512MB")
            stack.callback(cluster.stop)
            cluster.start()
        before: dict[str, float] = {}
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
                    measured[name] = in_process(_measure, name, languages, place, number, chosen.saves)
                table(number, measured)
                ratios(measured)
                for name in engines:
                    now = percentile(measured[name]["three terms"], 0.95)
                    if name in before:
                        print(f"{name}: three terms p95 {now / before[name]:.1f}x that of the size before")
                    before[name] = now
                if not chosen.no_readers:
                    for name in engines:
                        if "bare" in name:
                            continue
                        idle, _ = readers(name, languages, place, number, saving=False)
                        busy, lost = readers(name, languages, place, number, saving=True)
                        print(
                            f"{name}: four readers p50/p95 {milliseconds(idle)} ms idle, {milliseconds(busy)} ms while two"
                            f" save ({percentile(busy, 0.95) / percentile(idle, 0.95):.2f}x p95), {lost} saves lost"
                        )


if __name__ == "__main__":
    main()
