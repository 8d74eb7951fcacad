"""Settings from the environment."""

import re
import stat
from pathlib import Path

import pytest
from pydantic import ValidationError

from portal.config import PREFIX, ROOT, Settings, SettingsError

SECRET = "0123456789abcdef0123456789abcdef"
OPERATING = ROOT / "docs" / "operating.md"


def from_env(make_secret: bool = False, **values: object) -> Settings:
    environ = {f"{PREFIX}{name.upper()}": str(value) for name, value in values.items()}
    return Settings.from_environment(environ, make_secret=make_secret)


def test_only_portal_variables_are_read():
    settings = Settings.from_environment({"PORTAL_SECRET_KEY": SECRET, "REGION": "elsewhere", "PATH": "x"})
    assert settings.region == "harz"


def test_values_are_read_in_their_type():
    settings = from_env(
        secret_key=SECRET, session_minutes="15", page_cache="false", data_dir="some/where", proxies=1
    )
    assert settings.session_minutes == 15
    assert settings.page_cache is False
    assert settings.data_dir == Path("some/where")
    assert settings.proxies == 1


def test_an_empty_variable_counts_as_missing():
    assert from_env(secret_key=SECRET, region="", database_url="").region == "harz"


def test_a_misspelt_variable_is_named():
    with pytest.raises(SettingsError, match="PORTAL_REGON"):
        from_env(secret_key=SECRET, regon="harz")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("environment", "staging"),
        ("region", "Landkreis Harz"),
        ("region", "../secrets"),
        ("search", "google"),
        ("base_url", "portal.example.org"),
        ("session_minutes", "0"),
        ("session_minutes", "soon"),
        ("proxies", "-1"),
        ("page_cache_seconds", "0"),
        ("log_level", "LOUD"),
    ],
)
def test_what_cannot_be_used_is_named(name, value):
    with pytest.raises(SettingsError, match=f"^PORTAL_{name.upper()}: "):
        from_env(secret_key=SECRET, **{name: value})


def test_every_problem_has_its_line():
    with pytest.raises(SettingsError) as caught:
        from_env(secret_key=SECRET, region="X", proxies="many")
    assert len(str(caught.value).splitlines()) == 2


def test_the_value_of_a_secret_is_in_no_text():
    settings = from_env(secret_key=SECRET)
    assert SECRET not in repr(settings)
    with pytest.raises(SettingsError) as caught:
        from_env(secret_key=SECRET, region="X")
    assert SECRET not in str(caught.value)


@pytest.mark.parametrize("environment", ["development", "production"])
@pytest.mark.parametrize("secret", ["", "secret", "change-me", "ChangeMe", "placeholder"])
def test_no_start_on_a_missing_or_placeholder_secret(environment, secret):
    with pytest.raises(SettingsError, match="PORTAL_SECRET_KEY"):
        from_env(environment=environment, secret_key=secret)


def test_production_wants_a_long_secret():
    with pytest.raises(SettingsError, match="32 characters"):
        from_env(environment="production", secret_key=SECRET[:31])
    assert from_env(environment="production", secret_key=SECRET).production


def test_the_help_in_the_message_makes_a_usable_secret():
    with pytest.raises(SettingsError) as caught:
        from_env(environment="production")
    command = re.search(r"python3 -c '(.+)'", str(caught.value))
    assert command is not None
    printed: list[str] = []
    exec(command[1], {"print": printed.append})
    assert from_env(environment="production", secret_key=printed[0]).secret_key == printed[0]


def test_a_made_secret_is_kept_and_readable_by_its_owner_only(tmp_path):
    folder = tmp_path / "new" / "data"
    first = from_env(make_secret=True, data_dir=folder)
    second = from_env(make_secret=True, data_dir=folder)
    assert len(first.secret_key) >= 32
    assert first.secret_key == second.secret_key
    assert stat.S_IMODE((folder / "secret_key").stat().st_mode) == 0o600


def test_two_installations_never_share_a_made_secret(tmp_path):
    one = from_env(make_secret=True, data_dir=tmp_path / "one")
    two = from_env(make_secret=True, data_dir=tmp_path / "two")
    assert one.secret_key != two.secret_key


def test_production_makes_no_secret(tmp_path):
    with pytest.raises(SettingsError, match="PORTAL_SECRET_KEY"):
        from_env(make_secret=True, environment="production", data_dir=tmp_path)
    assert not list(tmp_path.iterdir())


def test_the_database_is_a_file_per_region_unless_one_is_named(tmp_path):
    harz = from_env(secret_key=SECRET, data_dir=tmp_path)
    other = from_env(secret_key=SECRET, data_dir=tmp_path, region="musterkreis")
    assert harz.database == f"sqlite:///{tmp_path}/harz.sqlite3"
    assert other.database != harz.database
    assert other.index_dir != harz.index_dir
    named = from_env(secret_key=SECRET, database_url="postgresql://portal@db/portal")
    assert named.database == "postgresql://portal@db/portal"


def test_the_index_in_postgresql_needs_postgresql(tmp_path):
    url = "postgresql://portal@db/portal"
    assert from_env(secret_key=SECRET, search="postgres", database_url=url).search == "postgres"
    for other in ("", f"sqlite:///{tmp_path}/a.sqlite3"):
        with pytest.raises(SettingsError, match=r"PORTAL_SEARCH: .*PORTAL_DATABASE_URL"):
            from_env(secret_key=SECRET, search="postgres", database_url=other)


@pytest.mark.parametrize(
    ("given", "kept", "https"),
    [
        ("https://anlauf.example.org/", "https://anlauf.example.org", True),
        ("http://127.0.0.1:8000", "http://127.0.0.1:8000", False),
    ],
)
def test_the_public_address(given, kept, https):
    settings = from_env(secret_key=SECRET, base_url=given)
    assert settings.base_url == kept
    assert settings.https is https


def test_settings_do_not_change_while_running():
    settings = from_env(secret_key=SECRET)
    with pytest.raises(ValidationError):
        settings.region = "musterkreis"


# docs/operating.md


def documented() -> dict[str, str]:
    """Variable → default, from the table."""
    rows = re.findall(r"^\| `(PORTAL_\w+)` \| ([^|]*) \|", OPERATING.read_text(encoding="utf-8"), re.M)
    assert len(rows) == len(dict(rows)), "a variable is listed twice"
    return {name: default.strip() for name, default in rows}


def test_every_setting_is_documented_and_nothing_else():
    assert set(documented()) == {f"{PREFIX}{name.upper()}" for name in Settings.model_fields}


def test_documented_defaults_are_the_real_ones():
    shown = {name: default.strip("`") for name, default in documented().items() if default.startswith("`")}
    for name, field in Settings.model_fields.items():
        variable = f"{PREFIX}{name.upper()}"
        if field.is_required() or field.default == "":
            assert variable not in shown
        elif isinstance(field.default, Path):
            assert shown[variable] == field.default.relative_to(ROOT).as_posix()
        elif isinstance(field.default, bool):
            assert shown[variable] == str(field.default).lower()
        else:
            assert shown[variable] == str(field.default)


def test_variables_named_anywhere_in_the_documents_exist():
    known = {f"{PREFIX}{name.upper()}" for name in Settings.model_fields}
    for path in [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]:
        named = set(re.findall(r"\bPORTAL_[A-Z_]+[A-Z]\b", path.read_text(encoding="utf-8")))
        assert named <= known, path.name
