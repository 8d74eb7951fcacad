import pytest

from portal.accounts import passwords
from portal.accounts.errors import WeakPassword


@pytest.mark.parametrize(
    ("password", "reason"),
    [
        ("elfzeichen1", "short"),
        ("x" * 201, "long"),
        ("Passwort123!", "common"),
        ("QWERTZUIOPASDF", "common"),
        ("ababababababab", "common"),
        ("kim.probe1234", "personal"),
        ("Kim Probe 2026", "personal"),
    ],
)
def test_weak_ones_are_refused_with_the_reason(password: str, reason: str) -> None:
    with pytest.raises(WeakPassword) as caught:
        passwords.check(password, personal=("kim.probe@example.org", "Kim Probe"))
    assert caught.value.reason == reason


@pytest.mark.parametrize(
    "password", ["vier bunte Socken", "كلمة سر طويلة جدا", "Kim Probe liebt blaue Fahrräder", "x7#kQ!zu8Lm2"]
)
def test_length_is_enough_whatever_the_characters(password: str) -> None:
    passwords.check(password, personal=("kim.probe@example.org", "Kim Probe"))


def test_a_hash_fits_its_password_only() -> None:
    stored = passwords.hashed("vier bunte Socken")
    assert stored.startswith("$argon2id$")
    assert "Socken" not in stored
    assert passwords.verify(stored, "vier bunte Socken")
    assert not passwords.verify(stored, "vier bunte socken")
    assert not passwords.verify(None, "vier bunte Socken")
    assert not passwords.verify("no hash at all", "vier bunte Socken")


def test_hashes_of_weaker_days_are_made_anew() -> None:
    assert passwords.needs_new_hash("$argon2id$v=19$m=8,t=1,p=1$c29tZXNhbHQ$W4Fu5GSBF1Y0Y5EEVHUXOQ")
    assert not passwords.needs_new_hash(passwords.hashed("vier bunte Socken"))
