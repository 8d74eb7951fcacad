"""Guided referral: teams, referrals with consent, messages and appointments, slips, counts; case talks."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "referral_count",
        sa.Column("region", sa.String(), nullable=False),
        sa.Column("organization_id", sa.Uuid(), nullable=False),
        sa.Column("month_date", sa.Date(), nullable=False),
        sa.Column("measure", sa.String(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint(
            "region", "organization_id", "month_date", "measure", name="pk_referral_count"
        ),
    )
    op.create_table(
        "referral_slip",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("region", sa.String(), nullable=False),
        sa.Column("code_lookup", sa.String(), nullable=False),
        sa.Column("key_sealed", sa.LargeBinary(), nullable=False),
        sa.Column("situation_sealed", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("opened_at", sa.DateTime(timezone=True)),
        sa.PrimaryKeyConstraint("id", name="pk_referral_slip"),
        sa.UniqueConstraint("code_lookup", name="uq_referral_slip_code_lookup"),
    )
    op.create_index("ix_referral_slip_expires_at", "referral_slip", ["expires_at"])
    op.create_table(
        "referral_team",
        sa.Column("organization_id", sa.Uuid(), nullable=False),
        sa.Column("region", sa.String(), nullable=False),
        sa.Column("accepts", sa.Boolean(), nullable=False),
        sa.Column("email", sa.String()),
        sa.Column("promise_days", sa.Integer(), nullable=False),
        sa.Column("languages", sa.JSON(), nullable=False),
        sa.Column("open_at_most", sa.Integer()),
        sa.Column("away_from", sa.Date()),
        sa.Column("away_to", sa.Date()),
        sa.Column("fallback_organization_id", sa.Uuid()),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["fallback_organization_id"],
            ["organization.id"],
            name="fk_referral_team_fallback_organization_id",
            ondelete="SET NULL",
        ),
        sa.ForeignKeyConstraint(
            ["organization_id"],
            ["organization.id"],
            name="fk_referral_team_organization_id",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("organization_id", name="pk_referral_team"),
    )
    op.create_index("ix_referral_team_region", "referral_team", ["region"])
    op.create_table(
        "referral",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("region", sa.String(), nullable=False),
        sa.Column("label", sa.String(), nullable=False),
        sa.Column("status", sa.String(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("language", sa.String(), nullable=False),
        sa.Column("service_id", sa.Uuid(), nullable=False),
        sa.Column("organization_id", sa.Uuid(), nullable=False),
        sa.Column("proposed_service_id", sa.Uuid()),
        sa.Column("proposed_organization_id", sa.Uuid()),
        sa.Column("claimed_by", sa.Uuid()),
        sa.Column("prepared_by", sa.Uuid()),
        sa.Column("key_sealed", sa.LargeBinary()),
        sa.Column("person_sealed", sa.LargeBinary()),
        sa.Column("code_lookup", sa.String()),
        sa.Column("draft_lookup", sa.String()),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("requested_at", sa.DateTime(timezone=True)),
        sa.Column("due_date", sa.Date()),
        sa.Column("first_contact_at", sa.DateTime(timezone=True)),
        sa.Column("ended_at", sa.DateTime(timezone=True)),
        sa.Column("erase_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("alarm_at", sa.DateTime(timezone=True)),
        sa.Column("escalation", sa.Integer(), nullable=False),
        sa.Column("outcome", sa.String()),
        sa.Column("worked", sa.String()),
        sa.CheckConstraint(
            "status IN ('draft', 'requested', 'accepted', 'rejected', 'in_progress', 'completed', 'cancelled')",
            name="status",
        ),
        sa.ForeignKeyConstraint(
            ["claimed_by"], ["user_account.id"], name="fk_referral_claimed_by", ondelete="SET NULL"
        ),
        sa.ForeignKeyConstraint(
            ["organization_id"], ["organization.id"], name="fk_referral_organization_id", ondelete="RESTRICT"
        ),
        sa.ForeignKeyConstraint(
            ["prepared_by"], ["user_account.id"], name="fk_referral_prepared_by", ondelete="SET NULL"
        ),
        sa.ForeignKeyConstraint(
            ["proposed_organization_id"],
            ["organization.id"],
            name="fk_referral_proposed_organization_id",
            ondelete="SET NULL",
        ),
        sa.ForeignKeyConstraint(
            ["proposed_service_id"],
            ["service.id"],
            name="fk_referral_proposed_service_id",
            ondelete="SET NULL",
        ),
        sa.ForeignKeyConstraint(
            ["service_id"], ["service.id"], name="fk_referral_service_id", ondelete="RESTRICT"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_referral"),
        sa.UniqueConstraint("code_lookup", name="uq_referral_code_lookup"),
        sa.UniqueConstraint("draft_lookup", name="uq_referral_draft_lookup"),
        sa.UniqueConstraint("label", name="uq_referral_label"),
    )
    op.create_index("ix_referral_due_date", "referral", ["due_date"])
    op.create_index("ix_referral_erase_at", "referral", ["erase_at"])
    op.create_index("ix_referral_organization_id_status", "referral", ["organization_id", "status"])
    op.create_index("ix_referral_region_status", "referral", ["region", "status"])
    op.create_table(
        "case_talk",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("region", sa.String(), nullable=False),
        sa.Column("referral_id", sa.Uuid()),
        sa.Column("key_sealed", sa.LargeBinary()),
        sa.Column("sheet_sealed", sa.LargeBinary()),
        sa.Column("step", sa.Integer(), nullable=False),
        sa.Column("step_started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("created_by", sa.Uuid()),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True)),
        sa.Column("erase_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["created_by"], ["user_account.id"], name="fk_case_talk_created_by", ondelete="SET NULL"
        ),
        sa.ForeignKeyConstraint(
            ["referral_id"], ["referral.id"], name="fk_case_talk_referral_id", ondelete="SET NULL"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_case_talk"),
    )
    op.create_index("ix_case_talk_erase_at", "case_talk", ["erase_at"])
    op.create_index("ix_case_talk_region", "case_talk", ["region"])
    op.create_table(
        "referral_appointment",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("referral_id", sa.Uuid(), nullable=False),
        sa.Column("organization_id", sa.Uuid(), nullable=False),
        sa.Column("joint", sa.Boolean(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("details_sealed", sa.LargeBinary()),
        sa.Column("proposed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("answered_at", sa.DateTime(timezone=True)),
        sa.ForeignKeyConstraint(
            ["organization_id"],
            ["organization.id"],
            name="fk_referral_appointment_organization_id",
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["referral_id"], ["referral.id"], name="fk_referral_appointment_referral_id", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_referral_appointment"),
    )
    op.create_index("ix_referral_appointment_referral_id", "referral_appointment", ["referral_id"])
    op.create_table(
        "referral_consent",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("referral_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("organization_id", sa.Uuid(), nullable=False),
        sa.Column("service_id", sa.Uuid()),
        sa.Column("text_version", sa.String(), nullable=False),
        sa.Column("language", sa.String(), nullable=False),
        sa.Column("agreed_sealed", sa.LargeBinary()),
        sa.Column("asked_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("given_how", sa.String()),
        sa.Column("recorded_by", sa.Uuid()),
        sa.Column("given_at", sa.DateTime(timezone=True)),
        sa.Column("expires_at", sa.DateTime(timezone=True)),
        sa.Column("declined_at", sa.DateTime(timezone=True)),
        sa.Column("withdrawn_at", sa.DateTime(timezone=True)),
        sa.Column("ended_at", sa.DateTime(timezone=True)),
        sa.ForeignKeyConstraint(
            ["organization_id"],
            ["organization.id"],
            name="fk_referral_consent_organization_id",
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["recorded_by"], ["user_account.id"], name="fk_referral_consent_recorded_by", ondelete="SET NULL"
        ),
        sa.ForeignKeyConstraint(
            ["referral_id"], ["referral.id"], name="fk_referral_consent_referral_id", ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["service_id"], ["service.id"], name="fk_referral_consent_service_id", ondelete="SET NULL"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_referral_consent"),
    )
    op.create_index("ix_referral_consent_organization_id", "referral_consent", ["organization_id"])
    op.create_index("ix_referral_consent_referral_id", "referral_consent", ["referral_id"])
    op.create_table(
        "referral_event",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("referral_id", sa.Uuid(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("actor", sa.String(), nullable=False),
        sa.Column("user_id", sa.Uuid()),
        sa.Column("organization_id", sa.Uuid()),
        sa.Column("move", sa.String(), nullable=False),
        sa.Column("from_status", sa.String(), nullable=False),
        sa.Column("to_status", sa.String(), nullable=False),
        sa.Column("note_sealed", sa.LargeBinary()),
        sa.ForeignKeyConstraint(
            ["referral_id"], ["referral.id"], name="fk_referral_event_referral_id", ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["user_id"], ["user_account.id"], name="fk_referral_event_user_id", ondelete="SET NULL"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_referral_event"),
    )
    op.create_index("ix_referral_event_referral_id", "referral_event", ["referral_id"])
    op.create_table(
        "referral_message",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("referral_id", sa.Uuid(), nullable=False),
        sa.Column("organization_id", sa.Uuid(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("author", sa.String(), nullable=False),
        sa.Column("user_id", sa.Uuid()),
        sa.Column("text_sealed", sa.LargeBinary()),
        sa.Column("read_at", sa.DateTime(timezone=True)),
        sa.ForeignKeyConstraint(
            ["organization_id"],
            ["organization.id"],
            name="fk_referral_message_organization_id",
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["referral_id"], ["referral.id"], name="fk_referral_message_referral_id", ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["user_id"], ["user_account.id"], name="fk_referral_message_user_id", ondelete="SET NULL"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_referral_message"),
    )
    op.create_index("ix_referral_message_referral_id", "referral_message", ["referral_id"])
    op.create_table(
        "referral_notice",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("key", sa.String(), nullable=False),
        sa.Column("referral_id", sa.Uuid()),
        sa.Column("about", sa.String(), nullable=False),
        sa.Column("to_person", sa.Boolean(), nullable=False),
        sa.Column("organization_id", sa.Uuid()),
        sa.Column("user_id", sa.Uuid()),
        sa.Column("written_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("sent_at", sa.DateTime(timezone=True)),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("next_try_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("failure", sa.String()),
        sa.ForeignKeyConstraint(
            ["organization_id"],
            ["organization.id"],
            name="fk_referral_notice_organization_id",
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["referral_id"], ["referral.id"], name="fk_referral_notice_referral_id", ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["user_id"], ["user_account.id"], name="fk_referral_notice_user_id", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_referral_notice"),
        sa.UniqueConstraint("key", name="uq_referral_notice_key"),
    )
    op.create_index("ix_referral_notice_referral_id", "referral_notice", ["referral_id"])
    op.create_index("ix_referral_notice_sent_at_next_try_at", "referral_notice", ["sent_at", "next_try_at"])
    op.create_table(
        "case_talk_idea",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("case_talk_id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid()),
        sa.Column("step", sa.Integer(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("text_sealed", sa.LargeBinary()),
        sa.Column("chosen", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(
            ["case_talk_id"], ["case_talk.id"], name="fk_case_talk_idea_case_talk_id", ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["user_id"], ["user_account.id"], name="fk_case_talk_idea_user_id", ondelete="SET NULL"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_case_talk_idea"),
    )
    op.create_index("ix_case_talk_idea_case_talk_id", "case_talk_idea", ["case_talk_id"])
    op.create_table(
        "case_talk_participant",
        sa.Column("case_talk_id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("role", sa.String(), nullable=False),
        sa.Column("joined_at", sa.DateTime(timezone=True)),
        sa.ForeignKeyConstraint(
            ["case_talk_id"],
            ["case_talk.id"],
            name="fk_case_talk_participant_case_talk_id",
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["user_id"], ["user_account.id"], name="fk_case_talk_participant_user_id", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("case_talk_id", "user_id", name="pk_case_talk_participant"),
    )


def downgrade() -> None:
    op.drop_table("case_talk_participant")
    op.drop_table("case_talk_idea")
    op.drop_table("referral_notice")
    op.drop_table("referral_message")
    op.drop_table("referral_event")
    op.drop_table("referral_consent")
    op.drop_table("referral_appointment")
    op.drop_table("case_talk")
    op.drop_table("referral")
    op.drop_table("referral_team")
    op.drop_table("referral_slip")
    op.drop_table("referral_count")
