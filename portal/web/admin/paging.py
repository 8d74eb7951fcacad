"""Long lists: pages with real links, and days in few characters."""

from dataclasses import dataclass
from datetime import date

from babel.dates import format_date
from flask import request, url_for

from portal.web.current import current_language

SIZE = 50


@dataclass(frozen=True, slots=True)
class Paging:
    total: int
    number: int
    """From 1 on."""
    size: int = SIZE

    @classmethod
    def read(cls, total: int) -> "Paging":
        """The page the address names; the last one when there are not so many."""
        text = request.args.get("page", "")
        wanted = int(text) if text.isascii() and text.isdigit() and len(text) < 7 else 1
        return cls(total, max(1, min(wanted, -(-total // SIZE))))

    @property
    def offset(self) -> int:
        return (self.number - 1) * self.size

    @property
    def first(self) -> int:
        return min(self.offset + 1, self.total)

    @property
    def last(self) -> int:
        return min(self.offset + self.size, self.total)

    @property
    def before_url(self) -> str:
        """Empty on the first page."""
        return self._url(self.number - 1) if self.number > 1 else ""

    @property
    def after_url(self) -> str:
        """Empty on the last page."""
        return self._url(self.number + 1) if self.last < self.total else ""

    def _url(self, number: int) -> str:
        assert request.endpoint is not None
        values = {name: value for name, value in request.args.items() if name != "page"}
        return url_for(request.endpoint, **{**values, **(request.view_args or {}), "page": number})


def short_date(day: date | None) -> str:
    """ "20.11.2026"; empty for None."""
    return format_date(day, "medium", locale=current_language().locale) if day else ""
