"""The page before the first call: three ways in with commands to copy, and what is connected."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import dash_bootstrap_components as dbc
from dash import html

from components.parts import copyable

WAYS = (("curl", "One call by curl"), ("litellm", "LiteLLM"), ("file", "CSV, JSONL or Parquet"))
NO_KEY = "<ask an admin for the ingest key>"


def first_run(
    base_url: str, key: str | None, states: Sequence[tuple[str, str, str]], listening: str, *, command: str
) -> html.Div:
    """The first-run page.

    Args:
        base_url: Address of this console, as users type it.
        key: The ingest key, None for readers who may not have it.
        states: (dot, name, sentence) of each source.
        listening: Since when calls are awaited, in words.
        command: The console's own command, as it is typed on its machine.
    """
    shown = key or NO_KEY
    ways = {
        "curl": _curl(base_url, shown),
        "litellm": _litellm(base_url, shown),
        "file": _file(base_url, shown, command),
    }
    steps = html.Ol(
        [
            html.Li([html.H3("Choose how calls arrive"), html.Div(_picker(), className="oc-way-pick")]),
            html.Li(
                [html.H3("Point it here")]
                + [
                    html.Div(ways[name], id=f"usage-way-{name}", hidden=name != WAYS[0][0], **{"data-way": name})
                    for name, _ in WAYS
                ]
            ),
            html.Li(
                [
                    html.H3("Make a call"),
                    html.P(
                        [html.Span(className="oc-dot live", **{"aria-hidden": "true"}), html.Span(listening)],
                        className="oc-listen",
                    ),
                ]
            ),
        ],
        className="oc-steps",
    )
    return html.Div(
        [
            html.Div(
                [
                    _box("usage-first-title", "No usage data yet", steps, "oc-c8"),
                    _box("usage-connected-title", "What is connected", _states(states), "oc-c4"),
                ],
                className="oc-grid",
            ),
            _traces(base_url, shown, command),
        ],
        className="oc-stack",
    )


def _box(title_id: str, title: str, body: Any, width: str) -> html.Section:
    return html.Section(
        [
            html.Header(html.H2(title, id=title_id), className="oc-panel-head"),
            html.Div(body, className="oc-panel-body"),
        ],
        className=f"oc-panel {width}",
        **{"aria-labelledby": title_id},
    )


def _picker() -> html.Div:
    buttons = dbc.RadioItems(
        id="usage-way",
        options=[{"label": label, "value": name} for name, label in WAYS],
        value=WAYS[0][0],
        inputClassName="btn-check",
        labelClassName="btn",
        inline=True,
    )
    return html.Div(buttons, className="oc-seg", role="group", **{"aria-label": "Way in"})


def _curl(base_url: str, key: str) -> list[Any]:
    # Short lines, so that a wide screen shows the whole command.
    command = (
        f"KEY='{key}'\n"
        f"curl {base_url}/api/v1/llm/usage/events \\\n"
        "  -H \"Authorization: Bearer $KEY\" -H 'Content-Type: application/json' \\\n"
        '  -d \'{"event_id": "hello-\'$(date +%s)\'", "provider": "openai",\n'
        '  "model": "gpt-5-mini", "started_at": "\'$(date -u +%FT%TZ)\'",\n'
        '  "status": "success", "input_tokens": 2006, "output_tokens": 300,\n'
        '  "duration_ms": 831}\''
    )
    words = (
        "Any program that can post JSON can send its calls. An event that comes again with its id and its start counts "
        "once. Prompts and answers are dropped at the door; only the counts are kept."
    )
    return [html.P(words), copyable("usage-copy-curl", command, "curl command")]


def _litellm(base_url: str, key: str) -> list[Any]:
    config = (
        'litellm_settings:\n  callbacks: ["generic_api"]\n\n'
        "# and in the environment of the proxy\n"
        f"GENERIC_LOGGER_ENDPOINT={base_url}/api/v1/llm/usage/events\n"
        f'GENERIC_LOGGER_HEADERS="Authorization=Bearer {key}"\n'
        "DEFAULT_BATCH_SIZE=1          # larger batches lose calls"
    )
    words = "LiteLLM's own format is recognised, there is nothing to map. Prompts and answers are dropped at the door."
    return [html.P(words), copyable("usage-copy-litellm", config, "LiteLLM configuration")]


def _file(base_url: str, key: str, command: str) -> list[Any]:
    lines = (
        f"{command} import calls.csv --tz UTC \\\n"
        f"  --url {base_url} \\\n"
        f"  --key '{key}' \\\n"
        "  --map started_at=TIME --map model=MODEL \\\n"
        "  --map input_tokens=INPUT --map output_tokens=OUTPUT"
    )
    words = "Name the columns of your file on the right of each =. Importing a file twice changes nothing."
    return [html.P(words + _where(command)), copyable("usage-copy-file", lines, "import command")]


def _where(command: str) -> str:
    return " Run this in the folder of Ops Center." if "/" in command else ""


def _states(states: Sequence[tuple[str, str, str]]) -> html.Ul:
    return html.Ul(
        [
            html.Li(
                [html.Span(className=f"oc-dot {dot}", **{"aria-hidden": "true"}), html.B(name), html.Span(sentence)],
                className="oc-check",
            )
            for dot, name, sentence in states
        ]
    )


def _traces(base_url: str, key: str, command: str) -> html.Section:
    lines = (
        f"{command} import AzureLLMInferenceTrace_conv.csv \\\n"
        "  --tz UTC --set tags=conv \\\n"
        f"  --url {base_url} --key '{key}' \\\n"
        "  --map started_at=TIMESTAMP \\\n"
        "  --map input_tokens=ContextTokens --map output_tokens=GeneratedTokens"
    )
    words = (
        "Import one hour of public traces: 19,366 real calls from Azure, 16 Nov 2023, CC-BY-4.0. "
        "They hold times and token counts. Model, cost and latency are not in them and stay unknown."
    ) + _where(command)
    return html.Section(
        html.Div(
            [
                html.Div([html.H2("Nothing to send yet?", id="usage-traces-title"), html.P(words, className="oc-p")]),
                copyable("usage-copy-traces", lines, "import command for the traces"),
            ],
            className="oc-split",
        ),
        className="oc-panel",
        **{"aria-labelledby": "usage-traces-title"},
    )
