from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data_sources.usage.attempt import Attempt, money
from data_sources.usage.normalise import parse
from data_sources.usage.price_file import PriceFileError, read_price_file
from data_sources.usage.price_table import TABLE_VERSION
from data_sources.usage.pricing import PriceBook
from tests.data_sources.usage.ingest_rows import NOON_US
from tests.data_sources.usage.test_pricing import cost as table_cost

DAY_US = 86_400 * 10**6
USAGE = {"input_tokens": 10**6, "output_tokens": 10**5}


@pytest.fixture
def book(tmp_path):
    def read(text):
        path = tmp_path / "prices.toml"
        path.write_text(text, encoding="utf-8")
        return PriceBook(read_price_file(path))

    return read


def priced(book, model="our-7b", provider="openai", at_us=NOON_US, **fields):
    named = {"event_id": "a", "call_id": "a", "source": "s", "provider": provider, "model": model}
    return book.priced(Attempt(**named, started_at_us=at_us, **(fields or USAGE)))


def cost(*given, **fields):
    return priced(*given, **fields).cost_usd


RATES = "input = 1\noutput = 1\n"
PLAIN = "[[price]]\nmodel = 'a'\n" + RATES
PRICES = """
[[price]]
provider = "openai"
model = "our-7b"
input = 0.30
output = 1.20
cache_read = 0.03
cache_write = 0.375
cache_write_1h = 0.60
reasoning = 2
input_audio = 10
output_audio = 20
web_search = 10
"""


def test_an_operators_price_holds_for_its_model_and_names_the_files_content(book):
    known = priced(book(PRICES))
    assert known.cost_usd == Decimal("0.42")
    assert known.pricing == "priced"
    assert known.price_version.startswith("prices.toml ")
    assert known.price_version == priced(book(PRICES)).price_version
    assert known.price_version != priced(book(PRICES + "# another\n")).price_version
    assert priced(book(PRICES), model="gpt-5-mini").price_version == TABLE_VERSION


@settings(max_examples=60)
@given(*[st.integers(0, 10**6)] * 7)
def test_every_unit_has_its_own_price(tmp_path_factory, fresh, read, write, hour, output, thought, searches):
    path = tmp_path_factory.mktemp("prices") / "prices.toml"
    path.write_text(PRICES, encoding="utf-8")
    usage = {
        "input_tokens": fresh + read + write + hour,
        "cache_read_tokens": read,
        "cache_write_tokens": write + hour,
        "cache_write_1h_tokens": hour,
        "output_tokens": output + thought,
        "reasoning_tokens": thought,
        "web_searches": searches,
    }
    exact = (
        fresh * Decimal("0.3")
        + read * Decimal("0.03")
        + write * Decimal("0.375")
        + hour * Decimal("0.6")
        + output * Decimal("1.2")
        + thought * 2
        + searches * 10_000
    ) / 10**6
    assert cost(PriceBook(read_price_file(path)), **usage) == money(exact)


def test_an_explicit_zero_is_a_price_and_no_price_is_none(book):
    free = book('[[price]]\nmodel = "our-7b"\ninput = 0\noutput = 0\n')
    assert priced(free).cost_usd == 0
    assert priced(free).pricing == "priced"
    assert priced(free, input_tokens=5).cost_usd == 0
    assert priced(free, status="failure").pricing == "unmetered"
    assert priced(free, model="another").pricing == "unpriced"


def test_litellms_zero_is_unpriced_unless_the_operator_says_zero(book):
    event = (
        b'{"id": "r", "litellm_call_id": "c", "call_type": "acompletion", "startTime": 1795600800.0, '
        b'"endTime": 1795600801.0, "status": "success", "custom_llm_provider": "ollama", "model": "our-7b", '
        b'"response_cost": 0.0, "prompt_tokens": 1000, "completion_tokens": 10, "metadata": {}}'
    )
    now_us = 1_795_600_900_000_000
    [unpriced] = parse(event, source=None, now_us=now_us).attempts
    assert (unpriced.pricing, unpriced.cost_usd) == ("unpriced", None)
    free = book('[[price]]\nprovider = "ollama"\nmodel = "our-7b"\ninput = 0\noutput = 0\n')
    [known] = parse(event, source=None, now_us=now_us, prices=free).attempts
    assert (known.pricing, known.cost_usd, known.cost_reported_usd) == ("priced", 0, None)


