"""Who did what with which ids: one line for each step of a purchase."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade():
    op.create_table(
        "billing_audit",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("who", sa.String(300), nullable=False),
        sa.Column("action", sa.String(32), nullable=False),
        sa.Column("attempt_id", sa.String(32), nullable=False, index=True),
        sa.Column("customer_id", sa.String(300), nullable=False),
        sa.Column("plan_code", sa.String(300), nullable=False),
        sa.Column("amount_cents", sa.BigInteger, nullable=False),
        sa.Column("currency", sa.String(3), nullable=False),
        sa.Column("session_id", sa.String(300)),
        sa.Column("subscription_id", sa.String(300)),
        sa.Column("lago_subscription_id", sa.String(64)),
        sa.Column("note", sa.String(500)),
    )


def downgrade():
    op.drop_table("billing_audit")
