"""What every page shares: sign-in, roles, guards against foreign sites, audit, layout.

A part contributes a `Router` with its routes and everything that the application must know about it; its handlers take
`Annotated[Principal, Depends(require("viewer"))]` and return `render(request, "its-template.html", …)`.
"""

from __future__ import annotations

from telltale.web.app import create_app, main
from telltale.web.nav import Nav
from telltale.web.pages import render
from telltale.web.principal import require, require_scope
from telltale.web.roles import Principal
from telltale.web.router import Router
from telltale.web.state import State, state

__all__ = ["Nav", "Principal", "Router", "State", "create_app", "main", "render", "require", "require_scope", "state"]
