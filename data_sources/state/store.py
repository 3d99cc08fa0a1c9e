"""The state database: SQLite in the data folder, or PostgreSQL by address. Migrated at first use."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

from alembic import command
from alembic.config import Config
from sqlalchemy import create_engine, delete, event, select, text
from sqlalchemy.engine import Engine, make_url
from sqlalchemy.exc import IntegrityError, SQLAlchemyError
from sqlalchemy.orm import Session

from data_sources.result import Kind, Problem, utc_now
from data_sources.state.models import EndedSession, UsedLink

log = logging.getLogger(__name__)
MIGRATIONS = Path(__file__).parent / "migrations"


class StateUnavailableError(Exception):
    """The state database cannot be used. `problem` says why, fit to show."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.detail)
        self.problem = problem


class State:
    """What the console must remember over a restart.

    Args:
        url: SQLAlchemy address, such as `sqlite:////var/lib/ops-center/state.db`.
    """

    def __init__(self, url: str) -> None:
        self._url = url
        self._engine: Engine | None = None
        self._lock = threading.Lock()
        self._ended: set[str] | None = None

    def engine(self) -> Engine:
        """The engine, migrated to the newest tables on first use.

        Raises:
            StateUnavailableError: The database cannot be reached, written or migrated.
        """
        with self._lock:
            if self._engine is None:
                self._engine = self._open()
            return self._engine

    def _open(self) -> Engine:
        address = make_url(self._url)
        sqlite = address.get_backend_name() == "sqlite"
        arguments: dict[str, Any] = {"timeout": 5} if sqlite else {"connect_timeout": 3}
        try:
            made = create_engine(address, connect_args=arguments, pool_pre_ping=not sqlite)
            if sqlite:
                event.listen(made, "connect", _sqlite_pragmas)
            with made.begin() as connection:
                config = Config()
                config.set_main_option("script_location", str(MIGRATIONS))
                config.attributes["connection"] = connection
                command.upgrade(config, "head")
        except (SQLAlchemyError, OSError, ImportError) as error:
            log.error("state database: %s", type(error).__name__)
            raise StateUnavailableError(_problem()) from error
        return made

    @contextmanager
    def session(self) -> Iterator[Session]:
        """A session in a transaction: committed at the end, rolled back on an exception.

        Raises:
            StateUnavailableError: The database cannot be used.
        """
        engine = self.engine()
        try:
            with Session(engine, expire_on_commit=False) as session, session.begin():
                yield session
        except IntegrityError:
            raise  # the caller's question: "is it there already?"
        except SQLAlchemyError as error:
            log.error("state database: %s", type(error).__name__)
            raise StateUnavailableError(_problem()) from error

    def spend_link(self, jti: str, expires_at: datetime) -> bool:
        """Use up a one-time link.

        Args:
            jti: The link's own id.
            expires_at: When it would expire, UTC; the record is kept as long.

        Returns:
            False when it was used before.

        Raises:
            StateUnavailableError: The database cannot be used.
        """
        try:
            with self.session() as session:
                session.execute(delete(UsedLink).where(UsedLink.expires_at < utc_now()))
                session.add(UsedLink(jti=jti, expires_at=expires_at))
        except IntegrityError:
            return False
        return True

    def end_session(self, sid: str, expires_at: datetime) -> None:
        """Sign a session out for good: its cookie is worth nothing from now on, wherever a copy is.

        Args:
            sid: The session's id.
            expires_at: When its cookie expires at the latest, UTC; the record is kept as long.

        Raises:
            StateUnavailableError: The database cannot be used.
        """
        ended = self._ended_sessions()
        with self.session() as session:
            session.execute(delete(EndedSession).where(EndedSession.expires_at < utc_now()))
            session.merge(EndedSession(sid=sid, expires_at=expires_at))
        ended.add(sid)

    def has_ended(self, sid: str) -> bool:
        """Whether the session was signed out. Asks the database once; this process is the only one that ends any.

        Raises:
            StateUnavailableError: The database cannot be used.
        """
        return sid in self._ended_sessions()

    def _ended_sessions(self) -> set[str]:
        if self._ended is None:
            with self.session() as session:
                self._ended = set(session.scalars(select(EndedSession.sid)))
        return self._ended

    def check(self) -> Problem | None:
        """Ask the database one small question; the problem if it does not answer."""
        try:
            with self.session() as session:
                session.execute(text("select 1"))
        except StateUnavailableError as error:
            return error.problem
        return None

    def close(self) -> None:
        """Give back every connection."""
        with self._lock:
            if self._engine is not None:
                self._engine.dispose()
                self._engine = None


def _sqlite_pragmas(connection: Any, _record: Any) -> None:
    cursor = connection.cursor()
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _problem() -> Problem:
    return Problem(
        Kind.STORE,
        "The state database cannot be used",
        "It cannot be opened or written. Look at OPS_STATE_URL or the data folder.",
        retry_after_s=5,
    )
