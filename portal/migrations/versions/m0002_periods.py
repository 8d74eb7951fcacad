"""Remember up to which day beginning and ending services were made known."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("catalogue_revision", sa.Column("periods_noted", sa.Date()))


def downgrade() -> None:
    op.drop_column("catalogue_revision", "periods_noted")
