"""Service level objectives: what a team promises of its models, from a TOML file, checked.

Without a file every model is promised that 99.5 % of its calls do not fail. Nothing is promised of latency then: how
long a first token may take depends on the model, its prompts and its use, and an invented promise would wake people for
nothing.
"""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, Literal

from pydantic import Field, ValidationError

from telltale.catalogue.inference import TPOT_BUCKETS, TTFT_BUCKETS
from telltale.settings import Section, Settings, SettingsError
from telltale.settings.values import Named, Seconds, WholeSeconds

Sli = Literal["availability", "ttft", "tpot"]
Layer = Literal["client", "gateway", "server"]

PERIOD_S: Final = 14 * 86400.0
MAX_SLOS: Final = 50
BUCKETS: Final = {"ttft": TTFT_BUCKETS, "tpot": TPOT_BUCKETS}
# With less promised, the rules' factors would ask for more bad calls than there are calls; and LlmErrorRatioHigh wakes
# somebody at 5 % of failed ones, whatever is promised.
LEAST: Final = {"availability": 95.0, "ttft": 90.0, "tpot": 90.0}


class Slo(Section):
    """One promise. Whose view counts is `layer`; without one each layer that reports the model is judged apart."""

    name: str = Field(
        pattern=r"^[a-z][a-z0-9_-]{0,62}$", description="up to 63 small letters, digits, - and _, a letter first"
    )
    sli: Sli = Field(description="availability, ttft or tpot")
    objective: float = Field(le=99.999, description="per cent of calls that must be good, such as 99.5")
    within: Seconds | None = Field(None, description="ttft and tpot: a call is good up to this, such as 750ms")
    models: tuple[Named, ...] = Field(
        ("*",), min_length=1, max_length=50, description="names of models; * stands for any text"
    )
    by_tenant: bool = Field(False, description="true judges each tenant apart")
    layer: Layer | None = Field(None, description="client, gateway or server")


class Objectives(Section):
    """The whole file."""

    slo: tuple[Slo, ...] = Field(min_length=1, max_length=MAX_SLOS, description="one [[slo]] or more")
    layer: Layer | None = Field(None, description="client, gateway or server: whose view of a call counts")
    aborted: Literal["ignored", "failed"] = Field(
        "ignored", description="what calls that the caller gave up are: ignored or failed"
    )
    least_bad: int = Field(10, ge=1, description="bad calls that a window must have before anybody is told")
    period: WholeSeconds | None = Field(None, ge=86400, description="what an error budget is for, such as 14d")


DEFAULTS: Final = Objectives(slo=(Slo(name="availability", sli="availability", objective=99.5),))


def of(settings: Settings) -> Objectives:
    """The objectives of `alerts.slo_file`, else DEFAULTS, with a period.

    Raises SettingsError, one line for each fault, each with place, value and mend.
    """
    file = settings.alerts.slo_file
    found = DEFAULTS if file is None else read(file)
    keeps = settings.prometheus.retention
    # How long a Prometheus of others keeps its data is not ours to know.
    if found.period is not None and found.period > keeps and not settings.prometheus.url:
        raise SettingsError(
            f"{file}: period = {found.period:.0f}: more than prometheus.retention = {keeps:.0f}: what happened before "
            "would be missing in the budget; lower it, or raise the other"
        )
    return found.model_copy(update={"period": found.period or max(86400.0, min(PERIOD_S, keeps))})


def read(file: Path) -> Objectives:
    """The objectives of a file. Raises SettingsError."""
    try:
        table = tomllib.loads(file.read_text("utf-8-sig"))
    except OSError as error:
        raise SettingsError(
            f"alerts.slo_file = {file}: cannot be read: {error.strerror}; write it, or name another"
        ) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"{file}: is not TOML: {error}") from error
    try:
        found = Objectives(**table)
    except ValidationError as error:
        raise SettingsError("\n".join(f"{file}: {_explain(fault)}" for fault in error.errors())) from error
    if lines := list(_faults(found)):
        raise SettingsError("\n".join(f"{file}: {line}" for line in lines))
    return found


def _faults(found: Objectives) -> Iterator[str]:
    seen: set[str] = set()
    for number, slo in enumerate(found.slo):
        place = f"slo.{number} ({slo.name})"
        if slo.name in seen:
            yield f"{place}: name = {slo.name!r}: another has that name; choose a second one"
        seen.add(slo.name)
        if slo.objective <= 1:
            yield f"{place}: objective = {slo.objective:g}: write per cent, such as 99.5"
        elif slo.objective < LEAST[slo.sli]:
            yield (
                f"{place}: objective = {slo.objective:g}: at least {LEAST[slo.sli]:g} for {slo.sli}; with more bad "
                "calls allowed, a budget could not burn fast enough for a page"
            )
        yield from (f"{place}: {line}" for line in _within(slo))


def _within(slo: Slo) -> Iterator[str]:
    if slo.sli == "availability":
        if slo.within is not None:
            yield f"within = {slo.within:g}: no time counts for availability; leave it out, or choose sli = 'ttft'"
        return
    if slo.sli == "tpot" and slo.layer not in (None, "server"):
        yield f"layer = {slo.layer!r}: only servers know when each token came; write 'server', or leave it out"
    bounds = BUCKETS[slo.sli]
    if slo.within is None:
        yield f"within is missing: write up to when a call is good, one of {_seconds(bounds)}"
    elif slo.within not in bounds:
        below = max((bound for bound in bounds if bound < slo.within), default=None)
        above = min((bound for bound in bounds if bound > slo.within), default=None)
        nearest = [bound for bound in (below, above) if bound is not None]
        yield (
            f"within = {slo.within:g}s: no bound of the histogram, so nobody counts it; the nearest: "
            f"{_seconds(nearest, ' or ')}"
        )


def _seconds(bounds: tuple[float, ...] | list[float], between: str = ", ") -> str:
    return between.join(f"{bound:g}s" for bound in bounds)


def _explain(fault: Any) -> str:
    loc = fault["loc"]
    place, key = ".".join(str(part) for part in loc), str(loc[-1])
    model = Slo if len(loc) > 1 and loc[0] == "slo" else Objectives
    if fault["type"] == "extra_forbidden":
        close = difflib.get_close_matches(key, model.model_fields, n=1, cutoff=0.6)
        mend = f"did you mean {close[0]}?" if close else f"there are {', '.join(model.model_fields)}"
        return f"{place}: no such key; {mend}"
    info = model.model_fields.get(str(loc[min(len(loc) - 1, 2 if model is Slo else 0)]))
    mend = f" ({info.description})" if info and info.description else ""
    if fault["type"] == "missing":
        return f"{place}: is missing{mend}"
    return f"{place} = {fault['input']!r}: {fault['msg'].removeprefix('Value error, ')}{mend}"
