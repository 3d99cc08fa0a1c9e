"""Random events: retries, fallbacks, calls over days, unknown costs and tokens."""

from __future__ import annotations

from hypothesis import strategies as st

from tests.data_sources.usage.ingest_rows import NOON_US

HOUR_US = 3_600_000_000

EVENTS = st.lists(
    st.builds(
        lambda number, call, hours, status, provider, tokens, cost: {
            "event_id": f"e{number}",
            "started_at_us": NOON_US - hours * HOUR_US * 7 + number,
            "call_id": f"c{call}",
            "status": status,
            "provider": provider,
            "duration_ms": number * 10,
            **({} if tokens is None else {"input_tokens": tokens}),
            **({} if cost is None else {"cost_reported_usd": cost}),
        },
        st.integers(0, 12),
        st.integers(0, 3),
        st.integers(0, 12),
        st.sampled_from(["success", "failure", "unknown"]),
        st.sampled_from(["a", "b", None]),
        st.none() | st.integers(0, 9),
        st.none() | st.sampled_from(["0", "0.1", "0.000000000001"]),
    ),
    min_size=1,
    max_size=14,
    # a sender's event does not change when it is sent again
    unique_by=lambda made: (made["event_id"], made["started_at_us"]),
)
