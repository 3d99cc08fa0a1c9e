"""Alembic's environment: one connection, given by the caller; no file of its own."""

from alembic import context

from data_sources.state.models import Base

connection = context.config.attributes["connection"]
context.configure(connection=connection, target_metadata=Base.metadata, render_as_batch=True)
with context.begin_transaction():
    context.run_migrations()
