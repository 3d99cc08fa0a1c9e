"""The control: the page that Dash's own guide makes, a `dcc.Interval` whose callback answers with the whole figure."""

from __future__ import annotations

import random
from collections import deque
from datetime import datetime, timedelta

import dash
import plotly.graph_objects as go
from dash import Input, Output, dcc, html

POINTS = 150


class IntervalPage:
    """One chart of two lines, 150 points each, of numbers that mean nothing: only what the browser holds is read.

    Args:
        tick_ms: Period of the interval.
    """

    def __init__(self, tick_ms: int) -> None:
        self.ticks = 0
        self._at = datetime(2026, 1, 1)
        self._points: deque[tuple[datetime, float, float]] = deque(maxlen=POINTS)
        for _ in range(POINTS):
            self._sample()
        self.app = dash.Dash("interval_page", assets_folder="none")
        clock = dcc.Interval(id="clock", interval=tick_ms)
        self.app.layout = html.Div([html.Button("Pause", id="pause"), dcc.Graph(id="chart"), clock])
        self.app.callback(Output("chart", "figure"), Input("clock", "n_intervals"))(self._tick)
        self.app.callback(Output("clock", "disabled"), Input("pause", "n_clicks"), prevent_initial_call=True)(
            lambda presses: presses % 2 == 1
        )

    def _sample(self) -> None:
        self._at += timedelta(seconds=2)
        self._points.append((self._at, random.random() * 1e6, random.random() * 1e6))

    def _tick(self, _: int | None) -> go.Figure:
        self.ticks += 1
        self._sample()
        x, received, sent = zip(*self._points, strict=True)
        return go.Figure([go.Scatter(x=x, y=received, name="received"), go.Scatter(x=x, y=sent, name="sent")])
