"""The command `portal`. Each command imports what it needs, so that none waits for the others."""

import json
import os
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click
from sqlalchemy.exc import OperationalError, ProgrammingError

from portal.config import Settings, SettingsError


def settings_for(region: str | None = None, *, engine: str | None = None, **changes: Any) -> Settings:
    environ = dict(os.environ)
    if region:
        environ["PORTAL_REGION"] = region
    if engine:
        environ["PORTAL_SEARCH"] = engine
    try:
        settings = Settings.from_environment(environ, make_secret=True)
    except SettingsError as error:
        raise click.ClickException(str(error)) from None
    return settings.model_copy(update=changes) if changes else settings


def fail(lines: list[str]) -> None:
    for line in lines:
        click.echo(line, err=True)
    sys.exit(1)


REGION = click.option("--region", help="Region folder; default PORTAL_REGION.")


class _Group(click.Group):
    """Turns the errors a person can do something about into one line; anything else is a bug and keeps its traceback."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except (OperationalError, ProgrammingError) as error:
            # The driver's text may name the host, SQLAlchemy's the statement; neither has the password.
            reason = str(error.orig).strip().splitlines()
            raise click.ClickException(
                f"the database does not answer: {reason[0] if reason else '?'}"
            ) from None
        except _expected() as error:
            raise click.ClickException(str(error)) from None


def _expected() -> tuple[type[Exception], ...]:
    """Only imported once something went wrong."""
    from portal.catalogue.reading import CatalogueError
    from portal.catalogue.search.index import SearchError
    from portal.clearing import ClearingError
    from portal.content import PageError
    from portal.referral.codes import WordsUnusable
    from portal.referral.sealing import SealingError
    from portal.web.languages import CatalogueMissing

    return (
        CatalogueError,
        SearchError,
        ClearingError,
        PageError,
        CatalogueMissing,
        SealingError,
        WordsUnusable,
    )


@click.group(cls=_Group, context_settings={"help_option_names": ["-h", "--help"]})
def main() -> None:
    """Anlauf: a clearing portal with guided referral for young people between school and work."""


@main.command()
@click.option("--host", default="127.0.0.1", show_default=True)
@click.option("--port", default=8000, show_default=True, type=int)
def run(host: str, port: int) -> None:
    """Prepare everything and serve on this machine."""
    from portal.web import serving

    settings = settings_for()
    _check_referrals(settings)
    serving.run(settings, host, port)


def _check_referrals(settings: Settings) -> None:
    """Before gunicorn starts: what is wrong with keys or words is one line here, and a traceback there."""
    from portal.referral.codes import load_words
    from portal.web.referrals import open_keyring

    if open_keyring(settings) is not None:
        load_words(settings.content_dir / "words")


@main.command()
@click.option("--host", default="0.0.0.0", show_default=True)
@click.option("--port", default=8000, show_default=True, type=int)
@click.option("--workers", default=2, show_default=True, type=int)
@click.option("--prepare/--no-prepare", default=True, help="Migrate, load content and build the index first.")
def serve(host: str, port: int, workers: int, prepare: bool) -> None:
    """Serve for production (behind a reverse proxy that speaks TLS)."""
    from portal.web import serving

    settings = settings_for()
    _check_referrals(settings)
    if prepare:
        serving.prepare(settings, lambda line: click.echo(f"  {line}"))
    serving.serve(settings, host, port, workers=workers)


@main.command("settings")
def show_settings() -> None:
    """Print the settings in force, without secrets."""
    for name, value in (
        settings_for()
        .model_dump(
            exclude={
                "secret_key",
                "database_url",
                "redis_url",
                "smtp_password",
                "translator_key",
                "referral_keys",
                "message_webhook_secret",
            }
        )
        .items()
    ):
        click.echo(f"PORTAL_{name.upper()}={value}")


@main.group()
def db() -> None:
    """Database."""


@db.command("upgrade")
def db_upgrade() -> None:
    """Bring the schema to the newest version."""
    from portal.db import make_engine, upgrade

    settings = settings_for()
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    done = upgrade(make_engine(settings.database))
    click.echo("upgraded" if done else "already current")


@main.group()
def content() -> None:
    """The catalogue's content files."""


@content.command("load")
@REGION
@click.option("--force", is_flag=True, help="Overwrite what coordinators changed here.")
@click.option("--dry-run", is_flag=True, help="Only list what would change.")
def content_load(region: str | None, force: bool, dry_run: bool) -> None:
    """Load a region into the database. One transaction: a broken file changes nothing."""
    from portal.catalogue.loading import ContentError, load_region, read_region
    from portal.db import upgrade
    from portal.web.serving import summary
    from portal.web.wiring import open_store

    settings = settings_for(region)
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    store = open_store(settings)
    upgrade(store.engine)
    try:
        content = read_region(settings.content_dir, settings.region)
    except ContentError as error:
        fail([str(problem) for problem in error.problems])
    with store.sessions() as session:
        report = load_region(session, content, now=datetime.now(UTC), force=force, dry_run=dry_run)
        session.commit()
    for change in report.changes:
        click.echo(str(change))
    click.echo(summary(report) + (" (nothing was written)" if dry_run else ""))


@content.command("check")
@REGION
def content_check(region: str | None) -> None:
    """Check a region's files without touching the database."""
    from portal.catalogue.loading import ContentError, read_region

    settings = settings_for(region)
    try:
        read_region(settings.content_dir, settings.region)
    except ContentError as error:
        fail([str(problem) for problem in error.problems])
    click.echo(f"{settings.region}: no problems")


