"""What a purchase that Stripe itself collects must remember: its subscription there, and whether money is real."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade():
    op.add_column("checkout_attempts", sa.Column("livemode", sa.Boolean))
    op.add_column("checkout_attempts", sa.Column("stripe_subscription_id", sa.String(300)))
    op.create_index("ix_checkout_attempts_stripe_subscription_id", "checkout_attempts", ["stripe_subscription_id"])


def downgrade():
    with op.batch_alter_table("checkout_attempts") as table:
        table.drop_index("ix_checkout_attempts_stripe_subscription_id")
        table.drop_column("stripe_subscription_id")
        table.drop_column("livemode")
