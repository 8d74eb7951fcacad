"""Search terms that found nothing."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "search_miss",
        sa.Column("region", sa.String(), nullable=False),
        sa.Column("language", sa.String(), nullable=False),
        sa.Column("term", sa.String(), nullable=False),
        sa.Column("count", sa.Integer(), nullable=False),
        sa.Column("first_day", sa.Date(), nullable=False),
        sa.Column("last_day", sa.Date(), nullable=False),
        sa.ForeignKeyConstraint(
            ["region"], ["region.slug"], name="fk_search_miss_region", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("region", "language", "term", name="pk_search_miss"),
    )
    op.create_table(
        "search_miss_day",
        sa.Column("region", sa.String(), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("salt", sa.String(), nullable=False),
        sa.ForeignKeyConstraint(
            ["region"], ["region.slug"], name="fk_search_miss_day_region", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("region", "day", name="pk_search_miss_day"),
    )
    op.create_table(
        "search_miss_mark",
        sa.Column("region", sa.String(), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("digest", sa.String(), nullable=False),
        sa.ForeignKeyConstraint(
            ["region"], ["region.slug"], name="fk_search_miss_mark_region", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("region", "day", "digest", name="pk_search_miss_mark"),
    )


def downgrade() -> None:
    op.drop_table("search_miss_mark")
    op.drop_table("search_miss_day")
    op.drop_table("search_miss")
