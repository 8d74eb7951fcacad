from uuid import uuid4

import pytest

from portal.referral import codes
from portal.referral.sealing import CannotOpen, Erased, Keyring, KeysMissing, SealingError, kept_keys, new_key


def test_what_is_sealed_opens_only_where_it_was_sealed():
    keyring, record = Keyring([new_key()]), uuid4()
    sealer, key_sealed = keyring.new_record(record)
    sealed = sealer.seal("person", "Sternchen")
    assert b"Sternchen" not in sealed
    assert keyring.record(record, key_sealed).open("person", sealed) == "Sternchen"
    with pytest.raises(CannotOpen):
        keyring.record(record, key_sealed).open("message", sealed)
    with pytest.raises(CannotOpen):
        keyring.record(uuid4(), key_sealed).open("person", sealed)
    with pytest.raises(CannotOpen):
        Keyring([new_key()]).record(record, key_sealed)
    with pytest.raises(Erased):
        keyring.record(record, None)


def test_a_new_key_opens_what_older_ones_sealed_and_finds_their_codes():
    old, new = new_key(), new_key()
    record = uuid4()
    sealer, key_sealed = Keyring([old]).new_record(record)
    sealed = sealer.seal("person", "Sternchen")
    lookup = Keyring([old]).lookup("1234")
    both = Keyring.from_text(f"# the newest first\n{new}\n{old}")
    assert both.record(record, key_sealed).open("person", sealed) == "Sternchen"
    assert lookup in both.lookups("1234")
    fresh = both.resealed(key_sealed)
    assert fresh is not None
    assert both.resealed(fresh) is None
    assert Keyring([new]).record(record, fresh).open("person", sealed) == "Sternchen"
    with pytest.raises(CannotOpen):
        Keyring([new]).resealed(key_sealed)


def test_keys_that_are_none_are_refused_without_repeating_them():
    with pytest.raises(KeysMissing):
        Keyring.from_text("# nothing\n")
    with pytest.raises(SealingError) as told:
        Keyring(["hunter2"])
    assert "hunter2" not in str(told.value)


def test_the_key_file_is_made_once_and_for_its_owner_only(tmp_path):
    path = tmp_path / "keys" / "referral_keys"
    first = kept_keys(path)
    assert kept_keys(path) == first
    assert path.stat().st_mode & 0o077 == 0
    Keyring.from_text(first)


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("  Apfel-Brücke  ", "apfel brücke"),
        ("APFEL, BRUCKE", "apfel brücke"),
        ("١٢٣٤ ٥٦", "1234 56"),
        ("1234-56", "123456"),
        ("أَرْنَب", "ارنب"),
        ("ёлка", "елка"),
    ],
)
def test_codes_survive_how_people_type(typed, meant):
    assert codes.folded(typed) == codes.folded(meant)


def test_a_code_has_the_bits_it_promises():
    assert len(codes.folded(codes.new_code(None))) >= 19
    words = codes.Words("de", tuple(f"wort{n}" for n in range(1024)))
    assert len(codes.new_code(words).split()) == 6
    assert codes.new_code(words) != codes.new_code(words)