@content.command("export")
@REGION
@click.argument("target", type=click.Path(file_okay=False, path_type=Path))
def content_export(region: str | None, target: Path) -> None:
    """Write a region from the database as content files."""
    from portal.catalogue.exporting import export_region
    from portal.web.wiring import open_store

    settings = settings_for(region)
    with open_store(settings).sessions() as session:
        for path in export_region(session, settings.region, target):
            click.echo(str(path))


@content.command("stamp")
@REGION
def content_stamp(region: str | None) -> None:
    """Note beside new translations which German text they were made from."""
    from portal.catalogue.loading import stamp_content

    settings = settings_for(region)
    for path, count in stamp_content(settings.content_dir, settings.region):
        click.echo(f"{path}: {count} stamped")


@main.group()
def clearing() -> None:
    """Questionnaire and routing."""


def _prepared(settings: Settings) -> Any:
    """The store with the region in it; loaded on the fly when the database is new."""
    from portal.catalogue.exporting import UnknownRegion
    from portal.web import serving
    from portal.web.wiring import open_store

    settings.data_dir.mkdir(parents=True, exist_ok=True)
    store = open_store(settings)
    try:
        store.catalogue.refresh()
    except (UnknownRegion, OperationalError, ProgrammingError):
        serving.prepare(settings, lambda line: None)
        store = open_store(settings)
    return store


@clearing.command("check")
@REGION
@click.option("--today", type=click.DateTime(["%Y-%m-%d"]), help="Check the rules of that day too.")
def clearing_check(region: str | None, today: datetime | None) -> None:
    """Prove that every combination of answers ends at a real desk."""
    from portal.web.proof import prove

    settings = settings_for(region)
    catalogue = _prepared(settings).catalogue
    report = prove(settings, catalogue, today=today.date() if today else catalogue.today)
    for problem in report.problems:
        click.echo(f"{problem.code}: {problem.message}", err=True)
    click.echo(
        f"{report.states:,} states stand for {report.answer_sets:,} answer sets; "
        f"{len(report.problems)} problems; {report.seconds:.1f} s"
    )
    if report.problems:
        sys.exit(1)


@clearing.command("questions")
def clearing_questions() -> None:
    """Questions and options as JSON."""
    from portal.clearing import load_clearing

    click.echo(
        json.dumps(load_clearing(settings_for().questionnaires_dir).as_json(), ensure_ascii=False, indent=1)
    )


@clearing.command("route")
@REGION
@click.option("--batch", is_flag=True, help="One JSON object a line in, one a line out.")
@click.option("--today", type=click.DateTime(["%Y-%m-%d"]))
@click.argument("source", type=click.File("r", encoding="utf-8"), default="-")
def clearing_route(region: str | None, batch: bool, today: datetime | None, source: Any) -> None:
    """Answers as JSON in, the first contact and the others as JSON out.

    An answer is an option id or a list of them; `place` may also be a town, a village, a postal code or an AGS.
    """
    from portal.clearing import load_clearing
    from portal.web.answering import BadAnswers, Router

    settings = settings_for(region)
    catalogue = _prepared(settings).catalogue
    router = Router(
        load_clearing(settings.questionnaires_dir),
        catalogue,
        today=today.date() if today else catalogue.today,
    )
    failed = False
    for line in (line for line in source if line.strip()) if batch else [source.read()]:
        try:
            answer = router.route_json(line)
        except BadAnswers as error:
            failed = True
            answer = {"error": str(error)}
        click.echo(json.dumps(answer, ensure_ascii=False, indent=None if batch else 1))
    if failed:
        sys.exit(1)


@main.group()
def catalogue() -> None:
    """The catalogue of offers."""


@catalogue.command("search")
@REGION
@click.option("--lang", default="de", show_default=True)
@click.option("--limit", default=5, show_default=True, type=int)
@click.option("--batch", is_flag=True, help='One JSON object a line: {"query": …, "lang": …}.')
@click.argument("query", default="")
def catalogue_search(region: str | None, lang: str, limit: int, batch: bool, query: str) -> None:
    """Search as the public page does, as JSON."""
    from portal.catalogue.search.service import search_json
    from portal.web.wiring import open_search

    settings = settings_for(region)
    store = _prepared(settings)
    found, search = store.catalogue, open_search(settings, store)
    search.rebuild_if_needed()
    if not batch:
        click.echo(json.dumps(search_json(search, found, query, lang, limit), ensure_ascii=False, indent=1))
        return
    failed = False
    for line in sys.stdin:
        if not line.strip():
            continue
        try:
            asked = json.loads(line)
            if not isinstance(asked, dict):
                raise TypeError("expected an object")
            answer = search_json(
                search, found, str(asked.get("query", "")), str(asked.get("lang", lang)), limit
            )
        except (json.JSONDecodeError, TypeError, RecursionError) as error:
            failed = True
            answer = {"error": f"not a JSON object with a query: {type(error).__name__}"}
        click.echo(json.dumps(answer, ensure_ascii=False))
    if failed:
        sys.exit(1)


