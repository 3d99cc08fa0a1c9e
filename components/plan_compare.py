"""Plans side by side: one row for each thing that any of them says of itself, and nothing that none of them says.

What a plan does not mention is not called missing: nobody said so. The console's page and the visitors' page draw the
same comparison.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from dash import html
from dash.development.base_component import Component

from components.plan_words import on_top, plan_words
from components.static import Node, static, tags
from data_sources.billing.types import Plan, Privilege

Kind = Literal["yes", "no", "text", "unsaid"]
TITLE = "Compare the plans"
FOOT = "— means that the plan does not mention it."


@dataclass(frozen=True, slots=True)
class Cell:
    """What one plan says about one row."""

    kind: Kind
    text: str


@dataclass(frozen=True, slots=True)
class Column:
    """A plan; `only` names the interval for which it is shown where plans come in pairs."""

    code: str
    name: str
    only: str | None


@dataclass(frozen=True, slots=True)
class Row:
    """One thing, and what each plan says about it."""

    label: str
    cells: tuple[Cell, ...]


@dataclass(frozen=True, slots=True)
class Comparison:
    """The whole table: columns in the order of the cards, rows in groups."""

    columns: tuple[Column, ...]
    groups: tuple[tuple[str, tuple[Row, ...]], ...]


UNSAID = Cell("unsaid", "Not mentioned")
YES, NO = Cell("yes", "Yes"), Cell("no", "No")


def compare(plans: Sequence[Plan], twins: Mapping[str, Plan]) -> Comparison | None:
    """Lay the plans side by side.

    Args:
        plans: Any number of them, in the order of their cards.
        twins: Code of a monthly plan -> its yearly twin.

    Returns:
        The comparison; None where there is nothing to compare.
    """
    yearly = {plan.code for plan in twins.values()}
    if len(plans) - len(yearly) < 2:
        return None
    columns = tuple(
        Column(plan.code, f"{plan.name}, yearly", "yearly")
        if plan.code in yearly
        else Column(plan.code, plan.name, "monthly" if plan.code in twins else None)
        for plan in plans
    )
    groups = (
        ("Price", _prices(plans)),
        ("Included", (*_entitlements(plans), *_listed(plans, lambda plan: plan.features, YES))),
        ("Limits", _listed(plans, lambda plan: plan.limitations, Cell("text", "Applies"))),
    )
    return Comparison(columns, tuple((title, rows) for title, rows in groups if rows))


def _prices(plans: Sequence[Plan]) -> tuple[Row, ...]:
    rows = (
        ("Price, excl. tax", _price),
        ("On top", _on_top),
        ("Trial", _trial),
        ("Credits", lambda plan: _said(plan.credits)),
    )
    found = [Row(label, tuple(tell(plan) for plan in plans)) for label, tell in rows]
    return tuple(row for row in found if any(cell.kind == "text" for cell in row.cells))


def _price(plan: Plan) -> Cell:
    words = plan_words(plan)
    return Cell("text", f"{words.price} {words.unit}".strip())


def _on_top(plan: Plan) -> Cell:
    if plan.contact_sales or plan.usage_charges is None or plan.fixed_charges is None:
        return UNSAID
    told = ", ".join(part.removeprefix("plus ") for part in on_top(plan))
    return Cell("text", told[0].upper() + told[1:]) if told else Cell("no", "Nothing")


def _trial(plan: Plan) -> Cell:
    if plan.trial_days is None or plan.contact_sales:
        return UNSAID
    return Cell("text", f"{plan.trial_days.normalize():f} days") if plan.has_trial else Cell("no", "No trial")


def _said(text: str | None) -> Cell:
    return UNSAID if text is None else Cell("text", text)


def _entitlements(plans: Sequence[Plan]) -> tuple[Row, ...]:
    """One row for each privilege of each feature that any plan grants, in the order of their first mention."""
    named: dict[tuple[str, str | None], str] = {}
    for plan in plans:
        for one in plan.entitlements:
            label = one.name or one.code
            if not one.privileges:
                named.setdefault((one.code, None), label)
            for each in one.privileges:
                named.setdefault((one.code, each.code), f"{label}: {each.name or each.code}")
    return tuple(
        Row(label, tuple(_granted(plan, feature, privilege) for plan in plans))
        for (feature, privilege), label in named.items()
    )


def _granted(plan: Plan, feature: str, privilege: str | None) -> Cell:
    held = next((one for one in plan.entitlements if one.code == feature), None)
    if held is None:
        return UNSAID
    if privilege is None:
        return YES
    given = next((each for each in held.privileges if each.code == privilege), None)
    return UNSAID if given is None else _value(given)


def _value(given: Privilege) -> Cell:
    if given.value is None:
        return UNSAID
    if isinstance(given.value, bool):
        return YES if given.value else NO
    return Cell("text", f"{given.value:,}" if isinstance(given.value, int) else given.value)


def _listed(plans: Sequence[Plan], lines: Callable[[Plan], tuple[str, ...]], there: Cell) -> tuple[Row, ...]:
    named: dict[str, str] = {}
    for plan in plans:
        for line in lines(plan):
            named.setdefault(line.casefold(), line)
    held = [{line.casefold() for line in lines(plan)} for plan in plans]
    return tuple(Row(label, tuple(there if key in one else UNSAID for one in held)) for key, label in named.items())


def compare_table(comparison: Comparison, held: Callable[[str], bool]) -> Component:
    """The comparison as a table that scrolls by itself, folded until it is asked for.

    Args:
        comparison: What to draw.
        held: Whether the reader's customer has this plan, by its code.
    """
    heads = [tags.Th(tags.Span("What", className="visually-hidden"), scope="col")]
    heads += [tags.Th(_head(one, held(one.code)), scope="col", **_only(one)) for one in comparison.columns]
    bodies = [_group(title, rows, comparison.columns) for title, rows in comparison.groups]
    table = tags.Table([tags.Thead(tags.Tr(heads)), *bodies], className="oc-table oc-compare-table")
    wrap = tags.Div(table, className="oc-tablewrap", tabIndex=0, role="region", **{"aria-label": TITLE})
    # Folded: the customer's own card and invoices come below, and are looked for more often than this.
    return html.Details(
        [
            html.Summary(html.H3(TITLE, className="oc-panel-title")),
            static(wrap),
            html.P(FOOT, className="oc-compare-foot"),
        ],
        className="oc-panel oc-compare",
    )


def _head(one: Column, held: bool) -> list[Any]:
    return [one.name, tags.Span(", your plan", className="oc-compare-yours")] if held else [one.name]


def _group(title: str, rows: Sequence[Row], columns: Sequence[Column]) -> Node:
    head = tags.Tr(tags.Th(title, scope="rowgroup", colSpan=len(columns) + 1), className="oc-compare-group")
    lines = [
        tags.Tr(
            [
                tags.Th(row.label, scope="row"),
                *(tags.Td(_cell(cell), **_only(one)) for cell, one in zip(row.cells, columns, strict=True)),
            ]
        )
        for row in rows
    ]
    return tags.Tbody([head, *lines])


def _only(one: Column) -> dict[str, str]:
    return {"data-only": one.only} if one.only else {}


def _cell(cell: Cell) -> Any:
    if cell.kind == "yes":
        mark = tags.I(className="oc-i oc-i-check", **{"aria-hidden": "true"})
        return [mark, tags.Span(cell.text, className="visually-hidden")]
    if cell.kind == "unsaid":
        dash = tags.Span("—", className="dim", **{"aria-hidden": "true"})
        return [dash, tags.Span(cell.text, className="visually-hidden")]
    return tags.Span(cell.text, className="dim") if cell.kind == "no" else cell.text
