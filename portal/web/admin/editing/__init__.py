"""The edit pages: one page per entry that reads like the public one."""

from flask import Blueprint, g

from portal.web.admin.editing import capacity, pages
from portal.web.current import current_language


def register(bp: Blueprint) -> None:
    bp.before_request(_use_language)
    pages.register(bp)
    capacity.register(bp)


def _use_language() -> None:
    """Words of the catalogue (terms, hours) come from the public pages, which look for the language here."""
    g.lang = current_language().code
