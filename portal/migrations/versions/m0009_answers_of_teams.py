"""Whether a joint appointment suits the other teams."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "referral_appointment_answer",
        sa.Column("appointment_id", sa.Uuid(), nullable=False),
        sa.Column("organization_id", sa.Uuid(), nullable=False),
        sa.Column("fits", sa.Boolean(), nullable=False),
        sa.Column("answered_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["appointment_id"],
            ["referral_appointment.id"],
            name="fk_referral_appointment_answer_appointment_id",
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["organization_id"],
            ["organization.id"],
            name="fk_referral_appointment_answer_organization_id",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("appointment_id", "organization_id", name="pk_referral_appointment_answer"),
    )


def downgrade() -> None:
    op.drop_table("referral_appointment_answer")
