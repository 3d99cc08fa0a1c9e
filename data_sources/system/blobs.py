"""Numbers as bytes: how the history's file holds its slots. Four rows each: mean, least, most, known seconds."""

from __future__ import annotations

import zlib
from collections.abc import Sequence

import numpy as np

from .slots import Floats
from .windows import Columns


def blank(count: int) -> Floats:
    """Four rows of which nothing is known."""
    return np.stack([np.full(count, np.nan)] * 3 + [np.zeros(count)])


def pack(data: Floats) -> bytes:
    """One slot of every series, as it is written often."""
    return data.astype("<f4").tobytes()


def unpack(data: bytes) -> Floats:
    """The reverse of `pack`."""
    return np.frombuffer(data, "<f4").reshape(4, -1).astype(np.float64)


def unpack_many(data: Sequence[bytes], count: int) -> Floats:
    """Slots of the same `count` series at once: by slot, row and series."""
    return np.frombuffer(b"".join(data), "<f4").reshape(len(data), 4, count).astype(np.float64)


def deflate(data: Floats) -> bytes:
    """Many slots of one series, small. Bytes of equal weight stand together: they change little from slot to slot."""
    return zlib.compress(data.astype("<f4").reshape(-1).view(np.uint8).reshape(-1, 4).T.tobytes(), 6)


def inflate(data: bytes) -> Floats:
    """The reverse of `deflate`."""
    flat = np.frombuffer(zlib.decompress(data), np.uint8).reshape(4, -1).T.copy().view("<f4")
    return flat.reshape(4, -1).astype(np.float64)


def rearrange(names: Sequence[str], data: Floats, wanted: Sequence[str]) -> Floats:
    """The same four rows in another order of series, blank for those that are not among them."""
    place = {name: index for index, name in enumerate(names)}
    made = blank(len(wanted))
    for column, name in enumerate(wanted):
        if name in place:
            made[:, column] = data[:, place[name]]
    return made


def columns(parts: Sequence[tuple[Floats, Floats]], tier_s: int) -> Columns:
    """Pieces of one series, each as slot numbers and four rows, as one."""
    numbers = np.concatenate([numbers for numbers, _ in parts])
    cells = np.concatenate([cells for _, cells in parts], axis=1)
    return Columns(numbers * tier_s, cells[0], cells[1], cells[2], cells[3])
