"""The edit pages: one page per entry that reads like the public one."""

from flask import Blueprint

from portal.web.admin.editing import capacity, pages


def register(bp: Blueprint) -> None:
    pages.register(bp)
    capacity.register(bp)
