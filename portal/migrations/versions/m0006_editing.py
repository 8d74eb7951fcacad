"""What the admin pages keep: versions, proposals, reports, confirmations, checked addresses, texts."""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

_SERVICE_COLUMNS: dict[str, sa.types.TypeEngine[Any]] = {
    "capacity": sa.String(),
    "capacity_until": sa.Date(),
    "capacity_at": sa.DateTime(timezone=True),
    "review_days": sa.Integer(),
    "review_due": sa.Date(),
    "archived_at": sa.DateTime(timezone=True),
}


def upgrade() -> None:
    op.add_column("region", sa.Column("overrides", sa.JSON()))
    op.add_column("organization", sa.Column("archived_at", sa.DateTime(timezone=True)))
    for name, type_ in _SERVICE_COLUMNS.items():
        op.add_column("service", sa.Column(name, type_))
    op.create_table(
        "entry_version",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("region", sa.String(), nullable=False),
        sa.Column("entity", sa.String(), nullable=False),
        sa.Column("entity_id", sa.Uuid(), nullable=False),
        sa.Column("slug", sa.String(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("record", sa.JSON(), nullable=False),
        sa.Column("record_hash", sa.String(), nullable=False),
        sa.Column("status", sa.String()),
        sa.Column("cause", sa.String(), nullable=False),
        sa.Column("fields", sa.JSON(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("author_id", sa.Uuid()),
        sa.Column("author_name", sa.String(), nullable=False),
        sa.Column("comment", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["region"], ["region.slug"], name="fk_entry_version_region", ondelete="CASCADE"
        ),
        sa.UniqueConstraint("entity_id", "number", name="uq_entry_version_entity_id_number"),
        sa.PrimaryKeyConstraint("id", name="pk_entry_version"),
    )
    op.create_index("ix_entry_version_entity_id_record_hash", "entry_version", ["entity_id", "record_hash"])
    op.create_index("ix_entry_version_region_at", "entry_version", ["region", "at"])
    op.create_table(
        "proposal",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("region", sa.String(), nullable=False),
        sa.Column("entity", sa.String(), nullable=False),
        sa.Column("entity_id", sa.Uuid(), nullable=False),
        sa.Column("organization_id", sa.Uuid()),
        sa.Column("slug", sa.String(), nullable=False),
        sa.Column("base_hash", sa.String()),
        sa.Column("base", sa.JSON(), nullable=False),
        sa.Column("record", sa.JSON(), nullable=False),
        sa.Column("wish", sa.String(), nullable=False),
        sa.Column("source", sa.String(), nullable=False),
        sa.Column("comment", sa.Text(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("made_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("author_id", sa.Uuid()),
        sa.Column("author_name", sa.String(), nullable=False),
        sa.Column("decided_at", sa.DateTime(timezone=True)),
        sa.Column("decided_by", sa.Uuid()),
        sa.Column("decided_name", sa.String(), nullable=False),
        sa.Column("decision_comment", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["region"], ["region.slug"], name="fk_proposal_region", ondelete="CASCADE"),
        sa.CheckConstraint(
            "state IN ('draft', 'in_review', 'accepted', 'rejected', 'withdrawn')", name="state"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_proposal"),
    )
    op.create_index("ix_proposal_entity_id_state", "proposal", ["entity_id", "state"])
    op.create_index("ix_proposal_region_state", "proposal", ["region", "state"])
    op.create_table(
        "visitor_report",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("region", sa.String(), nullable=False),
        sa.Column("service_id", sa.Uuid(), nullable=False),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("language", sa.String(), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("decided_at", sa.DateTime(timezone=True)),
        sa.Column("decided_by", sa.Uuid()),
        sa.ForeignKeyConstraint(
            ["region"], ["region.slug"], name="fk_visitor_report_region", ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["service_id"], ["service.id"], name="fk_visitor_report_service_id", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_visitor_report"),
    )
    op.create_index("ix_visitor_report_region_state", "visitor_report", ["region", "state"])
    op.create_index("ix_visitor_report_service_id", "visitor_report", ["service_id"])
    op.create_table(
        "confirmation",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("region", sa.String(), nullable=False),
        sa.Column("service_id", sa.Uuid(), nullable=False),
        sa.Column("recipient", sa.String(), nullable=False),
        sa.Column("token_hash", sa.String(), nullable=False),
        sa.Column("asked_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("reminded_at", sa.DateTime(timezone=True)),
        sa.Column("escalated_at", sa.DateTime(timezone=True)),
        sa.Column("answered_at", sa.DateTime(timezone=True)),
        sa.Column("answer", sa.String()),
        sa.ForeignKeyConstraint(
            ["region"], ["region.slug"], name="fk_confirmation_region", ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["service_id"], ["service.id"], name="fk_confirmation_service_id", ondelete="CASCADE"
        ),
        sa.UniqueConstraint("token_hash", name="uq_confirmation_token_hash"),
        sa.PrimaryKeyConstraint("id", name="pk_confirmation"),
    )
    op.create_index(
        "ix_confirmation_region_answer_asked_at", "confirmation", ["region", "answer", "asked_at"]
    )
    op.create_index("ix_confirmation_service_id", "confirmation", ["service_id"])
    op.create_table(
        "checked_address",
        sa.Column("region", sa.String(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("value", sa.String(), nullable=False),
        sa.Column("problem", sa.String()),
        sa.Column("since", sa.Date()),
        sa.Column("checked_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["region"], ["region.slug"], name="fk_checked_address_region", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("region", "kind", "value", name="pk_checked_address"),
    )
    op.create_table(
        "search_miss_decision",
        sa.Column("region", sa.String(), nullable=False),
        sa.Column("language", sa.String(), nullable=False),
        sa.Column("term", sa.String(), nullable=False),
        sa.Column("decision", sa.String(), nullable=False),
        sa.Column("concept", sa.String()),
        sa.Column("decided_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("decided_by", sa.Uuid()),
        sa.ForeignKeyConstraint(
            ["region"], ["region.slug"], name="fk_search_miss_decision_region", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("region", "language", "term", name="pk_search_miss_decision"),
    )
    op.create_table(
        "text_override",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("region", sa.String(), nullable=False),
        sa.Column("key", sa.String(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("text", sa.Text()),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("author_id", sa.Uuid()),
        sa.Column("author_name", sa.String(), nullable=False),
        sa.ForeignKeyConstraint(
            ["region"], ["region.slug"], name="fk_text_override_region", ondelete="CASCADE"
        ),
        sa.UniqueConstraint("region", "key", "number", name="uq_text_override_region_key_number"),
        sa.PrimaryKeyConstraint("id", name="pk_text_override"),
    )


def downgrade() -> None:
    op.drop_table("text_override")
    op.drop_table("search_miss_decision")
    op.drop_table("checked_address")
    op.drop_table("confirmation")
    op.drop_table("visitor_report")
    op.drop_table("proposal")
    op.drop_table("entry_version")
    for name in reversed(_SERVICE_COLUMNS):
        op.drop_column("service", name)
    op.drop_column("organization", "archived_at")
    op.drop_column("region", "overrides")
