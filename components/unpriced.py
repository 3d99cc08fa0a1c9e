"""The models with usage that has no price, and the lines of a price file that would give them one. Pure."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC
from typing import Any

from dash import html
from dash.development.base_component import Component

from components import formats
from components.parts import copyable, setting
from components.static import Node, static, tags
from data_sources.usage.types import Unpriced, UnpricedModel

SNIPPET_MODELS = 5
_HEADS = ("Provider", "Model", "Calls", "Attempts", "Input tokens", "Output tokens", "Why")
_FIGURES = frozenset(_HEADS[2:6])


def unpriced_table(found: Unpriced, *, link: Callable[[UnpricedModel], str]) -> Component:
    """The models, most calls first.

    Args:
        found: One model at least.
        link: The address of a model's unpriced calls.
    """
    head = [tags.Th(name, scope="col", className="oc-num" if name in _FIGURES else None) for name in _HEADS]
    body = [tags.Tr(_cells(model, link(model))) for model in found.models]
    table = tags.Table([tags.Thead(tags.Tr(head)), tags.Tbody(body)], className="oc-table")
    named = {"aria-label": "Models without a price"}
    return static(tags.Div(table, className="oc-tablewrap", tabIndex=0, role="region", **named))


def _cells(model: UnpricedModel, address: str) -> list[Node]:
    named = {
        "data-nav": "",
        "aria-label": f"{formats.counted(model.calls, 'call')} of {model.model or 'no model'} without a price",
    }
    opener = tags.A(formats.number(model.calls), href=address, **named)
    return [
        tags.Td(_name(model.provider)),
        tags.Td(_name(model.model)),
        tags.Td(opener, className="oc-num"),
        tags.Td(formats.number(model.attempts), className="oc-num"),
        tags.Td(_count(model.tokens.input), className="oc-num"),
        tags.Td(_count(model.tokens.output), className="oc-num"),
        tags.Td(tags.Span(model.why or "The source does not say.", className="oc-wrap"), className="dim"),
    ]


def _name(text: str | None) -> Any:
    if text is None:
        return tags.Span("not set", className="dim")
    return tags.Span(text, title=text, className="oc-cut")


def _count(value: int | None) -> Any:
    return tags.Span("—", className="dim", title="not reported") if value is None else formats.number(value)


_NO_LINES = (
    "where the reason names something that was not reported, or that nobody prices, the senders have to mend it; where "
    "it names a price that is missing, the price table's own prices changed over time, and entries for each of these "
    "times, each with its valid_from, have to hold all of them."
)


def how_to_price(found: Unpriced, *, file_set: bool, command: str) -> Component:
    """What an administrator does about it, with the lines to copy.

    Args:
        found: The models.
        file_set: Whether a price file is set already.
        command: The console's own command, as it is typed on its machine.
    """
    entries = [model.price_lines for model in found.models if model.price_lines]
    shown = entries[:SNIPPET_MODELS]
    since = found.window.start.astimezone(UTC).strftime("%Y-%m-%dT%H:%MZ")
    where: list[Any] = ["Add these lines, with your prices, to the file that ", setting("OPS_PRICES_FILE"), " names"]
    if not file_set:
        where = ["Put these lines, with your prices, into a file, set ", setting("OPS_PRICES_FILE"), " to its path"]
    if not entries:
        why = f"No lines can be offered for these models: {_NO_LINES}"
        return static(html.Details([html.Summary("How to add a price"), html.P(why)], className="oc-how"))
    cut = len(shown) < len(entries)
    of_all = f" These are for the first {len(shown)} of {len(entries)} models that lack a price." if cut else ""
    others = "" if cut else f" Of models that are not among these lines: {_NO_LINES}"
    steps = [
        html.P([*where, f", and restart the console. An explicit 0 is a price.{of_all}"]),
        copyable("usage-copy-prices", "\n".join(shown), "lines of a price file"),
        html.P(
            "An entry with prices of its own under [[price]] has all prices of its model: what it does not name has "
            "none, or costs what its whole does. One of inner tables alone, such as [price.flex], adds them to the "
            f"price table's.{others}"
        ),
        html.P("New calls then have a price. For those listed here, see what would change, then add --apply:"),
        copyable("usage-copy-reprice", f"{command} reprice --from {since}", "reprice command"),
    ]
    return static(html.Details([html.Summary("How to add a price"), *steps], className="oc-how"))
