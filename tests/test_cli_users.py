"""`portal users`: letting people in from the command line, and out."""

import re
import shutil
import sqlite3
from collections.abc import Callable
from datetime import UTC, datetime
from email import message_from_bytes
from email.policy import default
from pathlib import Path

import pytest
from click.testing import Result

from portal.config import Settings
from portal.web.serving import way_in
from tests.test_cli import invoke

Users = Callable[..., Result]
CHIEF = ("chief@example.org", "--role", "administrator")


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("cli-users") / "data"
    result = invoke(
        "content", "load", environ={"PORTAL_DATA_DIR": str(folder), "PORTAL_REGION": "musterkreis"}
    )
    assert result.exit_code == 0, result.output
    return folder


@pytest.fixture
def data(loaded: Path, tmp_path: Path) -> Path:
    shutil.copytree(loaded, tmp_path / "data")
    return tmp_path / "data"


@pytest.fixture
def users(data: Path) -> Users:
    def run(*arguments: str, status: int = 0) -> Result:
        result = invoke(
            "users", *arguments, environ={"PORTAL_DATA_DIR": str(data), "PORTAL_REGION": "musterkreis"}
        )
        assert result.exit_code == status, result.output
        return result

    return run


def link_in(text: str) -> str:
    (found,) = set(re.findall(r"http://localhost:8000/admin/invitation/\S+", text))
    return str(found)


def table(data: Path, statement: str) -> list[tuple[object, ...]]:
    database = sqlite3.connect(data / "musterkreis.sqlite3")
    try:
        rows = database.execute(statement).fetchall()
        database.commit()
        return rows
    finally:
        database.close()


def mails(data: Path) -> list[tuple[str, str]]:
    files = sorted((data / "mail").glob("*.eml"), key=lambda path: path.stat().st_mtime_ns)
    parsed = [message_from_bytes(path.read_bytes(), policy=default) for path in files]
    return [(str(mail["To"]), str(mail.get_payload(decode=True).decode())) for mail in parsed]


def test_the_first_administrator(users: Users, data: Path) -> None:
    printed = link_in(users("invite", *CHIEF, "--name", "Kim Chief").stdout)
    ((recipient, body),) = mails(data)
    assert recipient == "chief@example.org"
    assert link_in(body) == printed
    assert printed.rsplit("/", 1)[1] not in str(table(data, "SELECT token_hash FROM one_time_token"))
    assert users("list").stdout == "chief@example.org\tKim Chief\tadministrator\tinvited\n"
    assert table(data, "SELECT action, entity_name FROM audit_event") == [("user.invited", "Kim Chief")]


def test_the_first_one_must_be_able_to_let_others_in(users: Users, data: Path) -> None:
    result = users("invite", "kim@example.org", "--role", "coordinator", status=1)
    assert "--role administrator" in result.output
    assert table(data, "SELECT count(*) FROM user_account") == [(0,)]


def test_without_mail_the_link_is_only_printed(users: Users, data: Path) -> None:
    assert link_in(users("invite", *CHIEF, "--no-mail").stdout)
    assert mails(data) == []


def test_inviting_again_makes_a_new_link(users: Users, data: Path) -> None:
    first = link_in(users("invite", *CHIEF).stdout)
    second = link_in(users("invite", "CHIEF@example.org", "--role", "administrator").stdout)
    assert first != second
    assert len(table(data, "SELECT id FROM user_account")) == 1
    assert len(table(data, "SELECT id FROM one_time_token")) == 1
    table(data, "UPDATE user_account SET password_hash = 'x'")
    assert "can sign in already" in users("invite", *CHIEF, status=1).output


def test_roles_of_areas_and_organizations(users: Users, data: Path) -> None:
    users("invite", *CHIEF)
    ((slug,),) = table(data, "SELECT slug FROM organization ORDER BY slug LIMIT 1")
    users("invite", "kim@example.org", "--role", "coordinator:15987", "--role", f"editor:{slug}")
    line = next(line for line in users("list").stdout.splitlines() if line.startswith("kim@"))
    assert line.split("\t") == ["kim@example.org", "kim", f"coordinator:15987, editor:{slug}", "invited"]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("no address", "--role", "administrator"), "@-sign"),
        (("a@example.org", "--role", "emperor"), "administrator, coordinator"),
        (("a@example.org", "--role", "coordinator:Tal"), "15085"),
        (("a@example.org", "--role", "editor"), "editor:its-slug"),
        (("a@example.org", "--role", "editor:no-such-organization"), "editor:its-slug"),
    ],
)
def test_mistakes_are_explained(users: Users, data: Path, arguments: tuple[str, ...], says: str) -> None:
    assert says in users("invite", *arguments, status=1).output
    assert table(data, "SELECT count(*) FROM user_account") == [(0,)]


def test_out_and_in_again(users: Users, data: Path) -> None:
    users("invite", *CHIEF)
    assert "nobody who can let others in" in users("disable", "chief@example.org", status=1).output
    users("invite", "second@example.org", "--role", "administrator")
    users("disable", "Chief@example.org")
    assert "chief@example.org\tchief\tadministrator\tdisabled" in users("list").stdout
    assert "nobody who can let others in" in users("disable", "second@example.org", status=1).output
    users("enable", "chief@example.org")
    assert "disabled" not in users("list").stdout
    actions = [action for (action,) in table(data, "SELECT action FROM audit_event ORDER BY id")]
    assert actions == ["user.invited", "user.invited", "user.disabled", "user.enabled"]


def test_a_lost_phone(users: Users, data: Path) -> None:
    users("invite", *CHIEF, "--no-mail")
    table(data, "UPDATE user_account SET password_hash = 'x', totp_secret = 'sealed'")
    assert users("list").stdout.endswith("\tsecond factor\n")
    users("reset-2fa", "chief@example.org")
    assert users("list").stdout.endswith("\tpassword only\n")
    ((recipient, _body),) = mails(data)
    assert recipient == "chief@example.org"
    assert table(data, "SELECT action FROM audit_event")[-1] == ("user.second_factor_reset",)


@pytest.mark.parametrize("command", ["disable", "enable", "reset-2fa"])
def test_unknown_people(users: Users, command: str) -> None:
    assert "there is no user nobody@example.org" in users(command, "nobody@example.org", status=1).output


def test_the_start_says_how_to_get_in(users: Users, data: Path) -> None:
    settings = Settings(secret_key="x" * 40, region="musterkreis", data_dir=data)
    assert way_in(settings, "127.0.0.1", 8000).endswith(
        "portal users invite YOU@EXAMPLE.ORG --role administrator"
    )
    users("invite", *CHIEF)
    assert way_in(settings, "127.0.0.1", 8080) == "administration: http://localhost:8080/admin/"
    public = settings.model_copy(update={"base_url": "https://anlauf.example"})
    assert way_in(public, "0.0.0.0", 8080) == "administration: https://anlauf.example/admin/"


def test_the_link_holds_for_seven_days(users: Users, data: Path) -> None:
    users("invite", *CHIEF)
    ((expires,),) = table(data, "SELECT expires_at FROM one_time_token")
    days = (
        datetime.fromisoformat(str(expires)).replace(tzinfo=UTC) - datetime.now(UTC)
    ).total_seconds() / 86400
    assert 6.99 < days < 7.01
