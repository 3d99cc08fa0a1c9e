"""What a purchase changes; and audit lines of actions that are no purchase."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade():
    op.add_column("checkout_attempts", sa.Column("change", sa.String(16)))
    op.add_column("checkout_attempts", sa.Column("replaces", sa.String(64)))
    _may_be_null(True)


def downgrade():
    unknown = ("attempt_id", "plan_code", "amount_cents", "currency")
    op.execute(f"DELETE FROM billing_audit WHERE {' OR '.join(f'{name} IS NULL' for name in unknown)}")
    _may_be_null(False)
    with op.batch_alter_table("checkout_attempts") as table:
        table.drop_column("replaces")
        table.drop_column("change")


def _may_be_null(nullable):
    with op.batch_alter_table("billing_audit") as table:
        table.alter_column("attempt_id", existing_type=sa.String(32), nullable=nullable)
        table.alter_column("plan_code", existing_type=sa.String(300), nullable=nullable)
        table.alter_column("amount_cents", existing_type=sa.BigInteger, nullable=nullable)
        table.alter_column("currency", existing_type=sa.String(3), nullable=nullable)
