"""What the shell asks every few seconds: still signed in, and how the sources are."""

from __future__ import annotations

from dataclasses import asdict

from flask import Blueprint, Response, jsonify
from werkzeug.exceptions import NotFound

from data_sources.result import utc_now
from routes.gate import needs, principal, public
from routes.source_states import states
from routes.sources import Sources


def blueprint(sources: Sources) -> Blueprint:
    """The routes of the shell, of health, and the JSON 404 of the API."""
    made = Blueprint("session_api", __name__)

    @made.get("/api/v1/session")
    @needs("session")
    def session_state() -> Response:
        """Who is signed in, and the sources in one word each."""
        who = principal()
        return jsonify(
            role=who.role,
            organization_id=who.organization_id,
            server_time=utc_now().isoformat(timespec="milliseconds"),
            sources=[asdict(state) for state in states(sources)],
        )

    @made.get("/api/v1/sources")
    @needs("system:read")
    def source_states() -> Response:
        """Each source asked now: what `ops-center doctor` prints."""
        return jsonify(sources=[asdict(state) for state in states(sources, probe=True)])

    @made.get("/healthz")
    @public
    def health() -> Response:
        """Whether the process answers at all."""
        return Response("OK\n", mimetype="text/plain")

    @made.route("/api/<path:_rest>", methods=["GET", "POST", "PUT", "PATCH", "DELETE"])
    @needs("known")
    def unknown(_rest: str) -> Response:
        """Dash would answer any address with the page: an unknown API address is a JSON 404."""
        raise NotFound("See the README for the addresses of the API.")

    return made
