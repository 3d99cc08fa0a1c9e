"""Why events were not taken, without anything of what was sent: what is counted, shown and kept."""

from __future__ import annotations

import re

MOST_REASONS = 50  # by their words; the rest is counted without
_MOST_LETTERS = 200
# What differs from event to event in one and the same reason, and what a sender may have put there.
_VARIABLE = (
    (re.compile(r"'[^']*'|\"[^\"]*\""), "…"),
    (re.compile(r"(?<=add up to )\d+|(?<=than its )\d+|(?<=\(byte )\d+"), "…"),
    (re.compile(r"^(\w+) -?\d+(?= is not)"), r"\1 …"),
    (re.compile(r"^\d+(?= cells under )"), "…"),
)


def plain_reason(reason: str) -> str:
    """A reason without what differs from event to event: no value that was sent stays in it."""
    for pattern, instead in _VARIABLE:
        reason = pattern.sub(instead, reason)
    return reason[:_MOST_LETTERS]