@catalogue.command("export")
@REGION
@click.option(
    "--format", "kind", type=click.Choice(["xlsx", "csv", "content"]), default="xlsx", show_default=True
)
@click.option(
    "--to",
    "target",
    required=True,
    type=click.Path(path_type=Path),
    help="File to write; for the content format a folder.",
)
def catalogue_export(region: str | None, kind: str, target: Path) -> None:
    """Write everything that is not archived as a workbook, as CSV tables in a ZIP file, or as content files."""
    from portal.catalogue import exporting, spreadsheets
    from portal.catalogue.models import Status

    settings = settings_for(region)
    with _prepared(settings).sessions() as session:
        if kind == "content":
            for path in exporting.export_region(session, settings.region, target):
                click.echo(str(path))
            return
        stored = exporting.stored_region(session, settings.region)
    entries = {
        entity: [record for record, row in found.values() if getattr(row, "status", "") != Status.ARCHIVED]
        for entity, found in (
            ("organization", stored.organizations),
            ("location", stored.locations),
            ("service", stored.services),
        )
    }
    data = spreadsheets.xlsx(entries) if kind == "xlsx" else spreadsheets.csv_zip(entries)
    target.write_bytes(data)
    click.echo(f"{target}: {', '.join(f'{len(found)} {entity}s' for entity, found in entries.items())}")


@catalogue.command("import")
@REGION
@click.option("--dry-run", is_flag=True, help="Only list what every row would do.")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
def catalogue_import(region: str | None, dry_run: bool, file: Path) -> None:
    """Put a workbook or CSV tables in: every row, or none when one is faulty."""
    from dataclasses import dataclass
    from uuid import UUID

    from portal.catalogue import importing

    @dataclass(frozen=True)
    class CommandLine:
        id: UUID | None = None
        name: str = "portal catalogue import"

    settings = settings_for(region)
    try:
        sheets = importing.read_file(file.name, file.read_bytes())
    except importing.FileRefused as refused:
        fail([f"{file}: {refused.code}"])
    mappings = [importing.guessed(sheet, {}) for sheet in sheets]
    for sheet, mapping in zip(sheets, mappings, strict=True):
        left_out = [
            title for title, field in zip(sheet.header, mapping.fields, strict=True) if title and not field
        ]
        if left_out:
            click.echo(f"{sheet.name}: not recognised and left out: {', '.join(left_out)}")
    with _prepared(settings).sessions() as session:
        try:
            if dry_run:
                plan = importing.plan(session, settings.region, sheets, mappings)
            else:
                plan = importing.apply(
                    session, settings.region, sheets, mappings, agreed=None, author=CommandLine(),
                    now=datetime.now(UTC), comment=file.name,
                )  # fmt: skip
                session.commit()
        except importing.FaultyRows as refused:
            session.rollback()
            plan = refused.plan
    for row in plan.rows:
        if row.action == "unchanged":
            continue
        fields = f" ({', '.join(row.fields)})" if row.fields else ""
        click.echo(f"{row.sheet}:{row.number}: {row.action} {row.entity} {row.slug}{fields}")
        for problem in row.problems:
            click.echo(f"  {row.columns.get(problem.field, problem.field)}: {problem.message}", err=True)
    counts = ", ".join(f"{number} {action}" for action, number in plan.counts().items())
    click.echo(counts + (" (nothing was written)" if dry_run or plan.faulty else ""))
    if plan.faulty:
        sys.exit(1)


@catalogue.command("evaluate")
@REGION
@click.option(
    "--file",
    "paths",
    multiple=True,
    default=["tests/search/judged.yaml"],
    show_default=True,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Judged queries; may be given several times.",
)
@click.option("--engine", "engines", multiple=True, help="Default PORTAL_SEARCH; may be given several times.")
@click.option("--success", default=0.97, show_default=True, type=click.FloatRange(0, 1), help="At least.")
@click.option("--urgent", default=1.0, show_default=True, type=click.FloatRange(0, 1), help="At least.")
@click.option("--false-alarms", default=0.01, show_default=True, type=click.FloatRange(0, 1), help="At most.")
@click.option("--failures/--no-failures", default=True, help="List the queries that failed.")
def catalogue_evaluate(
    region: str | None,
    paths: tuple[Path, ...],
    engines: tuple[str, ...],
    success: float,
    urgent: float,
    false_alarms: float,
    failures: bool,
) -> None:
    """Measure the search against judged queries; fails below the limits."""
    from portal.catalogue.search import evaluate
    from portal.web.wiring import open_search

    good = True
    for engine in engines or (None,):
        settings = settings_for(region, engine=engine)
        store = _prepared(settings)
        service = open_search(settings, store)
        service.rebuild_if_needed()
        for path in paths:
            try:
                queries = evaluate.read_judged(path)
            except evaluate.JudgementError as error:
                raise click.ClickException(str(error)) from None
            if unknown := evaluate.unknown_codes(queries, store.catalogue):
                fail([f"{path.name}: {line}" for line in unknown])
            judgements = evaluate.evaluate(queries, evaluate.asker(service, store.catalogue))
            total = evaluate.figures(judgements)
            click.echo(f"{path.name}, {settings.region}, {settings.search}")
            click.echo(f"{'':5}{'queries':>8}{'success@5':>11}{'MRR':>8}{'urgent':>8}{'false alarms':>14}")
            for language, row in {**evaluate.by_language(judgements), "all": total}.items():
                click.echo(
                    f"{language:5}{row.queries:>8}{row.success:>11.1%}{row.mrr:>8.3f}{row.urgent:>8.1%}"
                    f"{row.false_alarms:>14.1%}"
                )
            if failures:
                for judgement in judgements:
                    if not judgement.fine:
                        click.echo(f"  {judgement}")
            good = good and total.meets(success=success, urgent=urgent, false_alarms=false_alarms)
    if not good:
        sys.exit(1)


@catalogue.group("translations")
def catalogue_translations() -> None:
    """Texts of the catalogue in other languages."""


def _translated_into(store: Any, language: str) -> None:
    offered = [code for code in store.catalogue.region.languages if code != "de"]
    if language not in offered:
        raise click.ClickException(f"{language!r} is not among the region's languages: {', '.join(offered)}")


