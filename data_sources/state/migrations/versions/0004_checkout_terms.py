"""What a purchase was agreed to cost, and since when its card is saved."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade():
    op.add_column("checkout_attempts", sa.Column("terms", sa.String(64)))
    op.add_column("checkout_attempts", sa.Column("card_saved_at", sa.DateTime(timezone=True)))


def downgrade():
    with op.batch_alter_table("checkout_attempts") as table:
        table.drop_column("card_saved_at")
        table.drop_column("terms")
