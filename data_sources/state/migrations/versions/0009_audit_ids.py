"""The audit log names what a step touched at Stripe: subscription, customer, invoice; and Lago's invoice."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

_COLUMNS = {"stripe_subscription_id": 300, "stripe_customer_id": 300, "stripe_invoice_id": 300, "lago_invoice_id": 64}


def upgrade():
    for name, size in _COLUMNS.items():
        op.add_column("billing_audit", sa.Column(name, sa.String(size)))


def downgrade():
    for name in _COLUMNS:
        op.drop_column("billing_audit", name)
