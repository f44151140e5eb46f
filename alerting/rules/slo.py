"""Service level objectives: error budgets, how fast they burn over several windows, and what wakes somebody.

Multi-window, multi-burn-rate alerts as in Google's SRE Workbook, chapter 5: a burn rate of 1 uses a budget up in
exactly its period. The long window says that it matters, the short one that it still goes on.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from alerting.rules import objectives, sli
from alerting.rules.objectives import Objectives, Slo
from alerting.rules.rule import Group, Record, Rule, selector
from telltale.settings import Settings

BUDGET: Final = "telltale_slo:error_budget:ratio"
LEFT: Final = "telltale_slo:error_budget_left:ratio"
EXPECTED: Final = "telltale_slo:expected:info"
COUNTS: Final = ("telltale_slo:calls", "telltale_slo:bad_calls")
WINDOWS: Final = ("5m", "30m", "1h", "2h", "6h", "1d", "3d")
# Windows add up what shorter ones counted, one after the other: an average of ratios would weigh a quiet night like a
# busy day, and an average of rates would blow a young series up to a whole window. Those of 30m and 1h must not be
# late: they add five minutes each minute, so that every call is in five of them.
_SUMS: Final = {
    "30m": "sum_over_time({count}:increase5m[30m:1m]) / 5",
    "1h": "sum_over_time({count}:increase5m[1h:1m]) / 5",
    "2h": "sum_over_time({count}:increase5m[2h:5m])",
    "6h": "sum_over_time({count}:increase5m[6h:5m])",
    "1d": "sum_over_time({count}:increase30m[1d:30m])",
    "3d": "sum_over_time({count}:increase1h[3d:1h])",
}

_TENANT: Final = "{{ if $labels.tenant }}, tenant {{ $labels.tenant }},{{ end }}"
_OF_MODEL: Final = "{{ if $labels.model }} of {{ $labels.model }}{{ end }}"
_SUMMARY: Final = (
    "{{ $labels.model }}{{ if $labels.tenant }}, tenant {{ $labels.tenant }}{{ end }}: error budget of "
    '{{ $labels.slo }} burns {{ $value | printf "%.1f" }} times too fast'
)


def group(settings: Settings) -> Group:
    """All of it. Raises SettingsError for a file of objectives that cannot be used."""
    found = objectives.of(settings)
    return Group("telltale-slo", _rules(found), (*_each(found), *_shared(found)))


def _each(found: Objectives) -> Iterator[Record]:
    """What is recorded of each objective by itself."""
    for slo in found.slo:
        budget = f"{(100 - slo.objective) / 100:.6g}"
        yield Record(BUDGET, f"vector({budget})", {"slo": slo.name, "sli": slo.sli})
        yield from sli.records(slo, found)
    # What stands in no file is promised of whatever there is.
    for slo in found.slo if found.slo != objectives.DEFAULTS.slo else ():
        yield from (Record(EXPECTED, "vector(1)", labels) for labels in _expected(slo))


def _expected(slo: Slo) -> Iterator[dict[str, str]]:
    """Each model that an objective names, else the objective alone: what must have been seen."""
    labels = {"slo": slo.name, "sli": slo.sli}
    named = [model for model in slo.models if "*" not in model]
    yield from ({**labels, "model": model} for model in named)
    if not named:
        yield labels


def _shared(found: Objectives) -> Iterator[Record]:
    """What is recorded of all objectives alike."""
    for window, expr in _SUMS.items():
        yield from (Record(f"{count}:increase{window}", expr.format(count=count)) for count in COUNTS)
    for window in WINDOWS:
        yield Record(
            burn_rate(window),
            f"telltale_slo:bad_calls:increase{window} / (telltale_slo:calls:increase{window} > 0)\n"
            f"  / on (slo) group_left () {BUDGET}",
        )
    period = f"[{found.period or objectives.PERIOD_S:.0f}s:1h]"
    yield Record(
        LEFT,
        f"1 - sum_over_time(telltale_slo:bad_calls:increase1h{period})\n"
        f"  / (sum_over_time(telltale_slo:calls:increase1h{period}) > 0)\n"
        f"  / on (slo) group_left () {BUDGET}",
    )


def burn_rate(window: str) -> str:
    """The series of a window's burn rate; it has no value without calls."""
    return f"telltale_slo:burn_rate:ratio{window}"


