"""For the owners of models: what the monitors see against their thresholds, and what people say."""

from __future__ import annotations

from dashboards import style
from dashboards.common import DURATION, LAYER, MODEL, MODEL_PAGE, TENANT, TTFT, as_model
from dashboards.page import Row, Variable, dashboard
from dashboards.panels import About, Look, lines, stat, states, table
from dashboards.query import Query, quantile, where
from dashboards.style import Json

DIRECTION = Variable("direction", "Direction", "telltale_monitor_state", "direction")
SERIES = '{model=~"$model",tenant=~"$tenant",direction=~"$direction"}'
BY = "monitor, signal, direction, model, version, tenant"
# A series goes on when its model gets a new version; the change is marked on every graph.
STEADY = "monitor, signal, direction, model, tenant"
NAMED = "{{model}} {{direction}} {{monitor}} {{tenant}}"
STATE = "telltale_monitor_state" + SERIES
VOTES = '{model="$model"}'
NUMBER = " or ".join(
    f"""{where(STATE, f'state="{name}"')} * {number}"""
    for number, name in enumerate(("insufficient_data", "ok", "suspect", "alert"))
)
STEPS = style.thresholds(*((None if number == 0 else number, color) for number, (_, color) in enumerate(style.STATES)))


def build(pages_url: str) -> Json:
    """The dashboard."""
    return dashboard(
        MODEL_PAGE,
        "Telltale: models",
        "Drift of prompts and responses, people's feedback, and the samples that both are scored on.",
        (MODEL, TENANT, DIRECTION, LAYER),
        (
            Row("", _headlines()),
            Row("Monitors", [_timeline(), _series(), *_effects()]),
            Row("Feedback", [_votes(), _kinds(), _judged()]),
            Row("Samples and versions", _samples()),
        ),
        pages_url,
        span="now-6h",
    )


def _headlines() -> list[Json]:
    def count(state: str) -> Query:
        matcher = f'state="{state}"'
        return Query(f"sum({where(STATE, matcher)})")

    return [
        stat(
            "In alert",
            About(
                "Series whose change was real in enough windows in a row.",
                "open the ticket: it shows what changed and the data to retrain on.",
            ),
            Look("none", style.any_is_bad()),
            count("alert"),
            width=4,
        ),
        stat(
            "Suspect",
            About("Series whose newest window was beyond its threshold.", "wait: one window is no drift yet."),
            Look("none", style.thresholds((None, style.GOOD), (1, style.WARN))),
            count("suspect"),
            width=4,
        ),
        stat(
            "Too little data",
            About(
                "Series with too few rows or votes to be judged.",
                "raise sampling.per_minute, or lengthen monitor.window.",
            ),
            Look("none"),
            count("insufficient_data"),
            width=4,
        ),
        stat(
            "Negative feedback",
            About(
                "Share of negative votes in the last judged windows, over all votes.",
                "compare with its bounds below before acting.",
            ),
            Look("percentunit", none=style.NO_TRAFFIC, decimals=1),
            Query(
                'sum(telltale_feedback_negative_ratio{model=~"$model"} * telltale_feedback_votes)\n'
                '  / (sum(telltale_feedback_votes{model=~"$model"}) > 0)'
            ),
            width=4,
        ),
        stat(
            "Samples kept",
            About(
                "Calls kept with their redacted content, per second, over all models.",
                "zero with traffic: the store refuses; see the collector's dashboard.",
            ),
            Look("cps", decimals=2),
            Query('sum(rate(telltale_samples_total{outcome="kept"}[$__rate_interval]))'),
            width=4,
        ),
        stat(
            "Oldest reference",
            About(
                "Age of the oldest reference that windows are compared with.",
                "older than the model's version: freeze a new one.",
            ),
            Look("s", decimals=0, none="not reported"),
            Query(
                'time() - min(telltale_monitor_reference_timestamp_seconds{model=~"$model",direction=~"$direction"})'
            ),
            width=4,
        ),
    ]


def _timeline() -> Json:
    return states(
        "State of each series",
        About(
            "What each monitor makes of each model's prompts, responses and feedback over time.",
            "an alert that stays becomes a ticket; follow it there.",
        ),
        Look("none", STEPS, style.state_words(), low=None),
        Query(f"max by ({STEADY}) ({NUMBER})", NAMED),
        height=10,
    )


def _series() -> Json:
    def newest(metric: str) -> Query:
        return Query(f"max by ({BY}) ({metric}{SERIES})", table=True)

    heads = {
        "model": "Model",
        "version": "Version",
        "direction": "Direction",
        "monitor": "Monitor",
        "signal": "Signal",
        "Value #A": "State",
        "Value #B": "Effect",
        "Value #C": "Threshold",
        "Value #D": "p value",
        "Value #E": "Rows",
    }
    return table(
        "Newest window of each series",
        About(
            "Effect is the size of the change in the monitor's own unit; it alarms above the threshold, learned"
            " from unchanged traffic.",
            "sort by effect; a small p value with a small effect is no reason to retrain.",
        ),
        Look(
            "none",
            overrides=[
                style.by_name(
                    "State",
                    thresholds=STEPS,
                    mappings=style.state_words(),
                    custom__cellOptions={"type": "color-background", "mode": "basic"},
                    custom__width=100,
                ),
                style.by_regex("/Effect|Threshold/", decimals=3),
                style.by_name("p value", decimals=4),
            ],
        ),
        heads,
        Query(f"max by ({BY}) ({NUMBER})", table=True),
        newest("telltale_monitor_effect"),
        newest("telltale_monitor_threshold"),
        newest("telltale_monitor_p_value"),
        newest("telltale_monitor_samples"),
        sort="State",
        height=8,
    )


