"""Numbers as bytes: how the history's file holds its slots. Four rows each: mean, least, most, known seconds.

What is read back may have been spoilt on the disk: it is taken only where its checksum is that of what was written.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence

import numpy as np

from .slots import Floats
from .windows import Columns

_CHECKSUM = 4  # bytes
_LONGEST_S = 3600.0  # no slot is longer


class GarbledError(Exception):
    """These are not the bytes that were written."""


def blank(count: int) -> Floats:
    """Four rows of which nothing is known."""
    return np.stack([np.full(count, np.nan)] * 3 + [np.zeros(count)])


def pack(data: Floats) -> bytes:
    """One slot of every series, as it is written often, with its checksum."""
    plain = data.astype("<f4").tobytes()
    return plain + zlib.crc32(plain).to_bytes(_CHECKSUM, "little")


def unpack(data: bytes, count: int) -> Floats:
    """The reverse of `pack`, of `count` series."""
    cells: Floats = unpack_many([data], count)[0]
    return cells


def unpack_many(data: Sequence[bytes], count: int) -> Floats:
    """Slots of the same `count` series at once: by slot, row and series.

    Raises:
        GarbledError: One of them is of another length or not what was written, or knows more seconds than any slot has.
    """
    cells = np.frombuffer(b"".join(_checked(each, 16 * count) for each in data), "<f4").reshape(len(data), 4, count)
    if not ((cells[:, 3] >= 0) & (cells[:, 3] <= _LONGEST_S)).all():
        raise GarbledError("a slot tells nonsense")
    return cells.astype(np.float64)


def _checked(data: object, length: int) -> bytes:
    """What was written, without its checksum; the first version wrote none."""
    if not isinstance(data, bytes) or len(data) not in (length, length + _CHECKSUM):
        raise GarbledError("a slot does not hold its series")
    plain = data[:length]
    if len(data) > length and zlib.crc32(plain).to_bytes(_CHECKSUM, "little") != data[length:]:
        raise GarbledError("a slot is not what was written")
    return plain


def deflate(data: Floats) -> bytes:
    """Many slots of one series, small. Bytes of equal weight stand together: they change little from slot to slot."""
    return zlib.compress(data.astype("<f4").reshape(-1).view(np.uint8).reshape(-1, 4).T.tobytes(), 6)


def inflate(data: bytes, count: int) -> Floats:
    """The reverse of `deflate`, of `count` slots.

    Raises:
        GarbledError: They cannot be made out, or are of another number.
    """
    try:
        plain = zlib.decompress(data)
    except (zlib.error, TypeError) as error:
        raise GarbledError("a block cannot be made out") from error
    if len(plain) != 16 * count:
        raise GarbledError("a block does not hold its slots")
    flat = np.frombuffer(plain, np.uint8).reshape(4, -1).T.copy().view("<f4")
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
