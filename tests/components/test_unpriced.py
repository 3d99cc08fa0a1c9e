"""The lines that a reader copies are those that the price file takes, once they are filled in."""

import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.unpriced import price_lines
from data_sources.usage.price_file import PriceFileError, read_price_file
from data_sources.usage.types import Tokens, UnpricedModel

NAME = st.text(st.characters(exclude_categories=("Cs",)), min_size=1).filter(str.strip)


def model(name, provider=None):
    return UnpricedModel(provider, name, 1, 1, Tokens(None, None, None, None, None), None)


@given(NAME, st.none() | NAME)
def test_filled_in_the_lines_are_a_price_of_that_very_model(name, provider):
    lines = price_lines([model(name, provider)])
    filled = lines.replace("input = ", "input = 1").replace("output =", "output = 2")
    [entry] = tomllib.loads(filled)["price"]
    assert entry.pop("provider", None) == provider
    assert entry == {"model": name, "input": 1, "output": 2}


def test_lines_that_are_not_filled_in_are_refused(tmp_path):
    path = tmp_path / "prices.toml"
    path.write_text(price_lines([model("a"), model("b", "x")]), encoding="utf-8")
    with pytest.raises(PriceFileError, match="line 3"):
        read_price_file(path)
