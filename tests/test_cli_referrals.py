"""`portal keys`, `retention` and `referrals`: what cron calls, and what somebody types when a key is changed."""

import shutil
from collections.abc import Callable, Collection, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from click.testing import Result
from sqlalchemy import select, update
from sqlmodel import Session

from portal.accounts.models import Role, RoleGrant, User
from portal.catalogue.models import Service
from portal.config import Settings
from portal.referral import actions
from portal.referral.choosing import Desk
from portal.referral.models import Channel, Notice, Referral, Team
from portal.referral.personal import Person
from portal.referral.promise import WorkingDays
from portal.referral.sealing import Keyring, new_key
from portal.web import chores
from portal.web.wiring import Store, open_store
from tests.referral.conftest import agreed
from tests.test_cli import invoke

NOW = datetime.now(UTC)
REGION = "musterkreis"
DAYS = WorkingDays("ST", ZoneInfo("Europe/Berlin"))
Command = Callable[..., Result]


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("cli-referrals") / "data"
    result = invoke("content", "load", environ={"PORTAL_DATA_DIR": str(folder), "PORTAL_REGION": REGION})
    assert result.exit_code == 0, result.output
    return folder


@pytest.fixture
def data(loaded: Path, tmp_path: Path) -> Path:
    shutil.copytree(loaded, tmp_path / "data")
    return tmp_path / "data"


@pytest.fixture
def key_file(tmp_path: Path) -> Path:
    path = tmp_path / "keys"
    path.write_text(f"# the only one\n{new_key()}\n", encoding="ascii")
    return path


@pytest.fixture
def command(data: Path, key_file: Path) -> Command:
    def run(*arguments: str, status: int = 0, **environ: str) -> Result:
        environ = {
            "PORTAL_DATA_DIR": str(data),
            "PORTAL_REGION": REGION,
            "PORTAL_REFERRAL_KEYS_FILE": str(key_file),
            **environ,
        }
        result = invoke(*arguments, environ=environ)
        assert result.exit_code == status, (result.output, result.exception)
        return result

    return run


@pytest.fixture
def store(data: Path) -> Iterator[Store]:
    store = open_store(Settings(secret_key="x" * 40, region=REGION, data_dir=data))
    yield store
    store.engine.dispose()


@pytest.fixture
def session(store: Store) -> Iterator[Session]:
    with store.sessions() as session:
        yield session


def teams(session: Session, number: int, *, of: Collection[str] = ()) -> list[Desk]:
    """Some organizations with a published service take referrals; the first service of each, or one of `of`, is its desk."""
    found: dict[Any, Desk] = {}
    for service in session.execute(select(Service).order_by(Service.slug)).scalars():
        if of and service.slug not in of:
            continue
        if len(found) < number and service.status == "published" and service.capacity != "full":
            found.setdefault(service.organization_id, Desk(service.id, service.organization_id))
    for place, desk in enumerate(found.values()):
        user = User(email=f"c{place}@example.org", name="C", password_hash="x", created_at=NOW)
        session.add(user)
        session.flush()
        session.add(
            RoleGrant(
                user_id=user.id,
                role=Role.COUNSELLOR.value,
                organization_id=desk.organization_id,
                granted_at=NOW,
            )
        )
        session.add(Team(organization_id=desk.organization_id, region=REGION, accepts=True, changed_at=NOW))
    session.commit()
    return list(found.values())


def sent(session: Session, key_file: Path, desk: Desk, *, days_ago: int = 0) -> Referral:
    keyring = Keyring.from_text(key_file.read_text(encoding="ascii"))
    at = NOW - timedelta(days=days_ago)
    referral, _token = actions.begin(session, keyring, region=REGION, language="de", desk=desk, now=at)
    person = Person(name="Sternchen", channels=(Channel.MAIL,), mail="sternchen@mail.example")
    actions.write(session, keyring, referral, person, now=at)
    actions.submit(session, keyring, referral, agreed(), text_version="1", days=DAYS, now=at)
    session.commit()
    return referral


def with_a_new_key(key_file: Path) -> None:
    old = key_file.read_text(encoding="ascii")
    key_file.write_text(f"{new_key()}\n{old}", encoding="ascii")


# -- keys --------------------------------------------------------------------------------------------------------------


def test_a_new_key_is_one(command: Command) -> None:
    first, second = (command("keys", "new").stdout.strip() for _ in range(2))
    assert first != second
    Keyring([first])


def test_changing_the_key(command: Command, session: Session, key_file: Path) -> None:
    (desk,) = teams(session, 1)
    sent(session, key_file, desk)
    with_a_new_key(key_file)
    before = command("keys", "check").output
    assert "key 1 (newest): 0 records" in before
    assert "key 2: 1 records" in before
    assert f"oldest code still in use: {NOW:%Y-%m-%d}" in before

    assert command("keys", "rotate").output == "1 sealed anew, 0 unchanged\n"
    assert command("keys", "rotate").output == "0 sealed anew, 1 unchanged\n"
    assert "key 1 (newest): 1 records" in command("keys", "check").output
    key_file.write_text(key_file.read_text(encoding="ascii").splitlines()[0], encoding="ascii")
    assert "none" not in command("keys", "check").output


def test_a_lost_key_is_noticed(command: Command, session: Session, key_file: Path) -> None:
    (desk,) = teams(session, 1)
    sent(session, key_file, desk)
    key_file.write_text(new_key(), encoding="ascii")
    assert "no key opens 1 records" in command("keys", "check", status=1).output
    assert "no key opens 1 records" in command("keys", "rotate", status=1).output