def _effects() -> list[Json]:
    measured = f"max by ({STEADY}) (telltale_monitor_effect{SERIES})"
    needed = f"(max by ({STEADY}) (telltale_monitor_threshold{SERIES}) > 0)"
    return [
        lines(
            "Effect as a share of its threshold",
            About(
                "The ten series nearest to alarm. At 100 % the change counts as real.",
                "a slow climb is drift; a jump is a rollout or a new tenant: look for Versions on this graph.",
            ),
            Look("percentunit", style.limit(1)),
            Query(f"topk(10, {measured} / {needed})", NAMED),
            width=24,
            height=8,
            legend="beside",
        ),
        _effect("prompt", "Prompts: effect and threshold"),
        _effect("response", "Responses: effect and threshold"),
    ]


def _effect(direction: str, title: str) -> Json:
    chosen = f'{{model=~"$model",tenant=~"$tenant",direction="{direction}"}}'
    named = "{{model}} {{monitor}} {{tenant}}"
    return lines(
        title,
        About(
            "The change that each monitor measures, and dashed the threshold that it must pass, in the monitor's own"
            " unit.",
            "above the threshold in one window: watch; in several: read the ticket.",
        ),
        Look("none", overrides=[style.faint("/threshold$/")], decimals=3),
        Query(f"max by (model, monitor, tenant) (telltale_monitor_effect{chosen})", named),
        Query(f"max by (model, monitor, tenant) (telltale_monitor_threshold{chosen})", f"{named} threshold"),
        height=7,
    )


def _votes() -> Json:
    return lines(
        "Negative votes on $model",
        About(
            "Share of negative votes in each judged window, and dashed the bounds within which the true share lies with"
            " 95 % confidence.",
            "act when the lower bound leaves the usual range, not when the line does.",
        ),
        Look(
            "percentunit",
            overrides=[style.dashed("/bound$/")],
        ),
        Query(f"telltale_feedback_negative_ratio{VOTES}", "{{version}}"),
        Query(f"telltale_feedback_negative_ratio_lower{VOTES}", "{{version}} lower bound"),
        Query(f"telltale_feedback_negative_ratio_upper{VOTES}", "{{version}} upper bound"),
        width=24,
        height=7,
        repeat="model",
    )


def _kinds() -> Json:
    return lines(
        "Feedback by kind",
        About(
            "Feedback accepted per second over all models: thumbs, ratings, comments, corrections.",
            "zero with traffic: the pages that ask for it are gone, or their key was revoked.",
        ),
        Look("cps", decimals=2),
        Query("sum by (kind) (rate(telltale_feedback_events_total[$__rate_interval]))", "{{kind}}"),
        height=6,
    )


def _judged() -> Json:
    return lines(
        "Rows and votes judged",
        About(
            "Rows or votes in each model's judged window.",
            "below monitor.min_rows or min_votes nothing is judged: sample more or lengthen the window.",
        ),
        Look("short", decimals=0),
        Query(f"max by (model, direction) (telltale_monitor_samples{SERIES})", "{{model}} {{direction}}"),
        height=6,
    )


def _samples() -> list[Json]:
    named = '{gen_ai_request_model=~"$model",layer="$layer",gen_ai_response_model!=""}'
    version = (
        "count by (gen_ai_request_model, gen_ai_response_model) "
        f"(gen_ai_client_operation_duration_seconds_count{named}"
        f" or gen_ai_server_request_duration_seconds_count{named})"
        " > bool 0"
    )
    return [
        lines(
            "Samples by outcome",
            About("Sampling decisions per second over all models.", "see the collector's dashboard."),
            Look("cps", decimals=2),
            Query("sum by (outcome) (rate(telltale_samples_total[$__rate_interval]))", "{{outcome}}"),
            width=8,
            height=7,
        ),
        states(
            "Versions that were served",
            About(
                "Each served version of each model, from when it was first seen.",
                "drift that begins with a new version: compare the two versions first.",
            ),
            Look("none", style.thresholds((None, "blue")), style.values({"1": ("served", "blue")}), low=None),
            Query(version, "{{gen_ai_request_model}}: {{gen_ai_response_model}}"),
            width=8,
            height=7,
        ),
        lines(
            "Latency, p95",
            About(
                "Time to the first token and duration of whole calls; 95 % are faster.",
                "a new version that is slower shows here first.",
            ),
            Look("s"),
            Query(as_model(quantile(0.95, *TTFT, by="gen_ai_request_model")), "{{model}} first token", exemplars=True),
            Query(as_model(quantile(0.95, *DURATION, by="gen_ai_request_model")), "{{model}} whole call"),
            width=8,
            height=7,
        ),
    ]
