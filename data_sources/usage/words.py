"""Words that figures share."""

from __future__ import annotations


def counted(value: int, noun: str) -> str:
    """A count with its noun: 1 call, 13,331 calls; nouns whose plural ends in s."""
    return f"{value:,} {noun}" if value == 1 else f"{value:,} {noun}s"
