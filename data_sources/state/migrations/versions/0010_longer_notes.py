"""Notes of purchases and of the audit log hold all that is wrong at once, in whole sentences."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

_TABLES = ("checkout_attempts", "billing_audit")


def upgrade():
    _resize(500, 2000)


def downgrade():
    for table in _TABLES:
        op.execute(sa.text(f"UPDATE {table} SET note = substr(note, 1, 500) WHERE length(note) > 500"))  # noqa: S608
    _resize(2000, 500)


def _resize(old, new):
    if op.get_bind().dialect.name == "sqlite":
        return  # it bounds no text, and would copy the whole table
    for table in _TABLES:
        op.alter_column(table, "note", existing_type=sa.String(old), type_=sa.String(new), existing_nullable=True)
