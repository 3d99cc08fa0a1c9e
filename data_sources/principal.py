"""Who asks, and what each role may do. Pure: the gate in `routes` finds the principal, pages and routes ask it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

Role: TypeAlias = Literal["admin", "analyst", "member", "ingest", "reader"]
Permission: TypeAlias = Literal[
    "usage:read",
    "usage:write",
    "usage:intake",  # what became of what senders sent, whatever the organization
    "system:read",
    "billing:read",
    "billing:write",
    "admin",
    "session",  # any signed-in person
    "known",  # anyone who has proved who they are, people and keys
]

_MAY: dict[str, frozenset[str]] = {
    "admin": frozenset(
        {
            "usage:read",
            "usage:write",
            "usage:intake",
            "system:read",
            "billing:read",
            "billing:write",
            "admin",
            "session",
        }
    ),
    "analyst": frozenset({"usage:read", "usage:intake", "session"}),
    "member": frozenset({"usage:read", "billing:read", "billing:write", "session"}),
    "ingest": frozenset({"usage:write"}),  # bearer OPS_INGEST_TOKEN
    "reader": frozenset({"usage:read", "usage:intake", "system:read"}),  # bearer OPS_READ_TOKEN
}


@dataclass(frozen=True, slots=True)
class Principal:
    """Somebody who has proved who they are.

    Attributes:
        id: Stable id, such as `link:3f2a…` or `key:ingest`.
        role: Decides what they may do.
        organization_id: Whose usage and subscription a member sees; None for the console's own people.
        email: Where known.
        customer_id: The Lago customer for whom an admin has chosen to look and buy; None before the choice.
    """

    id: str
    role: Role
    organization_id: str | None = None
    email: str | None = None
    customer_id: str | None = None

    def may(self, permission: Permission) -> bool:
        """Whether the role holds the permission."""
        return permission == "known" or permission in _MAY[self.role]
