"""Exports through a remote usage API."""

from __future__ import annotations

from decimal import Decimal

import pytest

from data_sources.result import Kind
from data_sources.usage.remote_export import BrokenExportError
from tests.data_sources.usage.remote.steps import ROOT, ROW, WEEK, export_body, problem, ready
from tests.fakes.usage_rows import at


def test_exported_rows_keep_exact_amounts_times_and_unknowns(usage, api):
    api.bodies[f"{ROOT}/export"] = export_body([ROW, {**ROW, "cost_usd": None}])
    found = ready(usage.export(WEEK))
    assert found.columns == tuple(ROW)
    first, second = found.rows
    assert first == (at("2026-11-22T09:00:00"), Decimal("0.1"), 1, None, "a\nb")
    assert second[1] is None


@pytest.mark.parametrize(
    "body",
    [export_body([ROW, ROW], total=3), export_body([ROW, ROW], total=1), export_body([ROW, ROW], end="")],
    ids=["fewer rows", "more rows", "no end"],
)
def test_an_export_that_is_not_whole_raises(usage, api, body):
    api.bodies[f"{ROOT}/export"] = body
    rows = ready(usage.export(WEEK)).rows
    assert next(rows)[1] == Decimal("0.1")
    with pytest.raises(BrokenExportError):
        list(rows)


def test_what_another_console_notes_of_an_export_is_taken_over(usage, api):
    api.bodies[f"{ROOT}/export"] = export_body([ROW], notes=["We were not listening in this window."])
    assert "We were not listening in this window." in usage.export(WEEK).provenance.notes


def test_an_export_without_rows_is_whole(usage, api):
    api.bodies[f"{ROOT}/export"] = export_body([])
    found = ready(usage.export(WEEK))
    assert (found.total_rows, found.columns, list(found.rows)) == (0, tuple(ROW), [])


def test_a_wrong_cell_of_an_export_is_named(usage, api):
    api.bodies[f"{ROOT}/export"] = export_body([{**ROW, "cost_usd": "free"}])
    with pytest.raises(ValueError, match="cost_usd as 'free' where an amount belongs"):
        list(ready(usage.export(WEEK)).rows)


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ((200, {"rows": []}, {}), "cannot be read"),
        ((200, b"<html>", {"Content-Type": "text/html"}), "cannot be read"),
        ((200, b"", {}), "cannot be read"),
        (export_body([], columns=False), "did not send columns"),
    ],
)
def test_what_is_no_export_is_a_failure(usage, api, body, words):
    api.bodies[f"{ROOT}/export"] = body
    assert words in problem(usage.export(WEEK)).detail


@pytest.mark.parametrize(
    ("fault", "kind"),
    [("slow", Kind.TIMEOUT), ("drops", Kind.TIMEOUT), ("500", Kind.UPSTREAM), ("401", Kind.UPSTREAM)],
)
def test_an_export_that_does_not_begin_is_a_failure(usage, api, fault, kind):
    api.fail(fault, delay_s=0.05 if fault == "drops" else 30.0)
    usage._timeout_s = (2.0, 0.3)
    found = problem(usage.export(WEEK))
    assert found.kind is kind
    assert (fault == "drops") == ("less than 16 kB in 0.9 s" in found.detail)
