"""How a page's callback meets the frame: outputs, Retry, role check and the look of an error are added here once.

```python
@panel_callback("usage-by-provider", Input("usage-query", "data"), needs="usage:read")
def by_provider(query):
    return show(sources().usage.breakdown(UsageQuery.parse(query), "provider"), view=breakdown_chart)
```
"""

from __future__ import annotations

import functools
import logging
import secrets
from collections.abc import Callable
from typing import Any, TypeVar

from dash import ClientsideFunction, Input, Output, State, callback, clientside_callback, no_update, set_props
from dash.exceptions import PreventUpdate
from flask import current_app, g

from components.panel import Look, failed
from data_sources.principal import Permission, Principal
from data_sources.result import Failed, Kind, Problem

log = logging.getLogger(__name__)
Handler = TypeVar("Handler", bound=Callable[..., Any])


def sources() -> Any:
    """The data sources of this server: `routes.sources.Sources`."""
    return current_app.extensions["ops"]


def principal() -> Principal:
    """Who looks at the page. The gate has let nobody else through."""
    who = g.principal
    assert isinstance(who, Principal)  # noqa: S101  a callback without the gate before it is a bug
    return who


def panel_callback(
    panel_id: str | tuple[str, ...],
    *inputs: Input | State,
    needs: Permission,
    prevent_initial_call: bool = False,
    stamp: str | None = None,
) -> Callable[[Handler], Handler]:
    """Fill a panel of `components.panel.panel`, or several that must never disagree from one answer.

    The function gets the values of the inputs and returns a `Look`, of several panels one each. It may raise
    `PreventUpdate`. Anything else it raises becomes the failed look with an id that is also in the log.

    Args:
        panel_id: The panel's id, or those of several.
        *inputs: What it listens to; Retry is added.
        needs: The permission, checked on every call: a callback can be called whatever page the browser shows.
        prevent_initial_call: Wait for a change.
        stamp: Id of a `dcc.Store` that changes with every answer, also with one that is the same again: for what waits
            until the panels stand.
    """
    ids = (panel_id,) if isinstance(panel_id, str) else panel_id
    stamps = [] if stamp is None else [Output(stamp, "data")]
    outputs = [*(output for one in ids for output in _outputs(one)), *stamps]

    def fill_all(looks: Look | tuple[Look, ...]) -> tuple[Any, ...]:
        each = (looks,) * len(ids) if isinstance(looks, Look) else looks
        return (*(value for look in each for value in _fill(look)), *(secrets.token_hex(4) for _ in stamps))

    def wrap(handler: Handler) -> Handler:
        @callback(  # type: ignore[untyped-decorator]
            *outputs,
            *inputs,
            *(Input(f"{one}-retry", "data") for one in ids),
            running=[(Output(f"{one}-busy", "className"), "oc-busy on", "oc-busy") for one in ids],
            prevent_initial_call=prevent_initial_call,
        )
        @functools.wraps(handler)
        def fill(*values: Any) -> tuple[Any, ...]:
            if not principal().may(needs):
                return fill_all(failed(Failed(_forbidden())))
            try:
                look = handler(*values[: -len(ids)])
            except PreventUpdate:
                raise
            except Exception as error:
                look = failed(Failed(_bug(error, ids[0])))
            return fill_all(look)

        return handler

    return wrap


def _outputs(panel_id: str) -> list[Output]:
    """What `_fill` fills, in its order."""
    return [
        Output(f"{panel_id}-body", "children"),
        Output(panel_id, "data-look"),
        Output(f"{panel_id}-badge", "children"),
        Output(f"{panel_id}-info-content", "children"),
        Output(f"{panel_id}-sub", "children"),
        Output(f"{panel_id}-foot", "children"),
    ]


def _fill(look: Look) -> tuple[Any, ...]:
    return (
        look.body,
        look.name,
        look.badge,
        look.info,
        no_update if look.sub is None else look.sub,
        look.foot,
    )


def needs(permission: Permission) -> Callable[[Handler], Handler]:
    """Guard a callback that fills no panel: without the permission nothing happens but a toast."""

    def wrap(handler: Handler) -> Handler:
        @functools.wraps(handler)
        def guarded(*values: Any, **named: Any) -> Any:
            if not principal().may(permission):
                toast("That is not yours to do", "Your role may not do this.", kind="danger")
                raise PreventUpdate
            return handler(*values, **named)

        guarded.needs = permission  # type: ignore[attr-defined]
        return guarded  # type: ignore[return-value]

    return wrap


def toast(title: str, text: str = "", *, kind: str = "ok", code: str | None = None) -> None:
    """Show a toast, from inside a callback; only for what the reader did.

    Args:
        title: What happened.
        text: One sentence, with what did not happen: "Nothing was charged."
        kind: "ok", or "danger" for an error, which stays until it is closed.
        code: The error's code.
    """
    set_props(
        "oc-toast", {"data": {"title": title, "text": text, "kind": kind, "code": code, "n": secrets.token_hex(4)}}
    )


def on_error(error: Exception) -> None:
    """What happens when a callback that fills no panel raises: logged with an id, told as a toast."""
    problem = _bug(error, "callback")
    toast("That did not work", problem.detail, kind="danger", code=problem.code)


def _forbidden() -> Problem:
    return Problem(Kind.FORBIDDEN, "This is not yours to see", "Your role may not read it. Ask an admin.")


def _bug(error: Exception, where: str) -> Problem:
    request = secrets.token_hex(4)
    log.exception("request %s: %s", request, where, exc_info=error)
    return Problem(
        Kind.INTERNAL,
        "This could not be shown",
        "The console made a mistake. It is in the log.",
        code=f"request {request}",
    )


def register_shell() -> None:
    """The clientside callbacks of the shell: toasts, and focus on navigation."""
    clientside_callback(
        ClientsideFunction("ops_shell", "toast"),
        Output("oc-shell-done", "data"),
        Input("oc-toast", "data"),
        prevent_initial_call=True,
    )
    clientside_callback(
        ClientsideFunction("ops_shell", "navigated"),
        Output("oc-shell-done", "data", allow_duplicate=True),
        Input("_pages_content", "children"),
        prevent_initial_call="initial_duplicate",
    )
