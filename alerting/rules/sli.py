"""Service level indicators as PromQL: how many calls an objective is about, and how many of them were bad."""

from __future__ import annotations

import json
import re
from typing import Final

from alerting.rules.objectives import Layer, Objectives, Slo
from alerting.rules.rule import Record

CALLS: Final = "telltale_slo:calls:increase5m"
BAD: Final = "telltale_slo:bad_calls:increase5m"

_CLIENT_TTFT: Final = "gen_ai_client_operation_time_to_first_chunk_seconds"
_SERVER_TTFT: Final = "gen_ai_server_time_to_first_token_seconds"
_SUCCEEDED: Final = 'error_type=""'
_TPOT: Final = "gen_ai_server_time_per_output_token_seconds"


def records(slo: Slo, objectives: Objectives) -> tuple[Record, Record]:
    """Calls and bad calls of the last five minutes, by model, layer and, where chosen, tenant.

    Bad ones are zero, not nothing, where there are calls: an error that never happened has no series.
    """
    labels = {"slo": slo.name, "sli": slo.sli}
    layer = slo.layer or objectives.layer
    by = ", ".join(("model", "layer", *(("tenant",) if slo.by_tenant else ())))
    if slo.sli == "availability":
        calls, bad = _availability(slo, layer, objectives.aborted == "failed", by)
    else:
        calls, bad = _latency(slo, layer, by)
    return Record(CALLS, calls, labels), Record(BAD, bad, labels)


def counted(aborted_failed: bool) -> tuple[str, str]:
    """The matchers of the calls that count, and of those that failed, by what calls given up by their caller are."""
    return ("", 'status!="ok"') if aborted_failed else ('status!="aborted"', 'status="error"')


def requests(*matchers: str) -> str:
    """Calls of the last five minutes, per label set."""
    return f"increase(telltale_requests_total{braces(*matchers)}[5m])"


def braces(*matchers: str) -> str:
    """Matchers as they stand behind a metric's name; empty ones are left out."""
    found = ",".join(matcher for matcher in matchers if matcher)
    return f"{{{found}}}" if found else ""


def named(label: str, models: tuple[str, ...]) -> str:
    """A matcher of these models; empty where it would match any."""
    if "*" in models:
        return ""
    if len(models) == 1 and "*" not in models[0]:
        return f"{label}={_quoted(models[0])}"
    return f"{label}=~{_quoted('|'.join(_pattern(model) for model in models))}"


def seen_by(layer: Layer | None) -> str:
    """A matcher of the layer whose view counts; empty for each of them apart."""
    return f'layer="{layer}"' if layer else ""


def _availability(slo: Slo, layer: Layer | None, aborted_failed: bool, by: str) -> tuple[str, str]:
    which = (named("model", slo.models), seen_by(layer))
    all_calls, failed = counted(aborted_failed)
    return (
        f"sum by ({by}) ({requests(all_calls, *which)})",
        f'sum by ({by}) ({requests(failed, *which)})\nor on ({by}) 0 * {CALLS}{{slo="{slo.name}"}}',
    )


def _latency(slo: Slo, layer: Layer | None, by: str) -> tuple[str, str]:
    bound = slo.within or 0.0
    # Prometheus 2 and 3 write a whole bound in two ways.
    le = f'le=~"{bound:.0f}|{bound:.0f}[.]0"' if bound.is_integer() else f'le="{bound:g}"'
    good = _observed(slo, layer, by, "bucket", le)
    return (
        _observed(slo, layer, by, "count"),
        f'clamp_min({CALLS}{{slo="{slo.name}"}} - on ({by}) {good}, 0)',
    )


def _observed(slo: Slo, layer: Layer | None, by: str, suffix: str, *matchers: str) -> str:
    """Calls that a histogram has seen; those that failed have no latency to judge."""
    selectors = [
        f"{name}_{suffix}{braces(*matchers, *which, seen_by(_layer_of(name, layer)), _SUCCEEDED)}"
        for name in _histograms(slo, layer)
        for which in _models(slo.models)
    ]
    counted_calls = "\n  or ".join(f"increase({selector}[5m])" for selector in selectors)
    # Named as our own series are: by the model asked for, else by the one that served.
    for label in ("gen_ai_response_model", "gen_ai_request_model"):
        counted_calls = f'label_replace({counted_calls}, "model", "$1", "{label}", "(.+)")'
    return f"sum by ({by}) ({counted_calls})"


def _histograms(slo: Slo, layer: Layer | None) -> tuple[str, ...]:
    if slo.sli == "tpot":
        return (_TPOT,)
    if layer is None:
        return (_CLIENT_TTFT, _SERVER_TTFT)
    return (_SERVER_TTFT,) if layer == "server" else (_CLIENT_TTFT,)


def _layer_of(histogram: str, layer: Layer | None) -> Layer | None:
    """Servers' histograms are of servers alone."""
    return layer if histogram == _CLIENT_TTFT else None


def _models(models: tuple[str, ...]) -> tuple[tuple[str, ...], ...]:
    if "*" in models:
        return (("",),)
    return (
        (named("gen_ai_request_model", models),),
        ('gen_ai_request_model=""', named("gen_ai_response_model", models)),
    )


def _pattern(model: str) -> str:
    return ".*".join(re.escape(part).replace("\\-", "-") for part in model.split("*"))


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)
