"""First names that people bear, for whatever must not write down who somebody is (`first_names.txt`)."""

from collections.abc import Mapping
from functools import cache
from importlib import resources


@cache
def first_names() -> Mapping[str, bool]:
    """Each in lower case → whether it is an ordinary word, a month or a place as well."""
    lines = resources.files(__package__).joinpath("first_names.txt").read_text(encoding="utf-8").splitlines()
    marked = (line.partition(" ") for line in lines if line and not line.startswith("#"))
    return {name: bool(mark) for name, _, mark in marked}
