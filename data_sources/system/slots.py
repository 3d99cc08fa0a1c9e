"""From ticks to slots of fixed length: mean, least, most and how much of the slot is known. Pure: no clock, no file.

A mean is weighted by the seconds that each tick stands for, so it equals bytes over time; the most is kept beside it,
so no spike is lost however coarse the slot. A slot never says more than it knows: `known_s` counts covered seconds.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Slot:
    """One closed slot of every series, as columns in the order of `names`; NaN where nothing is known.

    Attributes:
        tier_s: Its length in seconds.
        number: Its place: seconds since the epoch over `tier_s`.
        names: The series.
        mean: Weighted by time.
        least: Least value of one tick.
        most: Greatest value of one tick.
        known_s: Seconds of the slot that the series is known for.
    """

    tier_s: int
    number: int
    names: tuple[str, ...]
    mean: Floats
    least: Floats
    most: Floats
    known_s: Floats

    @property
    def start_s(self) -> int:
        """Where it begins, in seconds since the epoch."""
        return self.number * self.tier_s

    @property
    def end_s(self) -> int:
        """Where it ends, in seconds since the epoch."""
        return (self.number + 1) * self.tier_s


class SlotBuilder:
    """Adds ticks to the open slot of one tier, and gives it away once it is over."""

    def __init__(self, tier_s: int) -> None:
        self.tier_s = tier_s
        self._number: int | None = None
        self._names: tuple[str, ...] = ()
        self._sum = self._least = self._most = self._known_s = np.empty(0)

    def add(self, start_s: float, end_s: float, names: tuple[str, ...], values: Floats) -> Iterator[Slot]:
        """Add one tick, which may reach over several slots: each gets the seconds that fall into it.

        Args:
            start_s: Where the tick's step began, in seconds since the epoch.
            end_s: Where it ended.
            names: The series.
            values: Their values, NaN where unknown.

        Yields:
            The slots that are over. A clock that was set back closes the open slot and begins an earlier one anew.
        """
        first, last = int(start_s // self.tier_s), int(-(-end_s // self.tier_s)) - 1
        for number in range(first, last + 1):
            if self._number is not None and number != self._number:
                yield from self.close()
            if self._number is None:
                self._open(number, names)
            elif names != self._names:
                self._widen(names)
            seconds = min(end_s, (number + 1) * self.tier_s) - max(start_s, number * self.tier_s)
            self._put(names, values, seconds)

    def close(self) -> Iterator[Slot]:
        """Give the open slot away as it is."""
        slot = self.peek()
        self._number = None
        if slot is not None:
            yield slot

    def peek(self) -> Slot | None:
        """The open slot as it is now."""
        if self._number is None:
            return None
        known = self._known_s > 0
        mean = np.divide(self._sum, self._known_s, out=np.full(len(self._names), np.nan), where=known)
        least, most = np.where(known, self._least, np.nan), np.where(known, self._most, np.nan)
        return Slot(self.tier_s, self._number, self._names, mean, least, most, self._known_s.copy())

    def _open(self, number: int, names: tuple[str, ...]) -> None:
        self._number, self._names = number, names
        count = len(names)
        self._sum, self._known_s = np.zeros(count), np.zeros(count)
        self._least, self._most = np.full(count, np.inf), np.full(count, -np.inf)

    def _widen(self, names: tuple[str, ...]) -> None:
        """Take in series that appeared within the slot; those that went stay until it closes."""
        added = tuple(name for name in names if name not in self._names)
        self._names += added
        count = len(added)
        self._sum = np.concatenate([self._sum, np.zeros(count)])
        self._known_s = np.concatenate([self._known_s, np.zeros(count)])
        self._least = np.concatenate([self._least, np.full(count, np.inf)])
        self._most = np.concatenate([self._most, np.full(count, -np.inf)])

    def _put(self, names: tuple[str, ...], values: Floats, seconds: float) -> None:
        if names != self._names:
            values = align(names, values, self._names)
        known = ~np.isnan(values)
        self._sum[known] += values[known] * seconds
        self._known_s[known] += seconds
        np.fmin(self._least, values, out=self._least)
        np.fmax(self._most, values, out=self._most)


def align(names: Sequence[str], values: Floats, wanted: Sequence[str], missing: float = np.nan) -> Floats:
    """The same values in another order of series, `missing` for those that are not among them."""
    place = {name: index for index, name in enumerate(names)}
    return np.array([values[place[name]] if name in place else missing for name in wanted])


def planes(slot: Slot, names: Sequence[str]) -> Floats:
    """A slot as four rows (mean, least, most, known seconds) in the order of `names`."""
    rows = [align(slot.names, row, names) for row in (slot.mean, slot.least, slot.most)]
    return np.stack([*rows, align(slot.names, slot.known_s, names, 0.0)])


def merge_planes(first: Floats, second: Floats, tier_s: int) -> Floats:
    """Two pieces of the same slots, such as before and after a restart within one, or a time that came twice.

    Args:
        first: Four rows as of `planes`.
        second: The same for the other piece.
        tier_s: Length of a slot in seconds: no more than that is ever known of it.
    """
    known_s = first[3] + second[3]
    shares = [np.where(piece[3] > 0, piece[0] * piece[3], 0.0) for piece in (first, second)]
    mean = np.divide(shares[0] + shares[1], known_s, out=np.full(known_s.shape, np.nan), where=known_s > 0)
    return np.stack(
        [mean, np.fmin(first[1], second[1]), np.fmax(first[2], second[2]), np.minimum(known_s, float(tier_s))]
    )
