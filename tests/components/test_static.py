"""Plain markup travels as one component; what needs a callback is refused."""

import json

import pytest
from dash import dcc, html

from components.static import static


def packed(tree):
    return json.loads(getattr(static(tree), "data-static"))


def test_a_tree_keeps_its_words_attributes_and_order():
    tree = html.Ul([html.Li(["a ", html.B("3")], className="x", title="why"), html.Li(4, style={"height": 12})])
    assert packed(tree) == [
        "ul",
        {},
        [
            ["li", {"class": "x", "title": "why"}, ["a ", ["b", {}, ["3"]]]],
            ["li", {"style": {"height": "12px"}}, ["4"]],
        ],
    ]


def test_what_is_not_said_is_not_sent():
    assert packed(html.Td(None, title=None, hidden=False, colSpan=2)) == ["td", {"colspan": "2"}, []]


def test_hostile_words_stay_words():
    assert packed(html.Span('<img src=x onerror="alert(1)">'))[2] == ['<img src=x onerror="alert(1)">']


def test_a_graph_cannot_be_frozen():
    with pytest.raises(TypeError, match="Graph"):
        static(html.Div(dcc.Graph()))
