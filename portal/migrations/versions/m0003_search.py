"""Tables of the search index in PostgreSQL. SQLite has none: there Whoosh keeps the index in files."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_TABLES = (
    "search_index",
    "search_segment",
    "search_code",
    "search_order",
    "search_document",
    "search_posting",
    "search_word",
    "search_way",
)


def upgrade() -> None:
    if op.get_bind().dialect.name != "postgresql":
        return
    op.create_table(
        "search_index",
        sa.Column("region", sa.Text(), nullable=False),
        sa.Column("generation", sa.Integer(), nullable=False),
        sa.Column("revision", sa.Integer()),
        sa.Column("made", sa.Text(), nullable=False),
        sa.Column("written_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("writes", sa.Integer(), nullable=False),
        sa.Column("size", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("region", "made", name="pk_search_index"),
        sa.UniqueConstraint("generation", name="uq_search_index_generation"),
    )
    op.create_table(
        "search_segment",
        sa.Column("generation", sa.Integer(), nullable=False),
        sa.Column("first", sa.Integer(), nullable=False),
        sa.Column("size", sa.Integer(), nullable=False),
        sa.Column("deleted", sa.LargeBinary(), nullable=False),
        sa.Column("facts", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("generation", "first", name="pk_search_segment"),
    )
    op.create_table(
        "search_code",
        sa.Column("generation", sa.Integer(), nullable=False),
        sa.Column("first", sa.Integer(), nullable=False),
        sa.Column("code", sa.Text(collation="C"), nullable=False),
        sa.Column("bits", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("generation", "first", "code", name="pk_search_code"),
    )
    op.create_table(
        "search_order",
        sa.Column("generation", sa.Integer(), nullable=False),
        sa.Column("first", sa.Integer(), nullable=False),
        sa.Column("language", sa.Text(collation="C"), nullable=False),
        sa.Column("numbers", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("generation", "first", "language", name="pk_search_order"),
    )
    op.create_table(
        "search_document",
        sa.Column("generation", sa.Integer(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("names", JSONB(), nullable=False),
        sa.Column("shown", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("generation", "number", name="pk_search_document"),
        sa.UniqueConstraint("generation", "id", name="uq_search_document_generation"),
    )
    op.create_table(
        "search_posting",
        sa.Column("generation", sa.Integer(), nullable=False),
        sa.Column("language", sa.Text(collation="C"), nullable=False),
        sa.Column("term", sa.Text(collation="C"), nullable=False),
        sa.Column("first", sa.Integer(), nullable=False),
        sa.Column("numbers", sa.LargeBinary(), nullable=False),
        sa.Column("weights", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("generation", "language", "term", "first", name="pk_search_posting"),
    )
    op.create_index("ix_search_posting_first", "search_posting", ["generation", "first"])
    op.create_table(
        "search_word",
        sa.Column("generation", sa.Integer(), nullable=False),
        sa.Column("language", sa.Text(collation="C"), nullable=False),
        sa.Column("word", sa.Text(collation="C"), nullable=False),
        sa.Column("initial", sa.Text(collation="C"), nullable=False),
        sa.Column("length", sa.SmallInteger(), nullable=False),
        sa.Column("tail", sa.Text(collation="C"), nullable=False),
        sa.PrimaryKeyConstraint("generation", "language", "word", name="pk_search_word"),
    )
    op.create_index("ix_search_word_initial", "search_word", ["generation", "language", "initial", "length"])
    op.create_index("ix_search_word_tail", "search_word", ["generation", "language", "tail"])
    op.create_table(
        "search_way",
        sa.Column("generation", sa.Integer(), nullable=False),
        sa.Column("key", sa.LargeBinary(), nullable=False),
        sa.Column("language", sa.Text(collation="C"), nullable=False),
        sa.Column("except_for", sa.Text(collation="C"), nullable=False),
        sa.Column("start", sa.Text(collation="C"), nullable=False),
        sa.Column("kind", sa.Text(collation="C"), nullable=False),
        sa.Column("text", sa.Text(collation="C"), nullable=False),
        sa.Column("value", sa.Text(collation="C"), nullable=False),
        sa.Column("uses", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("generation", "key", name="pk_search_way"),
    )
    op.create_index("ix_search_way_start", "search_way", ["generation", "language", "start"])


def downgrade() -> None:
    if op.get_bind().dialect.name != "postgresql":
        return
    for name in reversed(_TABLES):
        op.drop_table(name)