@pytest.mark.parametrize("arguments", [("keys", "check"), ("serve", "--no-prepare"), ("run",)])
@pytest.mark.parametrize(
    ("text", "says"),
    [
        (None, "No such file"),
        ("", "no key for referrals is set"),
        ("not-a-key", "is not a key"),
        ("schlüssel", "no file of keys"),
    ],
)
def test_mistakes_with_the_key_file_are_one_line(
    command: Command, key_file: Path, arguments: tuple[str, ...], text: str | None, says: str
) -> None:
    if text is None:
        key_file.unlink()
    else:
        key_file.write_text(text, encoding="utf-8")
    output = command(*arguments, status=1).output
    assert output.startswith("Error: PORTAL_REFERRAL_KEYS_FILE: ")
    assert says in output
    assert "not-a-key" not in output
    assert output.count("\n") == 1


def test_commands_show_no_key(command: Command, key_file: Path) -> None:
    key = key_file.read_text(encoding="ascii").splitlines()[1]
    for arguments in (("keys", "check"), ("keys", "rotate"), ("settings",), ("referrals", "run")):
        assert key not in command(*arguments, PORTAL_REFERRAL_KEYS=key).output


# -- what cron calls ---------------------------------------------------------------------------------------------------


def test_overdue_goes_to_the_team_and_to_the_coordinators_once(
    command: Command, session: Session, key_file: Path, data: Path
) -> None:
    (desk,) = teams(session, 1)
    sent(session, key_file, desk, days_ago=30)
    first = command("referrals", "run").stdout
    assert first.startswith("1 teams and 1 times coordinators reminded, 0 offered another desk, 0 ran out")
    assert "0 failed" in first
    assert "Sternchen" not in first
    mails = len(list((data / "mail").iterdir()))
    assert mails >= 2, "the request, and that it is overdue"
    again = command("referrals", "run").stdout
    assert again.startswith("0 teams and 0 times coordinators reminded")
    assert "0 sent, 0 failed" in again
    assert len(list((data / "mail").iterdir())) == mails


def test_the_team_named_for_absence_is_offered(command: Command, session: Session, key_file: Path) -> None:
    first, second = teams(session, 2, of=("assistierte-ausbildung", "berufsberatung"))
    referral = sent(session, key_file, first)
    session.execute(
        update(Team)
        .where(Team.organization_id == first.organization_id)  # type: ignore[arg-type]
        .values(away_from=NOW.date() - timedelta(days=1), fallback_organization_id=second.organization_id)
    )
    session.commit()
    assert "1 offered another desk" in command("referrals", "run").output
    session.refresh(referral)
    assert referral.proposed_organization_id == second.organization_id
    assert "0 offered another desk" in command("referrals", "run").output


def test_without_a_key_there_is_nothing_to_do(command: Command) -> None:
    output = command(
        "referrals",
        "run",
        PORTAL_REFERRAL_KEYS_FILE="",
        PORTAL_ENVIRONMENT="production",
        PORTAL_SECRET_KEY="x1" * 24,
    ).output
    assert output == "referrals are off: no key is set\n"


def test_production_needs_an_address_for_its_links(command: Command) -> None:
    output = command(
        "referrals", "run", status=1, PORTAL_ENVIRONMENT="production", PORTAL_SECRET_KEY="x1" * 24
    ).output
    assert "PORTAL_BASE_URL is missing" in output


def test_mails_that_fail_are_counted_and_kept(command: Command, session: Session, key_file: Path) -> None:
    (desk,) = teams(session, 1)
    sent(session, key_file, desk)
    output = command("referrals", "run", status=1, PORTAL_SMTP_HOST="127.0.0.1", PORTAL_SMTP_PORT="1").output
    assert "0 sent, 1 failed" in output
    assert session.execute(select(Notice).where(Notice.sent_at.is_(None))).scalar_one()  # type: ignore[union-attr]


def test_retention_erases_once_and_needs_no_key(
    command: Command, session: Session, key_file: Path, data: Path
) -> None:
    (desk,) = teams(session, 1)
    referral = sent(session, key_file, desk)
    actions.withdraw(session, referral, now=NOW - timedelta(days=40))
    session.commit()
    id_ = referral.id
    session.close()
    key_file.unlink()
    assert command("retention", "run").output.startswith("erased: 1 referrals, 0 drafts")
    assert command("retention", "run").output.startswith("erased: 0 referrals, 0 drafts")
    assert session.get(Referral, id_) is None
    session.close()


# -- beside `portal run` -----------------------------------------------------------------------------------------------


def test_one_process_at_a_time_holds_the_lock(tmp_path: Path) -> None:
    path = tmp_path / "chores.lock"
    held = chores.hold(path)
    assert held is not None
    assert chores.hold(path) is None
    held.close()
    again = chores.hold(path)
    assert again is not None
    again.close()


def test_trying_it_out_needs_no_cron(
    session: Session, store: Store, key_file: Path, data: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    from portal.web.application import build

    (desk,) = teams(session, 1)
    referral = sent(session, key_file, desk, days_ago=30)
    session.close()
    app = build(Settings(secret_key="x" * 40, region=REGION, data_dir=data, referral_keys_file=str(key_file)))
    portal = app.extensions["portal"]
    chores.everything(portal)
    portal.store.engine.dispose()
    found = session.get(Referral, referral.id)
    assert found is not None
    assert found.escalation == 2
    assert "could not" not in capfd.readouterr().err
