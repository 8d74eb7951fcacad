"""Kept parts of pages come and go; a page that is just being made never loses one."""

from portal.web.fragments import Fragments


def test_a_part_in_use_is_not_the_one_that_goes() -> None:
    fragments = Fragments(capacity=2)
    for key in ("old", "middle"):
        fragments.keep(key, lambda key=key: key)
    page = f"{fragments.keep('old', lambda: 'old')}+{fragments.keep('new', lambda: 'new')}"
    assert fragments.plain(page) == b"old+new"


def test_a_part_that_is_asked_for_again_and_again_stays() -> None:
    fragments = Fragments(capacity=3)
    made = []

    def tiles() -> str:
        made.append(1)
        return "tiles"

    for minute in range(10):
        page = f"{fragments.keep('tiles', tiles)}{fragments.keep(minute, lambda minute=minute: str(minute))}"
        assert fragments.plain(page) == f"tiles{minute}".encode()
    assert made == [1]
