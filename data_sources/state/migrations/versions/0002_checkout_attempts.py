"""Purchases under way."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade():
    op.create_table(
        "checkout_attempts",
        sa.Column("id", sa.String(32), primary_key=True),
        sa.Column("customer_id", sa.String(300), nullable=False, index=True),
        sa.Column("open_customer", sa.String(300), unique=True),
        sa.Column("principal_id", sa.String(300), nullable=False, index=True),
        sa.Column("plan_code", sa.String(300), nullable=False),
        sa.Column("plan_name", sa.String(300), nullable=False),
        sa.Column("amount_cents", sa.BigInteger, nullable=False),
        sa.Column("currency", sa.String(3), nullable=False),
        sa.Column("collector", sa.String(16), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("provider_customer_id", sa.String(300)),
        sa.Column("session_id", sa.String(300), unique=True),
        sa.Column("session_expires_at", sa.DateTime(timezone=True)),
        sa.Column("payment_method", sa.String(300)),
        sa.Column("subscription_id", sa.String(300), nullable=False),
        sa.Column("lago_subscription_id", sa.String(64)),
        sa.Column("note", sa.String(500)),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
    )


def downgrade():
    op.drop_table("checkout_attempts")
