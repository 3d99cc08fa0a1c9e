"""The tables of the usage store, in words that every engine shares.

Times are whole microseconds since 1970 UTC, slots whole quarter-hours (epoch seconds // 900): integers divide and
compare alike in every engine, where time-zone casts do not. Unknown is NULL, never 0.
"""

from __future__ import annotations

# What is changed below needs a new version here, and the step that leads to it in `migrate.py`.
STORE_VERSION = 5
SLOT_S = 900
SLOT_US = SLOT_S * 1_000_000

# One row is one attempt: one try at a provider. Rows are never changed but for the two call columns, and by repricing.
ATTEMPTS = """
CREATE TABLE attempts (
    event_id VARCHAR NOT NULL,          -- the sender's id; identity is (source, event_id, started_at_us)
    call_id VARCHAR NOT NULL,           -- what the client asked for; attempts of a call are joined within +-24 h
    counts_call TINYINT NOT NULL,       -- 1 on the call's deciding attempt, 0 on all others
    call_duration_ms BIGINT,            -- on the deciding attempt: first start to deciding end, what the client waited
    trace_id VARCHAR,
    session_id VARCHAR,
    started_at_us BIGINT NOT NULL,
    duration_ms BIGINT,
    time_to_first_token_ms BIGINT,      -- streams only
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
    status VARCHAR NOT NULL,            -- success | failure | unknown (the source does not say, as in bare traces)
    error_type VARCHAR,
    http_status SMALLINT,
    input_tokens BIGINT,                -- cache inclusive
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
    cost_usd DECIMAL(18,12),            -- reported, else computed, else NULL
    cost_reported_usd DECIMAL(18,12),
    cost_computed_usd DECIMAL(18,12),
    price_version VARCHAR,
    pricing VARCHAR NOT NULL,           -- priced | unpriced (usage known, no price) | unmetered (no usage reported)
    byok BOOLEAN,
    source VARCHAR NOT NULL,
    batch_id VARCHAR NOT NULL,
    received_at_us BIGINT NOT NULL,
    cost_source VARCHAR                 -- of cost_usd: reported | disputed (reported, prices say otherwise) | a version
)
"""

# Additive: rows of one key are summed, a correction is a row with signs. `x_known` counts the attempts that report x,
# so that a sum is a figure only where something was reported.
ROLLUP_KEY = ("slot", "provider", "model", "power_level", "status", "source", "cost_source")
ROLLUP_MEASURES = (
    "attempts",
    "calls",
    "priced_calls",
    "unpriced_calls",
    "unmetered_calls",
    "priced_attempts",
    "unpriced_attempts",
    "unmetered_attempts",
    "cost_usd",
    "input_tokens",
    "input_known",
    "output_tokens",
    "output_known",
    "cache_read_tokens",
    "cache_read_known",
    "cache_write_tokens",
    "cache_write_known",
    "reasoning_tokens",
    "reasoning_known",
)
ROLLUP = """
CREATE TABLE rollup (
    slot INTEGER NOT NULL,              -- the attempt's started_at, in quarter-hours
    provider VARCHAR,
    model VARCHAR,
    power_level VARCHAR,
    status VARCHAR NOT NULL,
    source VARCHAR NOT NULL,
    cost_source VARCHAR,
    attempts BIGINT NOT NULL,
    calls BIGINT NOT NULL,              -- attempts with counts_call = 1; failed calls are those with status 'failure'
    priced_calls BIGINT NOT NULL,
    unpriced_calls BIGINT NOT NULL,
    unmetered_calls BIGINT NOT NULL,
    priced_attempts BIGINT NOT NULL,
    unpriced_attempts BIGINT NOT NULL,
    unmetered_attempts BIGINT NOT NULL,
    cost_usd DECIMAL(38,12) NOT NULL,   -- sum of the known costs; a figure only where priced_attempts > 0
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
"""

# Colour is identity: a value's slot is the order in which it first came, in its dimension.
DIMENSION_VALUES = """
CREATE TABLE dimension_values (
    dimension VARCHAR NOT NULL,         -- provider | model | power_level | source | team | user
    name VARCHAR NOT NULL,
    hue SMALLINT NOT NULL,              -- order of first arrival modulo 16
    first_received_at_us BIGINT NOT NULL
)
"""

# When we listened (kind 'listening', written by the serving process as it goes) and what imports cover ('import').
COLLECTION = """
CREATE TABLE collection (
    kind VARCHAR NOT NULL,
    start_us BIGINT NOT NULL,
    end_us BIGINT NOT NULL,
    source VARCHAR,
    batch_id VARCHAR
)
"""

BATCHES = """
CREATE TABLE batches (
    batch_id VARCHAR NOT NULL,          -- an import's batch gathers all its requests
    kind VARCHAR NOT NULL,              -- api | import
    source VARCHAR,
    name VARCHAR,                       -- the imported file's name
    received_at_us BIGINT NOT NULL,
    accepted BIGINT NOT NULL,
    duplicates BIGINT NOT NULL,
    rejected BIGINT NOT NULL,
    undone_at_us BIGINT,
    expired BIGINT NOT NULL             -- how many of its attempts are older than is kept: only the rollup has them
)
"""

# What somebody changed by hand in figures that were there, noted in the transaction of the change.
AUDIT = """
CREATE TABLE audit (
    at_us BIGINT NOT NULL,
    actor VARCHAR NOT NULL,             -- who asked: a person's id, or the key's name
    action VARCHAR NOT NULL,            -- forget | reprice | ...
    detail VARCHAR NOT NULL             -- JSON: what was asked and what it changed; never the one who was forgotten
)
"""

# What became of what was received, by when it was received. Additive, as the rollup is; the writer gathers its rows.
INTAKE = """
CREATE TABLE intake (
    slot INTEGER NOT NULL,              -- when it was received, in quarter-hours
    source VARCHAR,                     -- NULL: of more sources than are kept apart
    accepted BIGINT NOT NULL,
    duplicates BIGINT NOT NULL,
    rejected BIGINT NOT NULL,
    late BIGINT NOT NULL,               -- of the accepted: received more than a quarter-hour after they ended
    last_received_us BIGINT NOT NULL
)
"""

REJECTIONS = """
CREATE TABLE rejections (
    slot INTEGER NOT NULL,
    source VARCHAR,
    reason VARCHAR,                     -- NULL: of more reasons than are kept apart
    events BIGINT NOT NULL,
    last_received_us BIGINT NOT NULL,
    sample VARCHAR                      -- JSON: batch, index, names of fields of the newest; never a value
)
"""

# Requests that were refused whole. Additive; counted since `refused_since_us` in `meta`.
REFUSED = """
CREATE TABLE refused (
    slot INTEGER NOT NULL,              -- when it was received, in quarter-hours
    door VARCHAR NOT NULL,              -- the address that it was sent to
    status SMALLINT NOT NULL,           -- the answer's
    reason VARCHAR NOT NULL,            -- in our own words
    requests BIGINT NOT NULL,
    last_received_us BIGINT NOT NULL
)
"""

META = "CREATE TABLE meta (key VARCHAR NOT NULL, value VARCHAR NOT NULL)"

TABLES = {
    "attempts": ATTEMPTS,
    "rollup": ROLLUP,
    "dimension_values": DIMENSION_VALUES,
    "collection": COLLECTION,
    "batches": BATCHES,
    "audit": AUDIT,
    "intake": INTAKE,
    "rejections": REJECTIONS,
    "refused": REFUSED,
    "meta": META,
}

COUNTED_SINCE = "INSERT INTO meta SELECT 'refused_since_us', epoch_us(now())::VARCHAR"