def _rules(found: Objectives) -> tuple[Rule, ...]:
    return (_fast(found), _slow(found), _ticket(found), _no_data())


def _fast(found: Objectives) -> Rule:
    return Rule(
        name="LlmErrorBudgetBurnFast",
        severity="page",
        lane="ops",
        component="slo",
        expr=_burning("1h", "5m", 14.4, found.least_bad),
        hold_s=120.0,
        keep_s=300.0,
        summary=_SUMMARY,
        description=_description("the last hour and the last 5 minutes"),
        signal=_signal("5m"),
    )


def _slow(found: Objectives) -> Rule:
    return Rule(
        name="LlmErrorBudgetBurnSlow",
        severity="page",
        lane="ops",
        component="slo",
        expr=_burning("6h", "30m", 6, found.least_bad),
        hold_s=300.0,
        keep_s=600.0,
        summary=_SUMMARY,
        description=_description("the last 6 hours and the last 30 minutes"),
        signal=_signal("30m"),
    )


def _ticket(found: Objectives) -> Rule:
    return Rule(
        name="LlmErrorBudgetBurnTicket",
        severity="ticket",
        lane="ops",
        component="slo",
        expr=f"({_burning('1d', '2h', 3, found.least_bad)})\nor ({_burning('3d', '6h', 1, found.least_bad)})",
        hold_s=900.0,
        keep_s=1800.0,
        summary=_SUMMARY,
        description=_description("a day and 2 hours, or 3 days and 6 hours"),
        signal=_signal("2h"),
    )


def _no_data() -> Rule:
    return Rule(
        name="LlmSloNoData",
        severity="ticket",
        lane="ops",
        component="slo",
        # Of a day: a model that nobody asks at night, and whose series ended with a restart, is no fault.
        expr=(
            f"{EXPECTED} unless on (slo) telltale_slo:calls:increase1d\n"
            f'or {EXPECTED}{{model!=""}} unless on (slo, model) telltale_slo:calls:increase1d'
        ),
        hold_s=3600.0,
        summary="Nothing is measured for the objective {{ $labels.slo }}" + _OF_MODEL,
        description=(
            "The objective {{ $labels.slo }} ({{ $labels.sli }})"
            + _OF_MODEL
            + " is about calls of which none has been "
            "seen for a day: nobody knows whether it is kept, and no alert can tell that it is not."
        ),
        signal=(
            'telltale_slo:calls:increase1d{slo={{ $labels.slo | printf "%q" }}'
            '{{ if $labels.model }},model={{ $labels.model | printf "%q" }}{{ end }}}'
        ),
    )


def _burning(long: str, short: str, factor: float, least: int) -> str:
    """Both windows burn faster than `factor`, and not by a handful of calls."""
    return (
        f"{burn_rate(long)} > {factor:g}\n"
        f"and {burn_rate(short)} > {factor:g}\n"
        f"and telltale_slo:bad_calls:increase{long} >= {least}"
    )


def _signal(window: str) -> str:
    # Where no calls come any more nothing has recovered: the burn rate has no value then.
    return selector(burn_rate(window), "slo", "model", "layer", "tenant")


def _description(windows: str) -> str:
    return (
        "{{ $labels.model }}" + _TENANT + " uses up the error budget of {{ $labels.slo }} ({{ $labels.sli }}) "
        '{{ $value | printf "%.1f" }} times as fast as it may, over '
        + windows
        + ", as the {{ $labels.layer }} saw its "
        "calls."
    )
