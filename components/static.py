"""Markup that nothing listens to, sent as one component.

Dash gives every component a subscription of its own, and each of a page's dozens of updates asks them all: a table of
a thousand cells costs the browser seconds. `static` packs a tree of plain HTML into one attribute; `static.js` makes
the elements of it, as text and attributes only, never as HTML.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from dash import html
from dash.development.base_component import Component

# React's names where they differ from HTML's.
_NAMES = {"className": "class", "htmlFor": "for", "tabIndex": "tabindex", "colSpan": "colspan", "rowSpan": "rowspan"}
_NAMESPACE = "dash_html_components"
# What a component holds beside its properties: reading past it is ten times faster than `to_plotly_json`.
_OWN = frozenset({"_prop_names", "_valid_wildcard_attributes", "available_properties", "available_wildcard_properties"})


@dataclass(frozen=True, slots=True)
class Node:
    """An element of a static tree: far cheaper than a Dash component, of which a table has a thousand."""

    tag: str
    children: Any = None
    attributes: dict[str, Any] = field(default_factory=dict)


class _Tags:
    """Makes nodes in the words of `dash.html`: `tags.Td("1", className="oc-num")`."""

    def __getattr__(self, name: str) -> Callable[..., Node]:
        tag = name.lower()

        def make(children: Any = None, **attributes: Any) -> Node:
            return Node(tag, children, attributes)

        object.__setattr__(self, name, make)
        return make


tags = _Tags()


def static(tree: Node | Component) -> html.Div:
    """One component that shows the tree.

    Args:
        tree: Nodes of `tags`, or components of `dash.html` only. An id in it is for scripts and links: no callback
            can listen to it.

    Raises:
        TypeError: Something in it is no plain HTML, such as a graph.
    """
    packed = json.dumps(_pack(tree), ensure_ascii=False, separators=(",", ":"))
    return html.Div(className="oc-static", **{"data-static": packed})


def _pack(node: Any) -> Any:
    if isinstance(node, Node):
        return [node.tag, _attributes(node.attributes), _pack_all(node.children)]
    if isinstance(node, str | int | float):
        return str(node)
    if not isinstance(node, Component) or node._namespace != _NAMESPACE:
        raise TypeError(f"{type(node).__name__} is no plain HTML")
    given = node.to_plotly_json()["props"]
    children = given.pop("children", None)
    return [node._type.lower(), _attributes(given), _pack_all(children)]


def _attributes(given: dict[str, Any]) -> dict[str, Any]:
    told: dict[str, Any] = {}
    for name, value in given.items():
        if value is None or value is False or name == "n_clicks":
            continue
        if name == "style":
            told[name] = {prop: _length(prop, part) for prop, part in value.items()}
        else:
            told[_NAMES.get(name, name)] = "" if value is True else str(value)
    return told


def _pack_all(children: Any) -> list[Any]:
    if children is None:
        return []
    if isinstance(children, list | tuple):
        return [packed for child in children for packed in _pack_all(child)]
    return [_pack(children)]


def _length(prop: str, value: Any) -> str:
    """React reads a bare number as pixels."""
    return f"{value}px" if isinstance(value, int | float) and not prop.startswith("--") else str(value)