@catalogue_translations.command("export")
@click.option("--language", required=True, help="Target language, as en or ar.")
@click.option("--format", "kind", type=click.Choice(["xliff", "xlsx"]), default="xliff", show_default=True)
@click.option("--only", type=click.Choice(["open", "all"]), default="open", show_default=True,
              help="open: what is missing or outdated.")  # fmt: skip
@click.option("--entry", help="One entry, as service:its-slug.")
@click.argument("target", type=click.Path(dir_okay=False, path_type=Path))
@REGION
def translations_export(
    language: str, kind: str, only: str, entry: str | None, target: Path, region: str | None
) -> None:
    """Write the texts for a translation office, as XLIFF 2.1 or Excel table."""
    from babel import Locale

    from portal.catalogue.translating import exchange, xliff, xlsx

    settings = settings_for(region)
    store = _prepared(settings)
    _translated_into(store, language)
    with store.sessions() as session:
        parts = entry.partition(":") if entry else None
        units = exchange.units(
            session, settings.region, language, only="all" if only == "all" else "open",
            entry=(parts[0], parts[2]) if parts else None,
        )  # fmt: skip
    if not units:
        click.echo("nothing is missing or outdated")
        return
    rtl = Locale.parse(language, sep="-").character_order == "right-to-left"
    target.write_bytes(
        xliff.write(units, region=settings.region, language=language, right_to_left=rtl)
        if kind == "xliff"
        else xlsx.write(units, language=language, right_to_left=rtl)
    )
    click.echo(f"{len(units)} texts in {target}")