def test_a_price_holds_from_its_day_on_and_the_table_before_it(book):
    day = "2026-11-20"
    mine = book(f'[[price]]\nprovider = "openai"\nmodel = "gpt-5-mini"\nvalid_from = {day}\ninput = 1\noutput = 0\n')
    start_us = 1_795_132_800 * 10**6  # that day at midnight UTC
    assert cost(mine, "gpt-5-mini", at_us=start_us) == 1
    assert cost(mine, "gpt-5-mini", at_us=start_us - 1) == table_cost("gpt-5-mini", "openai", **USAGE)


def test_the_newest_price_that_has_begun_holds(book):
    two = "".join(
        f'[[price]]\nmodel = "our-7b"\nvalid_from = {since}\ninput = {usd}\noutput = 0\n'
        for since, usd in (("2026-11-22T12:00:00Z", 3), ("2026-01-01", 1), ("2026-11-22T10:00:00+02:00", 2))
    )
    noon_us = 1_795_348_800 * 10**6  # 2026-11-22 12:00 UTC
    assert [cost(book(two), at_us=noon_us - back * 3_600 * 10**6) for back in (0, 1, 4, 5)] == [3, 2, 2, 1]


def test_a_whole_name_beats_a_start_and_the_longer_start_the_shorter(book):
    starts = book(
        '[[price]]\nmodel_prefix = "ft:"\ninput = 1\noutput = 0\n'
        '[[price]]\nmodel_prefix = "ft:gpt-4o"\ninput = 2\noutput = 0\n'
        '[[price]]\nmodel = "ft:gpt-4o:acme"\ninput = 3\noutput = 0\n'
        '[[price]]\nprovider = "azure"\nmodel = "ft:gpt-4o:acme"\ninput = 4\noutput = 0\n'
    )
    assert [cost(starts, model) for model in ("ft:o1", "ft:gpt-4o-mini", "ft:gpt-4o:acme", "FT:GPT-4o:acme")] == [
        1, 2, 3, 3,
    ]  # fmt: skip
    assert cost(starts, "ft:gpt-4o:acme", "azure.ai.openai") == 4


def test_a_tier_or_batch_has_the_price_that_the_file_gives_it_and_no_other(book):
    mine = book(
        '[[price]]\nprovider = "openai"\nmodel = "gpt-5-mini"\ninput = 1\noutput = 0\n'
        "[price.batch]\ninput = 0.5\noutput = 0\n[price.priority]\ninput = 2\noutput = 0\n"
    )
    assert cost(mine, "gpt-5-mini", processing="batch", **USAGE) == Decimal("0.5")
    assert cost(mine, "gpt-5-mini", service_tier="batch", **USAGE) == Decimal("0.5")
    assert cost(mine, "gpt-5-mini", service_tier="Priority", **USAGE) == 2
    assert cost(mine, "gpt-5-mini", service_tier="default", **USAGE) == 1
    assert cost(mine, "gpt-5-mini", service_tier="flex", **USAGE) is None
    assert cost(mine, "gpt-5-mini", service_tier="priority", processing="batch", **USAGE) is None
    assert table_cost("gpt-5-mini", "openai", service_tier="flex", **USAGE) is not None


def test_an_entry_of_tiers_alone_adds_to_the_price_table(book):
    mine = book('[[price]]\nprovider = "openai"\nmodel = "gpt-5-mini"\n[price.scale]\ninput = 9\noutput = 0\n')
    assert cost(mine, "gpt-5-mini", service_tier="scale", **USAGE) == 9
    for more in ({}, {"service_tier": "priority"}, {"processing": "batch"}, {"cache_read_tokens": 10}):
        assert cost(mine, "gpt-5-mini", **more, **USAGE) == table_cost("gpt-5-mini", "openai", **more, **USAGE)
    assert cost(mine, "gpt-5-mini", service_tier="scale2", **USAGE) is None


def test_what_is_used_and_has_no_price_in_the_file_is_unpriced(book):
    plain = book('[[price]]\nmodel = "our-7b"\ninput = 1\noutput = 1\n')
    for unit in ("input_audio_tokens", "output_audio_tokens", "web_searches", "cache_write_1h_tokens"):
        assert cost(plain, **USAGE, **{unit: 5}) is None
        assert cost(plain, **USAGE, **{unit: 0}) is not None


def test_a_price_by_the_request_needs_no_tokens(book):
    images = book('[[price]]\nmodel = "our-painter"\nrequest = 0.04\n')
    assert cost(images, "our-painter", status="success") == Decimal("0.04")
    assert cost(images, "our-painter", status="failure") is None


