"""Pages: server-rendered with Jinja2, one layout, every value escaped."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from functools import lru_cache, partial
from pathlib import Path
from urllib.parse import quote

from fastapi import Request
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup
from starlette.responses import HTMLResponse

from telltale.records import Feedback
from telltale.web.router import Router
from telltale.web.state import state
from telltale.web.transcript import transcript
from telltale.web.unseen import visible

HERE = Path(__file__).parent
STATIC = HERE / "static"
ABSENT = "\N{EN DASH}"


def make_templates(parts: Iterable[Router], clock: Callable[[], float]) -> Environment:
    """An environment that escapes everything, shows what is invisible, and fails on a name that is not there."""
    parts = list(parts)
    links = {name: pattern for part in parts for name, pattern in part.links.items()}
    environment = Environment(
        loader=FileSystemLoader([HERE / "templates", *(part.templates for part in parts if part.templates)]),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=visible,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    filters: dict[str, Callable[..., object]] = {
        "when": when,
        "ago": lambda seconds: ago(seconds, clock()),
        "number": number,
        "percent": percent,
        "summary": summary,
        "transcript": transcript,
    }
    for part in parts:
        filters |= part.filters
    environment.filters |= filters
    environment.globals |= {"static": static_path, "link": partial(link, links)}
    return environment


def render(request: Request, template: str, *, status_code: int = 200, **context: object) -> HTMLResponse:
    """The page that `template` makes of `context`, in the common layout.

    Every template also has `principal` (None before sign-in), `nav`, `path`, `status_code`; the filters `when`
    (a time), `ago`, `number`, `percent`, `summary` (feedback in a word), `transcript` (a
    conversation) and those of the parts; `static(name)`; and
    `link(name, **values)`, the address that a part gave that name, or None.
    """
    here = state(request)
    principal = getattr(request.state, "principal", None)
    nav = [entry for entry in here.nav if principal is not None and principal.allows(entry.role)]
    page = here.templates.get_template(template).render(
        **{"principal": principal, "nav": nav, "path": request.url.path, "status_code": status_code} | context
    )
    return HTMLResponse(page, status_code)


def link(links: Mapping[str, str], name: str, **values: object) -> str | None:
    """The address under this name, its fields filled in; None where no part serves it."""
    pattern = links.get(name)
    return (
        None
        if pattern is None
        else pattern.format_map({key: quote(str(value), safe="") for key, value in values.items()})
    )


@lru_cache
def static_path(name: str) -> str:
    """The address of a static file, which changes with its content so that browsers may keep it."""
    digest = hashlib.sha256((STATIC / name).read_bytes()).hexdigest()[:12]
    return f"/static/{name}?v={digest}"


def when(seconds: float | None) -> str:
    """A time in UTC, readable by people and programs."""
    if seconds is None:
        return ABSENT
    moment = datetime.fromtimestamp(seconds, UTC).isoformat()
    return Markup('<time datetime="{}">{}</time>').format(moment, written(seconds))


def written(seconds: float) -> str:
    """A time in UTC as plain text."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def ago(seconds: float | None, now: float) -> str:
    """How long ago that was, in the largest unit that fits."""
    if seconds is None:
        return "never"
    passed = max(0, int(now - seconds))
    for unit, length in (("d", 86400), ("h", 3600), ("min", 60)):
        if passed >= length:
            return f"{passed // length} {unit} ago"
    return f"{passed} s ago"


def number(value: float | None, digits: int = 3) -> str:
    """A number with that many significant digits; a dash where there is none."""
    if value is None:
        return ABSENT
    return f"{value:,}" if isinstance(value, int) else f"{value:.{digits}g}"


def percent(value: float | None) -> str:
    return ABSENT if value is None else f"{100 * value:.1f} %"


def summary(event: Feedback) -> str:
    """An event in a word or two."""
    if event.kind == "thumb":
        return "thumb up" if event.value else "thumb down"
    if event.kind == "implicit" and event.value is not None:
        return f"{percent(event.value)} changed"
    return f"rating {percent(event.value)}" if event.kind == "rating" else event.kind
