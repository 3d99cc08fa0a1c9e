"""The lines that a reader copies are those that the price file takes once filled in, and they price the very call."""

import re
import tomllib
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data_sources.usage.attempt import Attempt
from data_sources.usage.price_file import PriceFileError, read_price_file
from data_sources.usage.pricing import BUNDLED, PriceBook
from data_sources.usage.remedy import Remedy, lines, merged
from tests.data_sources.usage.ingest_rows import NOON_US

NAME = st.text(st.characters(exclude_categories=("Cs",)), min_size=1).filter(str.strip)
BOTH = frozenset({"input", "output"})


def attempt(**fields):
    given = {"provider": "openai", "model": "gpt-5-mini", "input_tokens": 1000, "output_tokens": 100, **fields}
    return Attempt(event_id="a", call_id="a", source="s", started_at_us=NOON_US, **given)


def filled(text, price="7"):
    return re.sub(r"^(\w+) =\s*(#.*)?$", rf"\1 = {price}", text, flags=re.MULTILINE)


def book(tmp_path, text):
    path = tmp_path / "prices.toml"
    path.write_text(text, encoding="utf-8")
    return PriceBook(read_price_file(path))


@given(NAME, st.none() | NAME)
def test_filled_in_the_lines_are_a_price_of_that_very_model(name, provider):
    [entry] = tomllib.loads(filled(lines(provider, name, [Remedy(BOTH)]), "1"))["price"]
    assert entry.pop("provider", None) == provider
    assert entry == {"model": name, "input": 1, "output": 1}


def test_lines_that_are_not_filled_in_are_refused(tmp_path):
    with pytest.raises(PriceFileError, match="line 3"):
        book(tmp_path, lines(None, "a", [Remedy(BOTH)]) + lines("x", "b", [Remedy(BOTH)]))


@pytest.mark.parametrize(
    "fields",
    [
        {"model": "unheard-of"},
        {"model": "unheard-of", "cache_read_tokens": 500, "web_searches": 2},
        {"model": "unheard-of", "service_tier": "flex"},
        {"service_tier": "prioritty"},
        {"service_tier": "scale tier", "cache_read_tokens": 500},
        {"model": "gpt-3.5-turbo", "web_searches": 3},
        {"input_audio_tokens": 3},
        {"provider": "anthropic", "model": "claude-opus-4-6", "region": "us"},
        {"provider": "anthropic", "model": "claude-opus-4-6", "region": "us", "service_tier": "fast"},
        {"provider": "anthropic", "model": "claude-opus-4-6", "region": "us", "processing": "batch"},
        {"provider": None, "model": "unheard-of"},
    ],
)
def test_the_lines_price_the_very_call_and_change_no_price_that_was_right(tmp_path, fields):
    lacking = attempt(**fields)
    assert BUNDLED.computed(lacking)[0] is None
    remedy = BUNDLED.remedy(lacking)
    mine = book(tmp_path, filled(lines(lacking.provider, lacking.model, merged([remedy]))))
    assert mine.computed(lacking)[0] is not None
    same = {"provider": lacking.provider, "model": lacking.model}
    for more in ({}, {"cache_read_tokens": 500}, {"processing": "batch"}, {"service_tier": "priority"}):
        other = attempt(**same, **more)
        before = BUNDLED.computed(other)[0]
        # a tier of an entry with prices of its own is not the table's: the page says so
        kept = "processing" not in more and "service_tier" not in more
        if before is not None and (kept or not remedy.fields):
            assert mine.computed(other)[0] == before


@pytest.mark.parametrize(
    "fields",
    [
        {"output_tokens": None},
        {"model": None},
        {"service_tier": "flex", "processing": "batch"},
        {"processing": "overnight"},
        {"model": "o3", "input_audio_tokens": 10},  # cost five times as much until June 2025
        {"model": "gpt-4o-mini", "input_audio_tokens": 10, "cache_read_tokens": 10},
        {"input_audio_tokens": 10, "cache_read_tokens": 10, "model": "gpt-audio"},
    ],
)
def test_where_no_price_is_what_lacks_there_are_no_lines(fields):
    assert BUNDLED.computed(attempt(**fields))[0] is None
    assert BUNDLED.remedy(attempt(**fields)) is None


def test_what_one_model_lacks_is_one_entry_and_one_for_each_region():
    given = [
        Remedy(contexts={"flex": BOTH}),
        Remedy(contexts={"flex": frozenset({"cache_read"}), "batch": BOTH}),
        Remedy(BOTH, region="us"),
        Remedy(frozenset({"web_search"}), {"input": Decimal("3"), "output": Decimal("15.50")}),
    ]
    assert lines("openai", 'a "b"', merged(given)) == (
        '[[price]]\nprovider = "openai"\nmodel = "a \\"b\\""\n'
        "input = 3  # the price table's\noutput = 15.5  # the price table's\nweb_search =     # USD for a thousand\n"
        "[price.batch]\ninput =     # USD for a million tokens\noutput =     # USD for a million tokens\n"
        "[price.flex]\ninput =     # USD for a million tokens\noutput =     # USD for a million tokens\n"
        "cache_read =     # USD for a million tokens\n\n"
        '[[price]]\nprovider = "openai"\nmodel = "a \\"b\\""\nregion = "us"\n'
        "input =     # USD for a million tokens\noutput =     # USD for a million tokens\n"
    )
