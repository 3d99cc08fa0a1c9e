"""The tables of every store version before this one, as those versions made them. What was released never changes."""

from __future__ import annotations

TABLES = {
    1: {
        "attempts": """
CREATE TABLE attempts (
    event_id VARCHAR NOT NULL,
    call_id VARCHAR NOT NULL,
    counts_call TINYINT NOT NULL,
    call_duration_ms BIGINT,
    trace_id VARCHAR,
    session_id VARCHAR,
    started_at_us BIGINT NOT NULL,
    duration_ms BIGINT,
    time_to_first_token_ms BIGINT,
    provider VARCHAR,
    model VARCHAR,
    requested_model VARCHAR,
    operation VARCHAR,
    power_level VARCHAR,
    user_id VARCHAR,
    end_user_id VARCHAR,
    team_id VARCHAR,
    organization_id VARCHAR,
    api_key_id VARCHAR,
    tags VARCHAR[],
    stream BOOLEAN,
    status VARCHAR NOT NULL,
    error_type VARCHAR,
    http_status SMALLINT,
    input_tokens BIGINT,
    output_tokens BIGINT,
    cache_read_tokens BIGINT,
    cache_write_tokens BIGINT,
    cache_write_1h_tokens BIGINT,
    reasoning_tokens BIGINT,
    input_audio_tokens BIGINT,
    output_audio_tokens BIGINT,
    web_searches BIGINT,
    service_tier VARCHAR,
    processing VARCHAR,
    region VARCHAR,
    cost_usd DECIMAL(18,12),
    cost_reported_usd DECIMAL(18,12),
    cost_computed_usd DECIMAL(18,12),
    price_version VARCHAR,
    pricing VARCHAR NOT NULL,
    byok BOOLEAN,
    source VARCHAR NOT NULL,
    batch_id VARCHAR NOT NULL,
    received_at_us BIGINT NOT NULL
)
""",
        "rollup": """
CREATE TABLE rollup (
    slot INTEGER NOT NULL,
    provider VARCHAR,
    model VARCHAR,
    power_level VARCHAR,
    status VARCHAR NOT NULL,
    source VARCHAR NOT NULL,
    attempts BIGINT NOT NULL,
    calls BIGINT NOT NULL,
    priced_calls BIGINT NOT NULL,
    unpriced_calls BIGINT NOT NULL,
    unmetered_calls BIGINT NOT NULL,
    priced_attempts BIGINT NOT NULL,
    unpriced_attempts BIGINT NOT NULL,
    unmetered_attempts BIGINT NOT NULL,
    cost_usd DECIMAL(38,12) NOT NULL,
    input_tokens BIGINT NOT NULL,
    input_known BIGINT NOT NULL,
    output_tokens BIGINT NOT NULL,
    output_known BIGINT NOT NULL,
    cache_read_tokens BIGINT NOT NULL,
    cache_read_known BIGINT NOT NULL,
    cache_write_tokens BIGINT NOT NULL,
    cache_write_known BIGINT NOT NULL,
    reasoning_tokens BIGINT NOT NULL,
    reasoning_known BIGINT NOT NULL
)
""",
        "dimension_values": """
CREATE TABLE dimension_values (
    dimension VARCHAR NOT NULL,
    name VARCHAR NOT NULL,
    hue SMALLINT NOT NULL,
    first_received_at_us BIGINT NOT NULL
)
""",
        "collection": """
CREATE TABLE collection (
    kind VARCHAR NOT NULL,
    start_us BIGINT NOT NULL,
    end_us BIGINT NOT NULL,
    source VARCHAR,
    batch_id VARCHAR
)
""",
        "batches": """
CREATE TABLE batches (
    batch_id VARCHAR NOT NULL,
    kind VARCHAR NOT NULL,
    source VARCHAR,
    name VARCHAR,
    received_at_us BIGINT NOT NULL,
    accepted BIGINT NOT NULL,
    duplicates BIGINT NOT NULL,
    rejected BIGINT NOT NULL,
    undone_at_us BIGINT
)
""",
        "meta": """CREATE TABLE meta (key VARCHAR NOT NULL, value VARCHAR NOT NULL)""",
    },
}
TABLES[2] = TABLES[1] | {
    "batches": """
CREATE TABLE batches (
    batch_id VARCHAR NOT NULL,
    kind VARCHAR NOT NULL,
    source VARCHAR,
    name VARCHAR,
    received_at_us BIGINT NOT NULL,
    accepted BIGINT NOT NULL,
    duplicates BIGINT NOT NULL,
    rejected BIGINT NOT NULL,
    undone_at_us BIGINT,
    expired BIGINT NOT NULL
)
""",
    "audit": """
CREATE TABLE audit (
    at_us BIGINT NOT NULL,
    actor VARCHAR NOT NULL,
    action VARCHAR NOT NULL,
    detail VARCHAR NOT NULL
)
""",
}
TABLES[3] = TABLES[2] | {
    "attempts": TABLES[2]["attempts"].rstrip().removesuffix("\n)") + ",\n    cost_source VARCHAR\n)\n",
    "rollup": TABLES[2]["rollup"].replace(
        "    source VARCHAR NOT NULL,\n", "    source VARCHAR NOT NULL,\n    cost_source VARCHAR,\n"
    ),
}
TABLES[4] = TABLES[3] | {
    "intake": """
CREATE TABLE intake (
    slot INTEGER NOT NULL,
    source VARCHAR,
    accepted BIGINT NOT NULL,
    duplicates BIGINT NOT NULL,
    rejected BIGINT NOT NULL,
    late BIGINT NOT NULL,
    last_received_us BIGINT NOT NULL
)
""",
    "rejections": """
CREATE TABLE rejections (
    slot INTEGER NOT NULL,
    source VARCHAR,
    reason VARCHAR,
    events BIGINT NOT NULL,
    last_received_us BIGINT NOT NULL,
    sample VARCHAR
)
""",
}
