"""What every page shares: sign-in, roles, guards against foreign sites, audit, layout.

A part brings a `Router` with its routes, its templates folder and its place in the navigation; its handlers take
`Annotated[Principal, Depends(require("viewer"))]` and answer `render(request, "its-template.html", …)`.
"""

from __future__ import annotations

from telltale.web.app import create_app, main
from telltale.web.pages import Nav, Router, render
from telltale.web.principal import Principal, require, require_scope
from telltale.web.state import State, state

__all__ = ["Nav", "Principal", "Router", "State", "create_app", "main", "render", "require", "require_scope", "state"]
