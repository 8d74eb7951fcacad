"""The tables of the search index in PostgreSQL, as their migration makes them; `postgres.py` says what is in them.

They are none of the catalogue's models: SQLite does not have them, and their rows can be thrown away.
"""

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB

METADATA = sa.MetaData()

_C = sa.Text(collation="C")


def _table(
    name: str, *columns: sa.Column[Any], key: Sequence[str], more: Sequence[sa.schema.SchemaItem] = ()
) -> None:
    sa.Table(name, METADATA, *columns, sa.PrimaryKeyConstraint(*key, name=f"pk_{name}"), *more)


def _column(name: str, kind: Any, *, null: bool = False) -> sa.Column[Any]:
    return sa.Column(name, kind, nullable=null)


def _generation() -> sa.Column[Any]:
    return _column("generation", sa.Integer())


_table(
    "search_index",
    _column("region", sa.Text()),
    _generation(),
    _column("revision", sa.Integer(), null=True),
    _column("made", sa.Text()),
    _column("written_at", sa.DateTime(timezone=True)),
    _column("writes", sa.Integer()),
    _column("size", sa.Integer()),
    key=["region", "made"],
    more=[sa.UniqueConstraint("generation", name="uq_search_index_generation")],
)
_table(
    "search_segment",
    _generation(),
    _column("first", sa.Integer()),
    _column("size", sa.Integer()),
    _column("deleted", sa.LargeBinary()),
    _column("facts", sa.LargeBinary()),
    key=["generation", "first"],
)
_table(
    "search_code",
    _generation(),
    _column("first", sa.Integer()),
    _column("code", _C),
    _column("bits", sa.LargeBinary()),
    key=["generation", "first", "code"],
)
_table(
    "search_order",
    _generation(),
    _column("first", sa.Integer()),
    _column("language", _C),
    _column("numbers", sa.LargeBinary()),
    key=["generation", "first", "language"],
)
_table(
    "search_document",
    _generation(),
    _column("number", sa.Integer()),
    _column("id", sa.Uuid()),
    _column("names", JSONB()),
    _column("shown", sa.LargeBinary()),
    key=["generation", "number"],
    more=[sa.UniqueConstraint("generation", "id", name="uq_search_document_generation")],
)
_table(
    "search_posting",
    _generation(),
    _column("language", _C),
    _column("term", _C),
    _column("first", sa.Integer()),
    _column("numbers", sa.LargeBinary()),
    _column("weights", sa.LargeBinary()),
    key=["generation", "language", "term", "first"],
    more=[sa.Index("ix_search_posting_first", "generation", "first")],
)
_table(
    "search_word",
    _generation(),
    _column("language", _C),
    _column("word", _C),
    _column("initial", _C),
    _column("length", sa.SmallInteger()),
    _column("tail", _C),
    key=["generation", "language", "word"],
    more=[
        sa.Index("ix_search_word_initial", "generation", "language", "initial", "length"),
        sa.Index("ix_search_word_tail", "generation", "language", "tail"),
    ],
)
_table(
    "search_way",
    _generation(),
    _column("key", sa.LargeBinary()),
    _column("language", _C),
    _column("except_for", _C),
    _column("start", _C),
    _column("kind", _C),
    _column("text", _C),
    _column("value", _C),
    _column("uses", sa.Integer()),
    key=["generation", "key"],
    more=[sa.Index("ix_search_way_start", "generation", "language", "start")],
)
