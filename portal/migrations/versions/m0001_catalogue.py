"""The catalogue: HSDS tables, places, translations, revision."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "region",
        sa.Column("slug", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("settings", sa.JSON(), nullable=False),
        sa.Column("surroundings", sa.JSON(), nullable=False),
        sa.Column("content_hash", sa.String()),
        sa.Column("loaded_at", sa.DateTime(timezone=True)),
        sa.PrimaryKeyConstraint("slug", name="pk_region"),
    )
    op.create_table(
        "taxonomy",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("code", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("description", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_taxonomy"),
        sa.UniqueConstraint("code", name="uq_taxonomy_code"),
    )
    op.create_table(
        "catalogue_change",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("region", sa.String(), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("service_id", sa.Uuid(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["region"], ["region.slug"], name="fk_catalogue_change_region", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_catalogue_change"),
    )
    op.create_index("ix_catalogue_change_region_revision", "catalogue_change", ["region", "revision"])
    op.create_table(
        "catalogue_revision",
        sa.Column("region", sa.String(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("changes_since", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["region"], ["region.slug"], name="fk_catalogue_revision_region", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("region", name="pk_catalogue_revision"),
    )
    op.create_table(
        "organization",
        sa.Column("loaded_hash", sa.String()),
        sa.Column("edited_at", sa.DateTime(timezone=True)),
        sa.Column("last_modified", sa.DateTime(timezone=True), nullable=False),
        sa.Column("source_url", sa.String()),
        sa.Column("source_name", sa.String()),
        sa.Column("source_date", sa.String()),
        sa.Column("source_note", sa.Text()),
        sa.Column("confidence", sa.String(), nullable=False),
        sa.Column("assured_date", sa.Date()),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("region", sa.String(), nullable=False),
        sa.Column("slug", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("alternate_name", sa.String()),
        sa.Column("description", sa.Text()),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("parent_organization_id", sa.Uuid()),
        sa.Column("legal_status", sa.String()),
        sa.Column("website", sa.String()),
        sa.Column("email", sa.String()),
        sa.Column("status", sa.String(), nullable=False),
        sa.Column("confidential", sa.Boolean(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.CheckConstraint("status IN ('draft', 'published', 'archived')", name="status"),
        sa.ForeignKeyConstraint(
            ["parent_organization_id"],
            ["organization.id"],
            name="fk_organization_parent_organization_id",
            ondelete="SET NULL",
        ),
        sa.ForeignKeyConstraint(
            ["region"], ["region.slug"], name="fk_organization_region", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_organization"),
        sa.UniqueConstraint("region", "slug", name="uq_organization_region_slug"),
    )
    op.create_index("ix_organization_parent_organization_id", "organization", ["parent_organization_id"])
    op.create_table(
        "place",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("region", sa.String(), nullable=False),
        sa.Column("slug", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("association", sa.String()),
        sa.Column("ags", sa.String(), nullable=False),
        sa.Column("ars", sa.String()),
        sa.Column("latitude", sa.Float(), nullable=False),
        sa.Column("longitude", sa.Float(), nullable=False),
        sa.Column("postal_codes", sa.JSON(), nullable=False),
        sa.Column("alternate_names", sa.JSON(), nullable=False),
        sa.Column("confidence", sa.String(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["region"], ["region.slug"], name="fk_place_region", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name="pk_place"),
        sa.UniqueConstraint("region", "ags", name="uq_place_region_ags"),
    )
    op.create_table(
        "taxonomy_term",
        sa.Column("loaded_hash", sa.String()),
        sa.Column("edited_at", sa.DateTime(timezone=True)),
        sa.Column("last_modified", sa.DateTime(timezone=True), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("taxonomy_id", sa.Uuid(), nullable=False),
        sa.Column("code", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("short_name", sa.String()),
        sa.Column("description", sa.Text()),
        sa.Column("parent_id", sa.Uuid()),
        sa.Column("icon", sa.String()),
        sa.Column("legal_text", sa.String()),
        sa.Column("expectations", sa.JSON(), nullable=False),
        sa.Column("say", sa.Text()),
        sa.Column("elsewhere", sa.Text()),
        sa.Column("elsewhere_url", sa.String()),
        sa.Column("remote", sa.Text()),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["parent_id"], ["taxonomy_term.id"], name="fk_taxonomy_term_parent_id", ondelete="SET NULL"
        ),
        sa.ForeignKeyConstraint(
            ["taxonomy_id"], ["taxonomy.id"], name="fk_taxonomy_term_taxonomy_id", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_taxonomy_term"),
        sa.UniqueConstraint("taxonomy_id", "code", name="uq_taxonomy_term_taxonomy_id_code"),
    )
    op.create_index("ix_taxonomy_term_parent_id", "taxonomy_term", ["parent_id"])
    op.create_table(
        "translation",
        sa.Column("loaded_hash", sa.String()),
        sa.Column("edited_at", sa.DateTime(timezone=True)),
        sa.Column("last_modified", sa.DateTime(timezone=True), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("region", sa.String()),
        sa.Column("entity", sa.String(), nullable=False),
        sa.Column("entity_id", sa.Uuid(), nullable=False),
        sa.Column("field", sa.String(), nullable=False),
        sa.Column("language", sa.String(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("status", sa.String(), nullable=False),
        sa.Column("source_hash", sa.String(), nullable=False),
        sa.ForeignKeyConstraint(
            ["region"], ["region.slug"], name="fk_translation_region", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_translation"),
        sa.UniqueConstraint("entity_id", "field", "language", name="uq_translation_entity_id_field_language"),
    )
    op.create_index("ix_translation_region_language", "translation", ["region", "language"])
    op.create_table(
        "attribute",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("link_entity", sa.String(), nullable=False),
        sa.Column("link_id", sa.Uuid(), nullable=False),
        sa.Column("link_type", sa.String(), nullable=False),
        sa.Column("taxonomy_term_id", sa.Uuid(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["taxonomy_term_id"],
            ["taxonomy_term.id"],
            name="fk_attribute_taxonomy_term_id",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name="pk_attribute"),
        sa.UniqueConstraint(
            "link_id", "link_type", "taxonomy_term_id", name="uq_attribute_link_id_link_type_taxonomy_term_id"
        ),
    )
    op.create_index("ix_attribute_taxonomy_term_id_link_type", "attribute", ["taxonomy_term_id", "link_type"])
    op.create_table(
        "locality",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("place_id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("postal_code", sa.String(), nullable=False),
        sa.Column("postal_code_uncertain", sa.Boolean(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["place_id"], ["place.id"], name="fk_locality_place_id", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name="pk_locality"),
    )
    op.create_index("ix_locality_place_id", "locality", ["place_id"])
    op.create_table(
        "location",
        sa.Column("loaded_hash", sa.String()),
        sa.Column("edited_at", sa.DateTime(timezone=True)),
        sa.Column("last_modified", sa.DateTime(timezone=True), nullable=False),
        sa.Column("source_url", sa.String()),
        sa.Column("source_name", sa.String()),
        sa.Column("source_date", sa.String()),
        sa.Column("source_note", sa.Text()),
        sa.Column("confidence", sa.String(), nullable=False),
        sa.Column("assured_date", sa.Date()),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("region", sa.String(), nullable=False),
        sa.Column("organization_id", sa.Uuid(), nullable=False),
        sa.Column("slug", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("location_type", sa.String(), nullable=False),
        sa.Column("latitude", sa.Float()),
        sa.Column("longitude", sa.Float()),
        sa.Column("place", sa.String()),
        sa.Column("transportation", sa.Text()),
        sa.Column("confidential", sa.Boolean(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.CheckConstraint(
            "NOT confidential OR (latitude IS NULL AND longitude IS NULL AND place IS NULL AND transportation IS NULL)",
            name="confidential",
        ),
        sa.ForeignKeyConstraint(
            ["organization_id"], ["organization.id"], name="fk_location_organization_id", ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["region"], ["region.slug"], name="fk_location_region", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name="pk_location"),
        sa.UniqueConstraint("region", "slug", name="uq_location_region_slug"),
    )
    op.create_index("ix_location_organization_id", "location", ["organization_id"])
    op.create_table(
        "service",
        sa.Column("loaded_hash", sa.String()),
        sa.Column("edited_at", sa.DateTime(timezone=True)),
        sa.Column("last_modified", sa.DateTime(timezone=True), nullable=False),
        sa.Column("source_url", sa.String()),
        sa.Column("source_name", sa.String()),
        sa.Column("source_date", sa.String()),
        sa.Column("source_note", sa.Text()),
        sa.Column("confidence", sa.String(), nullable=False),
        sa.Column("assured_date", sa.Date()),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("region", sa.String(), nullable=False),
        sa.Column("organization_id", sa.Uuid(), nullable=False),
        sa.Column("slug", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("alternate_name", sa.String()),
        sa.Column("description", sa.Text(), nullable=False),
        sa.Column("application_process", sa.Text()),
        sa.Column("status", sa.String(), nullable=False),
        sa.Column("legal_text", sa.String()),
        sa.Column("minimum_age", sa.Integer()),
        sa.Column("maximum_age", sa.Integer()),
        sa.Column("eligibility_description", sa.Text()),
        sa.Column("interpretation_services", sa.String()),
        sa.Column("expectations", sa.JSON(), nullable=False),
        sa.Column("url", sa.String()),
        sa.Column("email", sa.String()),
        sa.Column("valid_from", sa.Date()),
        sa.Column("valid_to", sa.Date()),
        sa.Column("content_file", sa.String()),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.CheckConstraint("status IN ('draft', 'published', 'archived')", name="status"),
        sa.ForeignKeyConstraint(
            ["organization_id"], ["organization.id"], name="fk_service_organization_id", ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["region"], ["region.slug"], name="fk_service_region", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name="pk_service"),
        sa.UniqueConstraint("region", "slug", name="uq_service_region_slug"),
    )
    op.create_index("ix_service_organization_id", "service", ["organization_id"])
    op.create_index("ix_service_region_status", "service", ["region", "status"])
    op.create_table(
        "accessibility",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("location_id", sa.Uuid(), nullable=False),
        sa.Column("description", sa.String(), nullable=False),
        sa.Column("details", sa.String()),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["location_id"], ["location.id"], name="fk_accessibility_location_id", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_accessibility"),
    )
    op.create_index("ix_accessibility_location_id", "accessibility", ["location_id"])
    op.create_table(
        "address",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("location_id", sa.Uuid(), nullable=False),
        sa.Column("attention", sa.String()),
        sa.Column("address_1", sa.String()),
        sa.Column("postal_code", sa.String()),
        sa.Column("city", sa.String(), nullable=False),
        sa.Column("state_province", sa.String(), nullable=False),
        sa.Column("country", sa.String(), nullable=False),
        sa.Column("address_type", sa.String(), nullable=False),
        sa.ForeignKeyConstraint(
            ["location_id"], ["location.id"], name="fk_address_location_id", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_address"),
    )
    op.create_index("ix_address_location_id", "address", ["location_id"])
    op.create_table(
        "contact",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("service_id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.String()),
        sa.Column("title", sa.String()),
        sa.Column("department", sa.String()),
        sa.Column("email", sa.String()),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["service_id"], ["service.id"], name="fk_contact_service_id", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_contact"),
    )
    op.create_index("ix_contact_service_id", "contact", ["service_id"])
    op.create_table(
        "cost_option",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("service_id", sa.Uuid(), nullable=False),
        sa.Column("option", sa.String(), nullable=False),
        sa.Column("amount_description", sa.String()),
        sa.ForeignKeyConstraint(
            ["service_id"], ["service.id"], name="fk_cost_option_service_id", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_cost_option"),
    )
    op.create_index("ix_cost_option_service_id", "cost_option", ["service_id"])
    op.create_table(
        "required_document",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("service_id", sa.Uuid(), nullable=False),
        sa.Column("document", sa.String(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["service_id"], ["service.id"], name="fk_required_document_service_id", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_required_document"),
    )
    op.create_index("ix_required_document_service_id", "required_document", ["service_id"])
    op.create_table(
        "service_at_location",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("service_id", sa.Uuid(), nullable=False),
        sa.Column("location_id", sa.Uuid(), nullable=False),
        sa.Column("description", sa.Text()),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["location_id"], ["location.id"], name="fk_service_at_location_location_id", ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["service_id"], ["service.id"], name="fk_service_at_location_service_id", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_service_at_location"),
        sa.UniqueConstraint(
            "service_id", "location_id", name="uq_service_at_location_service_id_location_id"
        ),
    )
    op.create_index("ix_service_at_location_location_id", "service_at_location", ["location_id"])
    op.create_table(
        "phone",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("organization_id", sa.Uuid()),
        sa.Column("location_id", sa.Uuid()),
        sa.Column("service_id", sa.Uuid()),
        sa.Column("service_at_location_id", sa.Uuid()),
        sa.Column("contact_id", sa.Uuid()),
        sa.Column("number", sa.String(), nullable=False),
        sa.Column("type", sa.String(), nullable=False),
        sa.Column("description", sa.String()),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["contact_id"], ["contact.id"], name="fk_phone_contact_id", ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["location_id"], ["location.id"], name="fk_phone_location_id", ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["organization_id"], ["organization.id"], name="fk_phone_organization_id", ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["service_at_location_id"],
            ["service_at_location.id"],
            name="fk_phone_service_at_location_id",
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["service_id"], ["service.id"], name="fk_phone_service_id", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_phone"),
    )
    op.create_index("ix_phone_contact_id", "phone", ["contact_id"])
    op.create_index("ix_phone_location_id", "phone", ["location_id"])
    op.create_index("ix_phone_organization_id", "phone", ["organization_id"])
    op.create_index("ix_phone_service_at_location_id", "phone", ["service_at_location_id"])
    op.create_index("ix_phone_service_id", "phone", ["service_id"])
    op.create_table(
        "schedule",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("location_id", sa.Uuid()),
        sa.Column("service_id", sa.Uuid()),
        sa.Column("service_at_location_id", sa.Uuid()),
        sa.Column("opening_hours", sa.String(), nullable=False),
        sa.Column("channel", sa.String(), nullable=False),
        sa.Column("description", sa.String()),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["location_id"], ["location.id"], name="fk_schedule_location_id", ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["service_at_location_id"],
            ["service_at_location.id"],
            name="fk_schedule_service_at_location_id",
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["service_id"], ["service.id"], name="fk_schedule_service_id", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_schedule"),
    )
    op.create_index("ix_schedule_location_id", "schedule", ["location_id"])
    op.create_index("ix_schedule_service_at_location_id", "schedule", ["service_at_location_id"])
    op.create_index("ix_schedule_service_id", "schedule", ["service_id"])
    op.create_table(
        "service_area",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("service_id", sa.Uuid()),
        sa.Column("service_at_location_id", sa.Uuid()),
        sa.Column("area", sa.String(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["service_at_location_id"],
            ["service_at_location.id"],
            name="fk_service_area_service_at_location_id",
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["service_id"], ["service.id"], name="fk_service_area_service_id", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_service_area"),
    )
    op.create_index("ix_service_area_area", "service_area", ["area"])
    op.create_index("ix_service_area_service_at_location_id", "service_area", ["service_at_location_id"])
    op.create_index("ix_service_area_service_id", "service_area", ["service_id"])
    op.create_table(
        "language",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("location_id", sa.Uuid()),
        sa.Column("service_id", sa.Uuid()),
        sa.Column("phone_id", sa.Uuid()),
        sa.Column("code", sa.String(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["location_id"], ["location.id"], name="fk_language_location_id", ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["phone_id"], ["phone.id"], name="fk_language_phone_id", ondelete="CASCADE"),
        sa.ForeignKeyConstraint(
            ["service_id"], ["service.id"], name="fk_language_service_id", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_language"),
    )
    op.create_index("ix_language_location_id", "language", ["location_id"])
    op.create_index("ix_language_phone_id", "language", ["phone_id"])
    op.create_index("ix_language_service_id", "language", ["service_id"])


def downgrade() -> None:
    op.drop_table("language")
    op.drop_table("service_area")
    op.drop_table("schedule")
    op.drop_table("phone")
    op.drop_table("service_at_location")
    op.drop_table("required_document")
    op.drop_table("cost_option")
    op.drop_table("contact")
    op.drop_table("address")
    op.drop_table("accessibility")
    op.drop_table("service")
    op.drop_table("location")
    op.drop_table("locality")
    op.drop_table("attribute")
    op.drop_table("translation")
    op.drop_table("taxonomy_term")
    op.drop_table("place")
    op.drop_table("organization")
    op.drop_table("catalogue_revision")
    op.drop_table("catalogue_change")
    op.drop_table("taxonomy")
    op.drop_table("region")
