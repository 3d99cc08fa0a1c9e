"""The bench set: calls of 90 days with the token counts of real traces. Never shown outside `bench/`.

Models, users, levels, costs and latencies are drawn by a seeded generator: they stand for a load, not for anyone's use.
"""

from __future__ import annotations

import csv
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa

from data_sources.usage import integrity, rollup
from data_sources.usage.store import UsageStore

DAYS, MODELS, PROVIDERS, USERS, TEAMS = 90, 31, 6, 2_001, 50
LEVELS = ("eco", "balanced", "precision", None)
_ROOT = Path(__file__).parents[1]
_TRACES = ("AzureLLMInferenceTrace_code.csv", "AzureLLMInferenceTrace_conv.csv")


def traced_tokens() -> np.ndarray:
    """(input, output) token counts of the Azure 2023 traces: the full files when present, else the small copies."""
    for folder in (_ROOT.parent / "shared" / "data", _ROOT / "tests" / "data"):
        files = sorted(path for path in folder.glob("*zure*.csv"))
        if files:
            rows = [row for path in files for row in csv.DictReader(path.open())]
            return np.array([(int(row["ContextTokens"]), int(row["GeneratedTokens"])) for row in rows])
    raise FileNotFoundError("no Azure trace in shared/data or tests/data")


def build(path: Path, attempts: int, *, now: datetime | None = None, seed: int = 7) -> UsageStore:
    """Make a store of many attempts over 90 days up to now.

    Args:
        path: The DuckDB file to make.
        attempts: How many.
        now: End of the 90 days.
        seed: Of the generator.

    Returns:
        The store, open.
    """
    rng = np.random.default_rng(seed)
    end_us = int((now or datetime.now(UTC)).timestamp() * 1e6)
    span_us = int(timedelta(days=DAYS).total_seconds() * 1e6)
    started = np.sort(rng.integers(end_us - span_us, end_us, attempts))
    tokens = traced_tokens()[rng.integers(0, len(traced_tokens()), attempts)]
    model = rng.zipf(1.3, attempts) % MODELS
    failed = rng.random(attempts) < 0.02
    unpriced = (model == MODELS - 1) & ~failed
    cost = np.round(tokens[:, 0] * 2.5e-7 * (1 + model) + tokens[:, 1] * 2e-6, 12)
    duration = rng.lognormal(7.0, 0.8, attempts).astype(np.int64)
    unknown = failed | unpriced
    pricing = np.where(failed, "unmetered", np.where(unpriced, "unpriced", "priced"))
    level = rng.integers(0, len(LEVELS), attempts)
    user = rng.zipf(1.2, attempts) % USERS
    table = pa.table(
        {
            "event_id": pa.array([f"e{n:08}" for n in range(attempts)]),
            "call_id": pa.array([f"c{n:08}" for n in range(attempts)]),
            "counts_call": pa.array(np.ones(attempts, dtype=np.int8)),
            "call_duration_ms": pa.array(duration),
            "started_at_us": pa.array(started),
            "duration_ms": pa.array(duration),
            "provider": pa.array([f"provider-{n % PROVIDERS}" for n in model]),
            "model": pa.array([f"model-{n:02}" for n in model]),
            "power_level": pa.array([LEVELS[n] for n in level]),
            "user_id": pa.array([f"user-{n:04}" for n in user]),
            "team_id": pa.array([f"team-{n % TEAMS:02}" for n in user]),
            "status": pa.array(np.where(failed, "failure", "success")),
            "input_tokens": pa.array(tokens[:, 0], mask=failed),
            "output_tokens": pa.array(tokens[:, 1], mask=failed),
            "cache_read_tokens": pa.array(tokens[:, 0] // 3, mask=failed | (model % 2 == 0)),
            "cost_usd": pa.array(cost, mask=unknown),
            "pricing": pa.array(pricing),
            "cost_source": pa.array(np.where(model % 3 == 0, "reported", "genai-prices"), mask=unknown),
            "source": pa.array(["bench"] * attempts),
            "batch_id": pa.array(["bench"] * attempts),
            "received_at_us": pa.array(started),
        }
    )
    store = UsageStore(path, memory_bytes=400_000_000, min_free_bytes=0, threads=2)
    with store.cursor() as cursor:
        cursor.register("made", table)
        cursor.execute("INSERT INTO attempts BY NAME SELECT * FROM made")
        cursor.unregister("made")
        cursor.execute(f"INSERT INTO rollup {rollup.aggregate('attempts')}")
        for dimension, count, name in (("provider", PROVIDERS, "provider-{}"), ("model", MODELS, "model-{:02}")):
            for number in range(count):
                cursor.execute(
                    "INSERT INTO dimension_values VALUES (?, ?, ?, 0)", [dimension, name.format(number), number % 16]
                )
        cursor.execute("INSERT INTO collection VALUES ('listening', ?, ?, NULL, NULL)", [end_us - 2 * span_us, end_us])
        there = integrity.counted(cursor)
        integrity.write_meta(cursor, integrity.Commit(1, there.attempts, there.checksum))
        cursor.execute("CHECKPOINT")
    store.changed(1, end_us)
    return store