def test_a_name_of_the_operators_stands_for_a_provider_of_the_table(book):
    named = book('[providers]\n"EU gateway" = "openai"\n')
    assert cost(named, "gpt-5-mini", "eu_gateway") == table_cost("gpt-5-mini", "openai", **USAGE)
    assert cost(named, "gpt-5-mini", "other gateway") is None


def test_a_name_of_the_operators_has_its_own_prices_else_those_that_the_file_gives_the_provider(book):
    entry = '[[price]]\nprovider = "{}"\nmodel = "our-7b"\nvalid_from = {}\ninput = {}\noutput = 0\n'
    text = '[providers]\n"eu-gateway" = "openai"\n' + entry.format("openai", "2026-01-01", 1)
    assert [cost(book(text), provider=name) for name in ("openai", "EU gateway", "other")] == [1, 1, None]
    text += entry.format("eu-gateway", "2020-01-01", 2)
    assert [cost(book(text), provider=name) for name in ("openai", "EU gateway", "other")] == [1, 2, None]


def test_a_price_holds_for_every_region_unless_it_names_one(book):
    entry = '[[price]]\nprovider = "anthropic"\nmodel = "claude-opus-4-6"\n{}input = {}\noutput = 0\n'
    regions = (None, "global", "us", "eu")
    american = book(entry.format('region = "US"\n', 9))
    listed = table_cost("claude-opus-4-6", "anthropic", **USAGE)
    found = [cost(american, "claude-opus-4-6", "anthropic", region=region, **USAGE) for region in regions]
    assert found == [listed, listed, 9, None]
    both = book(entry.format("", 8) + entry.format('region = "us"\n', 9))
    assert [cost(both, "claude-opus-4-6", "anthropic", region=region, **USAGE) for region in regions] == [8, 8, 9, 8]


FILE = (
    '[[price]]\nmodel = "our-7b"\nvalid_from = 2026-01-01\ninput = 1\noutput = 1\n'
    '[[price]]\nmodel = "only-batch"\n[price.batch]\ninput = 1\noutput = 1\n'
    '[[price]]\nmodel = "only-us"\nregion = "us"\ninput = 1\noutput = 1\n'
)
TOKENS = {"input_tokens": 10, "output_tokens": 5}