@catalogue_translations.command("import")
@click.option("--language", required=True, help="Language of the translations, as en or ar.")
@click.option("--dry-run", is_flag=True, help="Only say what would happen.")
@click.option("--leave-out-faulty", is_flag=True, help="Take over the rest instead of nothing.")
@click.argument("source", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@REGION
def translations_import(
    language: str, dry_run: bool, leave_out_faulty: bool, source: Path, region: str | None
) -> None:
    """Take back a file from a translation office. All or nothing: one faulty row and nothing is written."""
    from portal.accounts import audit
    from portal.catalogue.translating import exchange, xliff, xlsx

    settings = settings_for(region)
    store = _prepared(settings)
    _translated_into(store, language)
    body = source.read_bytes()
    reading = xlsx if body.startswith(b"PK") else xliff
    incoming = reading.read(body, language=language)
    now = datetime.now(UTC)
    with store.sessions() as session:
        if not dry_run:
            exchange.hold(session, settings.region)
        plan = exchange.plan(session, settings.region, language, incoming)
        for row in plan.of("faulty"):
            assert row.problem is not None
            values = ", ".join(
                f"{name} {value}" for name, value in row.problem.values.items() if name != "german"
            )
            click.echo(f"faulty\t{row.where}\t{row.problem.code}{f': {values}' if values else ''}", err=True)
        counts = plan.counts()
        click.echo(", ".join(f"{number} {kind}" for kind, number in counts.items()))
        if dry_run:
            return
        if counts["faulty"] and not leave_out_faulty:
            session.rollback()
            fail(["nothing was written"])
        written = exchange.apply(
            session, settings.region, plan, author=None, now=now, leave_out_faulty=leave_out_faulty
        )
        audit.record(
            session, "translation.imported", now=now, region=settings.region, language=language, texts=written,
            left_out=counts["faulty"],
        )  # fmt: skip
        session.commit()
    click.echo(f"{written} texts taken over")


@catalogue_translations.command("machine")
@click.option("--language", required=True, help="Target language, as en or ar.")
@click.option("--limit", type=click.IntRange(min=1), help="At most so many entries.")
@click.option("--dry-run", is_flag=True, help="Only count what would be sent.")
@REGION
def translations_machine(language: str, limit: int | None, dry_run: bool, region: str | None) -> None:
    """Let the server of PORTAL_TRANSLATOR_URL draft what is missing. Only public texts are sent."""
    from portal.accounts import audit
    from portal.catalogue.translating import machine
    from portal.catalogue.translating.texts import every_subject

    settings = settings_for(region)
    translator = machine.translator(settings.translator_url, settings.translator_key)
    if translator is None:
        raise click.ClickException("PORTAL_TRANSLATOR_URL is not set: machine drafts are off")
    store = _prepared(settings)
    _translated_into(store, language)
    if not dry_run and language.partition("-")[0] not in translator.languages():
        raise click.ClickException(f"the translation server does not know {language!r}")
    drafted = skipped = texts = 0
    with store.sessions() as session:
        found = [one for one in every_subject(session, settings.region) if machine.wanting(one, language)][
            :limit
        ]
        names = machine.kept_names(session, settings.region)
        for one in found:
            texts += len(machine.wanting(one, language))
            if dry_run:
                continue
            made = machine.draft(
                session, settings.region, one, language, translator, names=names, author=None,
                now=datetime.now(UTC),
            )  # fmt: skip
            if made.fields:
                audit.record(
                    session, "translation.drafted", now=datetime.now(UTC), region=settings.region,
                    entity=one.entity, entity_id=one.id, entity_name=one.name, language=language,
                    fields=list(made.fields),
                )  # fmt: skip
            session.commit()
            drafted += len(made.fields)
            for field, why in made.skipped.items():
                skipped += 1
                click.echo(f"{why}\t{one.entity}:{one.slug}#{field}", err=True)
    if dry_run:
        click.echo(f"{texts} texts of {len(found)} entries would be sent")
    else:
        click.echo(f"{drafted} drafted, {skipped} left out")


@main.group()
def search() -> None:
    """The search index."""


@search.command("rebuild")
@REGION
def search_rebuild(region: str | None) -> None:
    """Build the index anew from the database."""
    from portal.web.wiring import open_search

    settings = settings_for(region)
    service = open_search(settings, _prepared(settings))
    click.echo(f"{service.rebuild()} services indexed")


@search.command("check")
@REGION
def search_check(region: str | None) -> None:
    """Say whether the index fits the database."""
    from portal.web.wiring import open_search

    settings = settings_for(region)
    problem = open_search(settings, _prepared(settings)).problem()
    click.echo(problem or "the index fits the database")
    if problem:
        sys.exit(1)


@search.command("stats")
@REGION
def search_stats(region: str | None) -> None:
    """Size and state of the index as JSON."""
    from portal.web.wiring import open_search

    settings = settings_for(region)
    click.echo(json.dumps(open_search(settings, _prepared(settings)).stats(), indent=1))


@search.command("learn")
@REGION
@click.option(
    "--validate", is_flag=True, help="Also say how well it does on examples it has not seen; takes a minute."
)
def search_learn(region: str | None, validate: bool) -> None:
    """Learn what queries mean from content/examples.yaml and synonyms.yaml; writes content/learned.bin."""
    from portal.catalogue.search import learning
    from portal.catalogue.search.concepts import SynonymsError

    content_dir = settings_for(region).content_dir
    target = content_dir / "learned.bin"
    try:
        data = learning.learn_file(content_dir)
        target.write_bytes(data)
        click.echo(f"{target.name}: {len(data)} bytes")
        if validate:
            examples, phrases = learning.read_sources(content_dir)
            opinions = learning.cross_validate(examples, phrases)
            found = learning.validate(examples, opinions, learning.SETTINGS)
            click.echo(
                f"{found.examples} examples: danger seen in {found.danger:.1%}, false alarms "
                f"{found.false_alarms:.1%}, concept right in {found.concept:.1%}"
            )
    except (SynonymsError, learning.ExamplesError, OSError) as error:
        raise click.ClickException(str(error)) from None


@search.command("misses")
@REGION
def search_misses(region: str | None) -> None:
    """List the terms that found nothing on three days or more, the most frequent first."""
    from portal.catalogue.search.misses import missed_terms

    settings = settings_for(region)
    with _prepared(settings).sessions() as session:
        for missed in missed_terms(session, settings.region):
            click.echo(
                f"{missed.count:>6}  {missed.first_day} – {missed.last_day}  {missed.language}  {missed.term}"
            )


@main.group()
def translations() -> None:
    """Texts in every language: what is there, what is missing, what is wrong."""


@translations.command("update")
def translations_update() -> None:
    """Bring the .po files up to date with code, templates and questionnaires."""
    from portal.web.translating import update

    settings = settings_for()
    for path in update(settings.translations_dir, settings.questionnaires_dir):
        click.echo(str(path))


@translations.command("compile")
def translations_compile() -> None:
    """Compile .po to .mo."""
    from portal.web.languages import compile_catalogues

    for path in compile_catalogues(settings_for().translations_dir):
        click.echo(str(path))


@translations.command("extract")
@click.option(
    "--to",
    "target",
    default="build/translations",
    show_default=True,
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder to write to.",
)
def translations_extract(target: Path) -> None:
    """Write all texts as .pot files, for a gettext editor. `update` brings the .po files up to date by itself."""
    from portal.web.translating import extract

    for path in extract(settings_for().questionnaires_dir, target):
        click.echo(str(path))


LANGUAGES = click.option("--language", "languages", multiple=True, help="Only this one; may be given again.")


def _known_languages(settings: Settings, languages: tuple[str, ...]) -> None:
    from portal.web.languages import available

    unknown = set(languages) - available(settings.translations_dir).keys()
    if unknown:
        raise click.ClickException(f"not in languages.yaml: {', '.join(sorted(unknown))}")


@translations.command("status")
@LANGUAGES
@click.option("--json", "as_json", is_flag=True)
def translations_status(languages: tuple[str, ...], as_json: bool) -> None:
    """How much is translated, by language and kind of text, and who has read it."""
    from portal.catalogue.reading import ContentError
    from portal.web.translation_report import status

    settings = settings_for()
    _known_languages(settings, languages)
    try:
        lines = status(settings, languages)
    except ContentError as error:
        fail([str(problem) for problem in error.problems])
    if as_json:
        click.echo(json.dumps([line.as_json() for line in lines], indent=1))
        return
    columns = ("machine", "unchecked", "checked", "outdated", "wrong_numbers")
    click.echo(f"{'':<28}{'texts':>7}{'done':>7}" + "".join(f"{name:>15}" for name in columns))
    for line in lines:
        values = line.as_json()
        click.echo(
            f"{line.language:<10}{line.domain:<18}{line.total:>7}{line.percent:>6}%"
            + "".join(f"{values[name]:>15}" for name in columns)
        )


@translations.command("check")
@LANGUAGES
@click.option("--pages", is_flag=True, help="Also go through all pages of the region as they are shown.")
@REGION
def translations_check(languages: tuple[str, ...], pages: bool, region: str | None) -> None:
    """Find what is broken: placeholders, plurals, links, numbers, what nobody translated, broken promises."""
    from portal.web.translation_report import findings

    settings = settings_for(region)
    _known_languages(settings, languages)
    everything = findings(settings, languages)
    for finding in everything:
        if not finding.fails:
            click.echo(f"worth a look: {finding}")
    found = [str(finding) for finding in everything if finding.fails]
    if pages:
        found += _faults_of_pages(settings, languages)
    if found:
        fail(found)
    click.echo("no problems")


def _faults_of_pages(settings: Settings, languages: tuple[str, ...]) -> list[str]:
    from portal.web.application import build
    from portal.web.crawling import crawl
    from portal.web.languages import compile_catalogues

    compile_catalogues(settings.translations_dir)
    _prepared(settings)
    app = build(settings.model_copy(update={"page_cache": False, "log_level": "ERROR"}))
    offered: list[str] = list(app.extensions["portal"].languages)
    report = crawl(app, [code for code in offered if not languages or code in languages])
    for code, number in report.pages.items():
        click.echo(
            f"{code}: {number} pages, {report.german[code]} passages in German, "
            f"{report.unsayable[code]} labels in German"
        )
    return [str(fault) for fault in report.faults]


@main.group("users")
def users_group() -> None:
    """Who may sign in to the admin pages."""


def _grant(text: str, session: Any, region: str) -> Any:
    """`role`, `role:AREA` or `role:organization-slug`."""
    from portal.accounts.models import Role
    from portal.accounts.permissions import Grant
    from portal.catalogue import models

    name, _, rest = text.partition(":")
    try:
        role = Role(name)
    except ValueError:
        known = ", ".join(role.value for role in Role)
        raise click.ClickException(f"{name!r} is no role; there are: {known}") from None
    if role not in (Role.EDITOR, Role.COUNSELLOR):
        if rest and not rest.isdigit():
            raise click.ClickException(f"{text!r}: an area is a prefix of the municipality key, as 15085")
        return Grant(role, area=rest)
    id_ = models.entity_id(region, "organization", rest)
    if not rest or session.get(models.Organization, id_) is None:
        raise click.ClickException(f"{text!r}: name the organization, as {name}:its-slug")
    return Grant(role, organization_id=id_)


@users_group.command("invite")
@click.argument("email")
@click.option("--name", default="", help="As colleagues know the person; default the part before the @.")
@click.option(
    "--role",
    "roles",
    multiple=True,
    required=True,
    help="administrator, coordinator[:AREA], editor:ORGANIZATION, counsellor:ORGANIZATION, reader; may be given several times.",
)
@click.option("--language", type=click.Choice(["de", "en"]), default="de", show_default=True)
@click.option("--mail/--no-mail", default=True, help="Send the link, besides printing it.")
@REGION
def users_invite(
    email: str, name: str, roles: tuple[str, ...], language: str, mail: bool, region: str | None
) -> None:
    """Let somebody in: prints (and mails) a link that sets the password. Again for the same address: a new link."""
    from email_validator import EmailNotValidError, validate_email

    from portal.accounts import audit, users
    from portal.accounts.errors import LastAdministrator
    from portal.accounts.models import TokenPurpose
    from portal.web.admin.letters import command_letters

    try:
        validate_email(email, check_deliverability=False)
    except EmailNotValidError as error:
        raise click.ClickException(str(error)) from None
    store, settings = _accounts(region)
    now = datetime.now(UTC)
    with store.sessions() as session:
        user = users.user_by_email(session, email)
        if user is not None and user.password_hash is not None:
            raise click.ClickException(f"{email} can sign in already; `portal users list` shows who can")
        if user is None:
            grants = [_grant(text, session, settings.region) for text in roles]
            try:
                user, token = users.invite(
                    session,
                    email=email,
                    name=name or email.split("@")[0],
                    grants=grants,
                    now=now,
                    language=language,
                )
            except LastAdministrator:
                raise click.ClickException(
                    "the first one must be an administrator, who can let others in: --role administrator"
                ) from None
        else:
            token = users.issue_token(session, user, TokenPurpose.INVITATION, now=now)
        audit.record(
            session, "user.invited", now=now, entity="user", entity_id=user.id, entity_name=user.name
        )
        letters = command_letters(settings, store)
        link = letters.invitation_link(token)
        if mail:
            letters.invite(session, user, token, now=now)
        session.commit()
    click.echo(f"The link holds for seven days and works once:\n{link}")
    if mail:
        letters.deliver()


@users_group.command("list")
@REGION
def users_list(region: str | None) -> None:
    """Who can sign in, with roles and second factor."""
    from portal.accounts import users
    from portal.catalogue import models

    store, _settings = _accounts(region)
    with store.sessions() as session:
        for user in users.all_users(session):
            grants = []
            for grant in users.grants_of(session, user.id):
                organization = (
                    session.get(models.Organization, grant.organization_id) if grant.organization_id else None
                )
                where = organization.slug if organization else grant.area
                grants.append(f"{grant.role.value}{':' + where if where else ''}")
            state = (
                "disabled"
                if user.disabled_at
                else "invited"
                if user.password_hash is None
                else "second factor"
                if users.has_second_factor(session, user)
                else "password only"
            )
            click.echo(f"{user.email}\t{user.name}\t{', '.join(grants) or '-'}\t{state}")


def _change_user(region: str | None, email: str, action: str, change: Any, *, letter: str = "") -> None:
    """`letter` is what a mail tells the user (see `Letters.changed`)."""
    from portal.accounts import audit, users
    from portal.accounts.errors import LastAdministrator
    from portal.web.admin.letters import command_letters

    store, settings = _accounts(region)
    now = datetime.now(UTC)
    with store.sessions() as session:
        user = users.user_by_email(session, email)
        if user is None:
            raise click.ClickException(f"there is no user {email}")
        try:
            change(session, user, now)
        except LastAdministrator:
            raise click.ClickException("that would leave nobody who can let others in") from None
        audit.record(session, action, now=now, entity="user", entity_id=user.id, entity_name=user.name)
        if letter:
            command_letters(settings, store).changed(session, user, letter, now=now)
        session.commit()
    if letter:
        command_letters(settings, store).deliver()


@users_group.command("disable")
@click.argument("email")
@REGION
def users_disable(email: str, region: str | None) -> None:
    """Shut somebody out at once; history and log keep the name."""
    from portal.accounts import users

    _change_user(
        region, email, "user.disabled", lambda session, user, now: users.disable(session, user, now=now)
    )
    click.echo(f"{email} can no longer sign in")


@users_group.command("enable")
@click.argument("email")
@REGION
def users_enable(email: str, region: str | None) -> None:
    """Let a disabled user in again."""
    from portal.accounts import users

    _change_user(region, email, "user.enabled", lambda session, user, now: users.enable(session, user))
    click.echo(f"{email} can sign in again")


@users_group.command("reset-2fa")
@click.argument("email")
@REGION
def users_reset_2fa(email: str, region: str | None) -> None:
    """Take away all second factors of somebody who lost phone and codes; every session ends."""
    from portal.accounts import users

    _change_user(
        region,
        email,
        "user.second_factor_reset",
        lambda session, user, now: users.remove_second_factors(session, user, now=now),
        letter="second_factor_reset",
    )
    click.echo(f"{email} has no second factor any more")


def _accounts(region: str | None) -> Any:
    """Store and settings, with a database that has the tables."""
    from portal.db import upgrade
    from portal.web.wiring import open_store

    settings = settings_for(region)
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    store = open_store(settings)
    upgrade(store.engine)
    return store, settings


@main.group("mail")
def mail_group() -> None:
    """Mails on their way."""


@mail_group.command("send")
@REGION
def mail_send(region: str | None) -> None:
    """Send what is due; for cron, every few minutes. What failed is tried again later, ever more rarely."""
    from portal.web.admin.letters import command_letters

    store, settings = _accounts(region)
    sent, failed = command_letters(settings, store).deliver()
    click.echo(f"{sent} sent, {failed} failed")
    if failed:
        sys.exit(1)


# Keeping it true.


@main.group("reminders")
def reminders_group() -> None:
    """Letters that ask organizations whether their offers are still right."""


@reminders_group.command("send")
@REGION
def reminders_send(region: str | None) -> None:
    """Ask, remind and escalate; for cron, once a day. Running it again sends nothing twice."""
    from portal.web.admin import reminding
    from portal.web.admin.letters import command_letters

    store, settings = _accounts(region)
    if settings.production and not settings.base_url:
        raise click.ClickException("PORTAL_BASE_URL is missing: the links in the mails would lead nowhere")
    letters = command_letters(settings, store)
    catalogue = store.catalogue
    with store.sessions() as session:
        sent = reminding.send(
            session,
            letters,
            catalogue.region,
            secret_key=settings.secret_key,
            today=catalogue.today,
            now=datetime.now(UTC),
        )
        session.commit()
    click.echo(
        f"{sent.asked} asked, {sent.reminded} reminded, {sent.escalated} escalated; {sent.letters} letters; "
        f"{sent.to_be_phoned} to be phoned"
    )
    _delivered, failed = letters.deliver()
    if failed:
        click.echo(f"{failed} could not be sent yet; they stay in the outbox", err=True)


@main.group("check")
def check_group() -> None:
    """Looking whether what the catalogue says still holds."""


@check_group.command("links")
@click.option("--only", type=click.Choice(["url", "email", "phone"]), help="Only these.")
@click.option(
    "--limit", type=click.IntRange(min=1), help="At most so many, those not looked at for longest first."
)
@REGION
def check_links(only: str | None, limit: int | None, region: str | None) -> None:
    """Look at web addresses, mail domains and phone numbers; for cron, once a week.

    Ends with 1 when there are problems, with 2 when the network here does not answer (then nothing is noted).
    """
    from portal.catalogue import addresses_check as addresses

    store, settings = _accounts(region)
    catalogue = store.catalogue
    named = " ".join(filter(None, (catalogue.region.portal_name, catalogue.region.name, settings.base_url)))
    checker = addresses.Checker(agent=f"Anlauf link check ({named})", fictional=catalogue.region.fictional)
    with store.sessions() as session:
        waiting = addresses.waiting(
            session, settings.region, kinds=(only,) if only else addresses.KINDS, limit=limit
        )
    try:
        found = addresses.look_and_record(
            store.sessions, settings.region, checker, waiting, today=catalogue.today, now=datetime.now(UTC)
        )
    except addresses.NetworkDown:
        click.echo("nothing outside could be reached: is there a network? Nothing was noted.", err=True)
        sys.exit(2)
    if not only and not limit:
        with store.sessions() as session:
            addresses.forget_unused(session, settings.region)
            session.commit()
    problems = sorted((r for r in found if r.problem), key=lambda r: (r.kind, r.value))
    for result in problems:
        click.echo(f"{result.kind}\t{result.problem}\t{result.value}")
    click.echo(f"{len(found)} looked at, {len(problems)} with a problem", err=True)
    if problems:
        sys.exit(1)


# Referrals.


@main.group("keys")
def keys_group() -> None:
    """Keys that seal what young people tell."""


@keys_group.command("new")
def keys_new() -> None:
    """Print a new key: the first line of the key file, above the older ones."""
    from portal.referral.sealing import new_key

    click.echo(new_key())


@keys_group.command("check")
@REGION
def keys_check(region: str | None) -> None:
    """Count which key opens how many records; ends with 1 when one is opened by none."""
    from portal.referral.sealing import Keyring, keys_in
    from portal.web.chores import oldest_code, opened_by
    from portal.web.referrals import keys_text, open_keyring

    store, settings = _accounts(region)
    open_keyring(settings)
    text, origin = keys_text(settings) or ("", "no key is set")
    keys = keys_in(text)
    with store.sessions() as session:
        found = opened_by(session, [Keyring([key]) for key in keys])
        oldest = oldest_code(session)
    click.echo(origin)
    for place, _key in enumerate(keys):
        click.echo(f"key {place + 1}{' (newest)' if place == 0 else ''}: {found[place]} records")
    if oldest is not None:
        click.echo(f"oldest code still in use: {oldest:%Y-%m-%d}; keep the key that was the newest then")
    if found[None]:
        fail([f"no key opens {found[None]} records: put the key they were sealed with back"])


@keys_group.command("rotate")
@REGION
def keys_rotate(region: str | None) -> None:
    """Seal the keys of all records with the newest key; ends with 1 when one could not be opened."""
    from portal.referral import retention

    store, settings = _accounts(region)
    keyring = _keyring(settings)
    with store.sessions() as session:
        found = retention.rotate_keys(session, keyring)
        session.commit()
    click.echo(f"{found['sealed']} sealed anew, {found['unchanged']} unchanged")
    if found["lost"]:
        fail([f"no key opens {found['lost']} records: put the key they were sealed with back"])


def _keyring(settings: Settings) -> Any:
    from portal.web.referrals import open_keyring

    keyring = open_keyring(settings)
    if keyring is None:
        raise click.ClickException("no key is set: PORTAL_REFERRAL_KEYS or PORTAL_REFERRAL_KEYS_FILE")
    return keyring


@main.group("retention")
def retention_group() -> None:
    """Erasing what need not be kept."""


@retention_group.command("run")
@REGION
def retention_run(region: str | None) -> None:
    """Erase what is due of referrals, slips, case talks and notices; for cron, every hour. Needs no key."""
    from portal.web import chores

    store, _settings = _accounts(region)
    done = chores.erase(store, now=datetime.now(UTC))
    click.echo(
        f"erased: {done['referrals']} referrals, {done['drafts']} drafts, {done['slips']} slips, "
        f"{done['case_talks']} case talks, {done['notices']} notices; {done['expired']} ran out"
    )
    if done["unscrubbed"]:
        click.echo("somebody was reading: the next run takes it out of the log of the database", err=True)


@main.group("referrals")
def referrals_group() -> None:
    """Referrals that wait for somebody."""


@referrals_group.command("run")
@REGION
def referrals_run(region: str | None) -> None:
    """Remind, escalate, offer another desk, send what waits; for cron, every few minutes. Doubles nothing."""
    from portal.web import chores
    from portal.web.languages import compile_catalogues, load_languages
    from portal.web.notices import NoAddress
    from portal.web.referrals import open_keyring

    store, settings = _accounts(region)
    keyring = open_keyring(settings)
    if keyring is None:
        click.echo("referrals are off: no key is set")
        return
    if settings.message_webhook_url and not settings.message_webhook_secret:
        click.echo("PORTAL_MESSAGE_WEBHOOK_SECRET is missing: SMS and messengers are off", err=True)
    compile_catalogues(settings.translations_dir)
    languages = load_languages(settings.translations_dir, store.catalogue.region.languages)
    try:
        done = chores.referrals(store, keyring, settings, languages, lambda: datetime.now(UTC))
    except NoAddress:
        raise click.ClickException(
            "PORTAL_BASE_URL is missing: the links in the messages would lead nowhere"
        ) from None
    happened = done.happened
    click.echo(
        f"{happened['team']} teams and {happened['coordinators']} times coordinators reminded, "
        f"{happened['proposed']} offered another desk, {happened['expired']} ran out, "
        f"{happened['taken_back']} offers taken back; "
        f"{done.sent} sent, {done.failed} failed"
    )
    if done.failed:
        sys.exit(1)


@users_group.command("audit-prune")
@REGION
def users_audit_prune(region: str | None) -> None:
    """Erase events of the log that are older than PORTAL_AUDIT_DAYS; for cron, once a day."""
    from datetime import timedelta

    from portal.accounts import audit

    store, settings = _accounts(region)
    with store.sessions() as session:
        erased = audit.forget(session, before=datetime.now(UTC) - timedelta(days=settings.audit_days))
        session.commit()
    click.echo(f"{erased} events erased")


@catalogue.command("erase-archived")
@REGION
def catalogue_erase_archived(region: str | None) -> None:
    """Erase what was archived here more than 90 days ago; its history stays. For cron, once a day."""
    from portal.accounts import audit
    from portal.catalogue import editing, overview
    from portal.referral import queries as referrals

    store, settings = _accounts(region)
    now = datetime.now(UTC)
    everything = overview.Scope(settings.region, now.date())
    with store.sessions() as session:
        before = overview.archived(session, everything)
        in_use = referrals.catalogue_entries_in_use(session)
        editing.erase_archived(session, settings.region, now=now, in_use=in_use)
        left = {(line.entity, line.slug) for line in overview.archived(session, everything)}
        erased = [line for line in before if (line.entity, line.slug) not in left]
        for line in erased:
            audit.record(
                session,
                f"{line.entity}.erased",
                now=now,
                region=settings.region,
                entity=line.entity,
                entity_name=line.name,
            )
        session.commit()
    for line in erased:
        click.echo(f"{line.entity} {line.slug}")
    click.echo(f"{len(erased)} entries erased")


if __name__ == "__main__":
    main()
