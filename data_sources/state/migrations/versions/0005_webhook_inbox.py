"""What Stripe and Lago told us, each event once."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade():
    op.create_table(
        "webhook_inbox",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("source", sa.String(16), nullable=False),
        sa.Column("event_id", sa.String(300), nullable=False),
        sa.Column("kind", sa.String(100), nullable=False),
        sa.Column("subject", sa.String(300)),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("tries", sa.Integer, nullable=False),
        sa.Column("next_try_at", sa.DateTime(timezone=True), index=True),
        sa.Column("done_at", sa.DateTime(timezone=True)),
        sa.Column("note", sa.String(500)),
        sa.UniqueConstraint("source", "event_id"),
    )


def downgrade():
    op.drop_table("webhook_inbox")
