"""Compares what a usage API says it answered with what it was asked: window, zone, filters, organization."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from data_sources.result import Kind, Problem, utc_now
from data_sources.usage.provenance import window_words
from data_sources.usage.remote_decode import window_of
from data_sources.usage.remote_read import Node, WrongFieldError
from data_sources.usage.types import FILTERS, UsageQuery, Window

NO_WINDOW = "Window not confirmed: this usage API did not say which time and zone its figures cover."
# Clocks differ a little, and an answer may be a little old.
_CLOCKS = timedelta(minutes=5)
_MOST_NOTES, _NOTE_CHARS = 10, 500


class NotConfirmedError(Exception):
    """The answer may hold another organization's usage, so nothing of it may be shown."""


@dataclass(frozen=True, slots=True)
class Said:
    """What a reader must know about an answer.

    Attributes:
        caveats: What of the question it does not confirm, or answers otherwise.
        notes: What else it says of itself.
        unconfirmed: "window", "filters": what it does not say that it answered as asked.
    """

    caveats: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    unconfirmed: tuple[str, ...] = ()


def confirmed(root: Node, query: UsageQuery, asked: Window) -> tuple[Window, Said]:
    """See that an answer is for what was asked.

    Args:
        root: The answer.
        query: What was asked.
        asked: The window of the question, as we understand it.

    Returns:
        The window that the answer is for, and what a reader must know about it.

    Raises:
        NotConfirmedError: A member's organization is not confirmed.
        WrongFieldError: The answer says that it is for another selection than was asked.
    """
    said = _filters(root, query)
    window = window_of(root, asked)
    if window is None or not window.confirmed:
        told = replace(said, caveats=(NO_WINDOW, *said.caveats), unconfirmed=("window", *said.unconfirmed))
        return replace(window or asked, confirmed=False), told
    other = _window(root, window, asked)
    unconfirmed = ("window", *said.unconfirmed) if other else said.unconfirmed
    return window, replace(said, caveats=(*other, *said.caveats), unconfirmed=unconfirmed)


def _window(root: Node, found: Window, asked: Window) -> tuple[str, ...]:
    notes = []
    if found.tz != asked.tz:
        notes.append(f"The usage API counts its days in {found.tz}, not in {asked.tz} as was asked.")
    if asked.name == "custom":
        if (found.start, found.end) != (asked.start, asked.end):
            raise WrongFieldError(f"The usage API answered for {window_words(found)}, which was not asked.")
    elif abs(found.start - asked.start) > _CLOCKS:
        notes.append(f"The usage API answered for {window_words(found)}, another window than was asked.")
    return tuple(notes)


def confirmed_organization(root: Node, organization_id: str | None) -> str | None:
    """The organization that an answer is limited to, None for none.

    Args:
        root: The answer.
        organization_id: The one that it must be limited to, None for any.

    Raises:
        NotConfirmedError: It does not say that it is limited to this one.
    """
    said = root.node("filters")
    organization = None if said is None else said.text("organization")
    if organization_id is not None and organization != organization_id:
        raise NotConfirmedError
    return organization


def _filters(root: Node, query: UsageQuery) -> Said:
    said, organization = root.node("filters"), confirmed_organization(root, query.organization_id)
    if said is None:
        names = ", ".join(name.replace("_", " ") for name, _ in query.filters())
        why = f"Filters not confirmed ({names}): this usage API did not say that it used them."
        return Said(caveats=(why,) if names else (), unconfirmed=("filters",))
    for name in FILTERS:
        if set(said.texts(name)) != set(getattr(query, name)):
            raise WrongFieldError(f"The usage API answered with another filter on {name.replace('_', ' ')} than asked.")
    if organization is not None and query.organization_id is None:
        return Said(notes=(f"The usage API limits our key to the organization {organization}.",))
    return Said()


def notes_of(root: Node) -> tuple[str, ...]:
    """What an answer says that must be known before relying on it, as another console does; none in another form."""
    try:
        given = root.maybe_texts("notes") or []
    except WrongFieldError:
        return ()  # a field of that name that is something else
    return tuple(text[:_NOTE_CHARS] for text in given[:_MOST_NOTES] if text)


def stale_of(root: Node) -> tuple[Problem, datetime] | None:
    """Why an answer is itself the last good one of the console that gave it, and from when; None for a fresh one."""
    try:
        said = root.node("stale")
        fetched_at = None if said is None else said.time("fetched_at")
        if said is None or fetched_at is None:
            return None
        title, detail, at = said.text("title"), said.text("detail"), said.time("failed_at")
    except WrongFieldError:
        return None  # likewise
    why = Problem(
        Kind.UPSTREAM,
        (title or "The usage API answers with older figures")[:_NOTE_CHARS],
        f"The usage API's own source fails. {detail or ''}".strip()[:_NOTE_CHARS],
        at=at or utc_now(),
    )
    return why, fetched_at
