"""A process that prices a store's attempts anew in small slices and says after each how far it is, to be killed."""

from __future__ import annotations

import sys
from pathlib import Path

from data_sources.usage import reprice
from data_sources.usage.price_file import read_price_file
from data_sources.usage.pricing import PriceBook
from data_sources.usage.writer import now_us
from tests.data_sources.usage.ingest_rows import writing

if __name__ == "__main__":
    folder, limit = Path(sys.argv[1]), int(sys.argv[2])
    book = PriceBook(read_price_file(folder / "prices.toml"))
    asked = reprice.Asked(0, 2**60)
    with writing(folder) as (_store, writer):
        after, run = None, None
        while True:
            given = (book, asked, after, limit)
            done = writer.change(
                lambda cursor, given=given, run=run: reprice.write(
                    cursor, *given, run=run, actor="test", now_us=now_us()
                )
            )
            sys.stdout.write(f"{sum(line.changed for line in done.lines)}\n")
            sys.stdout.flush()
            after, run = done.after, done.run
            if after is None:
                break
