"""Addresses of what was merged."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "former_address",
        sa.Column("region", sa.String(), nullable=False),
        sa.Column("entity", sa.String(), nullable=False),
        sa.Column("slug", sa.String(), nullable=False),
        sa.Column("entity_id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(
            ["region"], ["region.slug"], name="fk_former_address_region", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("region", "entity", "slug", name="pk_former_address"),
    )
    op.create_index("ix_former_address_entity_id", "former_address", ["entity_id"])


def downgrade() -> None:
    op.drop_table("former_address")