@pytest.mark.parametrize(
    ("facts", "said"),
    [
        ({"model": None}, "The events name no model."),
        ({"model": "gpt-99"}, "No price table lists this model of this provider."),
        ({"model": "gpt-5-mini", "input_tokens": None}, "The number of input tokens was not reported."),
        ({"model": "gpt-5-mini", "output_tokens": None}, "The number of output tokens was not reported."),
        ({"model": "gpt-5-mini", "service_tier": "Turbo"}, "table has no price for service tier turbo of this model."),
        (
            {"model": "gpt-5-mini", "service_tier": "priority", "processing": "batch"},
            "The price table has no price for service tier priority with batch processing of this model.",
        ),
        ({"model": "gpt-4o", "input_audio_tokens": 5}, "There is no price for audio input."),
        (
            {"provider": "anthropic", "model": "claude-opus-4-6", "cache_write_1h_tokens": 5},
            "The number of tokens written to the cache was not reported.",
        ),
        (
            {"provider": "anthropic", "model": "claude-opus-4-6", "region": "us"},
            "The price table has no price for region us, which is billed otherwise.",
        ),
        ({"model": "our-7b", "web_searches": 1}, "There is no price for web searches."),
        (
            {"model": "our-7b", "service_tier": "flex"},
            "The price file has no price for service tier flex of this model.",
        ),
        ({"model": "our-7b", "started_at_us": 1_700_000_000_000_000}, "The price file has no price for that time, and"),
        (
            {"model": "only-batch"},
            "The price file has no price for calls of no special tier of this model, and no price table lists it.",
        ),
        (
            {"model": "only-us", "region": "EU"},
            "prices this model for region us only; these calls were answered in EU.",
        ),
        ({"model": "only-us"}, "The price file prices this model for region us only; these calls name no region."),
        ({"model": "our-7b"}, "There is a price by now; repricing gives it to calls from before."),
    ],
)
def test_why_an_attempt_is_unpriced_is_told(book, facts, said):
    named = {"event_id": "a", "call_id": "a", "source": "s", "started_at_us": NOON_US, "provider": "openai"}
    attempt = Attempt(**named | TOKENS | facts)
    mine = book(FILE)
    assert said in mine.why_unpriced(attempt)
    assert (mine.computed(attempt)[0] is None) == ("by now" not in said)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[[price]]\nmodel =", "is not TOML"),
        ("\n[[price]]\nmodel = 'a'\ninput = -1.5\noutput = 1\n", "line 4: price 1: input: -1.5 is not a price"),
        ("[[price]]\nmodel = 'a'\ninput = true\noutput = 1\n", "line 3: price 1: input: true is not a price"),
        ("[[price]]\nmodel = 'a'\ninput = '1'\noutput = 1\n", "line 3: price 1: input: '1' is not a price"),
        ("[[price]]\nmodel = 'a'\ninput = nan\noutput = 1\n", "line 3: price 1: input: NaN is not a price"),
        ("[[price]]\nmodel = 'a'\ninput = 1\n", "price 1: output: is missing"),
        ("[[price]]\nmodel = 'a'\ninput = 1\noutput = 1\noutptu = 2\n", "line 5: price 1: outptu: is not known"),
        ("[[price]]\nmodel = 'a'\n", "line 1: price 1: has no price"),
        ("[[price]]\ninput = 1\noutput = 1\n", "needs one of model and model_prefix"),
        ("[[price]]\nmodel = 'a'\nmodel_prefix = 'a'\ninput = 1\noutput = 1\n", "needs one of"),
        ("[[price]]\nmodel = ''\ninput = 1\noutput = 1\n", "line 2: price 1: model: "),
        ("[[price]]\nmodel = 'a'\nprovider = 3\ninput = 1\noutput = 1\n", "line 3: price 1: provider: "),
        ("[[price]]\nmodel = 'a'\nvalid_from = '2026-01-01'\ninput = 1\noutput = 1\n", "line 3: price 1: valid_from"),
        ("[[price]]\nmodel = 'a'\nvalid_from = 2026-01-01T00:00:00\ninput = 1\noutput = 1\n", "no offset"),
        ("[[price]]\nmodel = 'a'\ninput = 1\noutput = 1\n[price.batch]\ninput = 1\n", "line 5: price 1, batch: output"),
        (
            "[[price]]\nmodel = 'a'\ninput = 1\noutput = 1\n[[price]]\nmodel = 'A'\ninput = 1\noutput = 1\n",
            "line 5: price 2: is for the same model and day as price 1",
        ),
        (PLAIN + "[price.standard]\n" + RATES, "line 5: price 1: standard: is no tier"),
        ("[[price]]\nmodel = 'a'\n[price.default]\n" + RATES, "line 3: price 1: default: is no tier"),
        (PLAIN + "[price.Batch]\n" + RATES, "line 5: price 1: Batch: is written batch"),
        (PLAIN + "[price.'batch ']\n" + RATES, "line 5: price 1: batch : is written batch"),
        (PLAIN + "[price.flex]\n" + RATES + "[price.FLEX]\n" + RATES, "line 8: price 1: FLEX: is named twice"),
        (PLAIN + "[price.batch.flex]\n" + RATES, "line 5: price 1, batch: flex: is a table too deep"),
        (PLAIN + "[price.batch]\n" + RATES + "flex = {input = 1}\n", "line 8: price 1, batch: flex: is a table too"),
        (PLAIN + "batch.input = -1\nbatch.output = 1\n", "line 5: price 1, batch: input: -1 is not a price"),
        (PLAIN + "batch = {input = 1}\n", "line 5: price 1, batch: output: is missing"),
        (PLAIN + "[[price.batch]]\n" + RATES, "line 5: price 1: batch: is written [price.batch]"),
        ("[price.batch]\n" + RATES, "line 1: price: is written [[price]]"),
        ("[providers]\n'A b' = 'openai'\na-b = 'azure'\n", "line 3: a-b: is the same name as A b"),
        ("[prices]\nx = 1\n", "line 1: prices: is not known"),
        ("[providers]\nmine = 'nobody'\n", "line 2: mine: 'nobody' is no provider"),
        ("price = 3\n", "[[price]]"),
    ],
)
def test_a_wrong_file_is_told_in_one_line_with_its_place(book, text, said):
    with pytest.raises(PriceFileError) as caught:
        book(text)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)
    assert "prices.toml" in str(caught.value)


def test_a_file_that_is_not_there_or_not_text_is_told(tmp_path):
    with pytest.raises(PriceFileError, match="cannot be read"):
        read_price_file(tmp_path / "none.toml")
    (tmp_path / "bad.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(PriceFileError, match="not UTF-8"):
        read_price_file(tmp_path / "bad.toml")
