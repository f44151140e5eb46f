"""For the owners of models: what the monitors see against their thresholds, and what people say."""

from __future__ import annotations

from dashboards import evidently, style
from dashboards.common import DURATION, LAYER, MODEL, MODEL_PAGE, TENANT, TTFT, as_model, in_states, state_number
from dashboards.page import Row, Variable, dashboard
from dashboards.panels import About, Look, bars, lines, stat, states, table
from dashboards.query import Query, quantile, share, where
from dashboards.style import Json

DIRECTION = Variable("direction", "Direction", "telltale_monitor_state", "direction")
SEGMENT = Variable("segment", "Segment", "telltale_monitor_state", "segment", matches_absent=True)
CHOSEN = '{model=~"$model",tenant=~"$tenant",segment=~"$segment"}'
SERIES = '{model=~"$model",tenant=~"$tenant",segment=~"$segment",direction=~"$direction"}'
OF = "model, version, tenant, segment"
BY = f"monitor, signal, direction, {OF}"
# A series goes on when its model gets a new version; the change is marked on every graph.
STEADY = "monitor, signal, direction, model, tenant, segment"
NAMED = "{{model}} {{direction}} {{monitor}} {{tenant}} {{segment}}"
STATE = "telltale_monitor_state" + SERIES
# Whole versions: what tenants and segments are parts of.
WHOLE = '{model=~"$model",tenant="",segment=""}'
VOTES = '{model="$model",tenant=~"$tenant",segment=~"$segment"}'
NUMBER = state_number(STATE)
_DIRECTIONS = 'direction=~"$direction"'


def build(pages_url: str) -> Json:
    """The dashboard."""
    return dashboard(
        MODEL_PAGE,
        "Telltale: models",
        "Drift of prompts and responses, people's feedback, and the samples that both are scored on.",
        (MODEL, TENANT, SEGMENT, DIRECTION, LAYER),
        (
            Row("", _headlines()),
            Row("Monitors", [_timeline(), _series(), *_effects()]),
            Row("Evidently, beside ours; does not alarm", evidently.panels(SERIES, OF), collapsed=True),
            Row("Feedback", [_votes(), _quality(), _kinds(), _named(), _spoken()]),
            Row("Samples and versions", [*_samples(), _judged()]),
        ),
        pages_url,
        span="now-6h",
    )


def _headlines() -> list[Json]:
    def count(state: str) -> Query:
        # Of what tenants and segments are parts of, and of several processes that report it, each once.
        return Query(f"sum(max by (monitor, signal, direction, model, version) ({in_states(STATE, [state])}))")

    return [
        stat(
            "In alert",
            About(
                "What changed in enough windows in a row, each once, in whichever tenants or segments.",
                "open the ticket: it shows what changed and the data to retrain on.",
            ),
            Look("none", style.any_is_bad()),
            count("alert"),
            width=4,
        ),
        stat(
            "Suspect",
            About("What was beyond its threshold in the newest window.", "wait: one window is no drift yet."),
            Look("none", style.thresholds((None, style.GOOD), (1, style.WARN))),
            count("suspect"),
            width=4,
        ),
        bars(
            "Not judged",
            About(
                "Series that come but are not judged now, by state: no reference to compare with yet, a window of too"
                " few rows, too few rows in all; those that nothing comes of any more are not counted.",
                "Telltale's first page says for each what is missing; after days ModelNotJudged opens a ticket.",
            ),
            Look("none", style.thresholds((None, style.UNKNOWN)), overrides=_named_states(), decimals=0),
            Query(f"sum by (state) (max by ({BY}, state) ({in_states(STATE, style.UNJUDGED)}))", "{{state}}"),
            width=4,
            height=4,
        ),
        stat(
            "Negative feedback",
            About(
                "Share of negative votes in the last judged windows of each version, over all votes.",
                "compare with its bounds below before acting.",
            ),
            Look("percentunit", none=style.NO_TRAFFIC, decimals=1),
            Query(
                f"sum(telltale_feedback_negative_ratio{WHOLE} * telltale_feedback_votes{WHOLE})\n"
                f"  / (sum(telltale_feedback_votes{WHOLE}) > 0)"
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
                "Age of the oldest reference of calls and of votes, among the versions that are judged now.",
                "older than what is normal today: accept a newer period on the model's page, or by `telltale monitor"
                " pin`.",
            ),
            Look("s", decimals=0, none="not reported"),
            Query(
                f"max by (basis) (\n  time() - max by (basis, {OF}) (telltale_monitor_reference_timestamp_seconds"
                f"{CHOSEN})\n  and on ({OF}) max by ({OF}) ({in_states(STATE, style.JUDGED)}) == 1\n)",
                "{{basis}}",
            ),
            width=4,
        ),
    ]


def _named_states() -> list[Json]:
    """States as words in their colours, where each is a series of its own."""
    return [
        style.by_name(name, displayName=words, color=style.colour(color))
        for name, (words, color) in style.STATES.items()
    ]


def _timeline() -> Json:
    return states(
        "State of each series",
        About(
            "What each monitor makes of each model's prompts, responses and feedback over time; of several versions the"
            " worst that is judged. Grey is not judged, blue: nothing comes any more.",
            "an alert that stays becomes a ticket; follow it there. For grey see what is missing on the first page.",
        ),
        Look("none", style.state_steps(), style.state_words(), low=None),
        Query(f"max by ({STEADY}) ({NUMBER})", NAMED),
        height=10,
    )


def _series() -> Json:
    def newest(metric: str) -> Query:
        return Query(f"max by ({BY}) ({metric}{SERIES})", table=True)

    heads = {
        "model": "Model",
        "version": "Version",
        "tenant": "Tenant",
        "segment": "Segment",
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
            " from unchanged traffic. A series without tenant and segment is the whole version.",
            "sort by effect; a small p value with a small effect is no reason to retrain.",
        ),
        Look(
            "none",
            overrides=[
                style.by_name(
                    "State",
                    thresholds=style.state_steps(),
                    mappings=style.state_words(),
                    custom__cellOptions={"type": "color-background", "mode": "basic"},
                    custom__width=130,
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
            height=7,
            legend="beside",
        ),
        _effect("prompt", "Prompts: effect and threshold"),
        _effect("response", "Responses: effect and threshold"),
    ]


def _effect(direction: str, title: str) -> Json:
    chosen = where(CHOSEN, f'direction="{direction}"')
    by = "model, version, monitor, tenant, segment"
    named = "{{model}} {{version}} {{monitor}} {{tenant}} {{segment}}"
    return lines(
        title,
        About(
            "The change that each monitor measures, and dashed the threshold that it must pass, in the monitor's own"
            " unit.",
            "above the threshold in one window: watch; in several: read the ticket.",
        ),
        Look("none", overrides=[style.faint("/threshold$/")], decimals=3),
        Query(f"max by ({by}) (telltale_monitor_effect{chosen})", named),
        Query(f"max by ({by}) (telltale_monitor_threshold{chosen})", f"{named} threshold"),
        height=7,
    )


def _votes() -> Json:
    named = "{{version}} {{tenant}} {{segment}}"
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
        Query(f"telltale_feedback_negative_ratio{VOTES}", named),
        Query(f"telltale_feedback_negative_ratio_lower{VOTES}", f"{named} lower bound"),
        Query(f"telltale_feedback_negative_ratio_upper{VOTES}", f"{named} upper bound"),
        width=24,
        height=7,
        repeat="model",
    )


def _quality() -> Json:
    return lines(
        "Good answers, audited",
        About(
            "Share of good answers over all calls, estimated from calls that reviewers labelled, drawn with a known"
            " probability; dashed its 95 % bounds. Votes do not say this: who votes is no sample of who asks.",
            "absent: nobody audited the version in the last month; make a queue on the review page.",
        ),
        Look("percentunit", none="not audited", overrides=[style.dashed("/bound$/")]),
        Query('telltale_quality_ratio{model=~"$model"}', "{{model}} {{version}}"),
        Query('telltale_quality_ratio_lower{model=~"$model"}', "{{model}} {{version}} lower bound"),
        Query('telltale_quality_ratio_upper{model=~"$model"}', "{{model}} {{version}} upper bound"),
        width=6,
        height=6,
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
        width=6,
        height=6,
    )


def _named() -> Json:
    return lines(
        "Feedback by name",
        About(
            "Feedback with a value per second over all models, by what is judged and what it says.",
            "one name turns negative: that aspect of the responses, or the page that asks for it, changed.",
        ),
        Look("cps", decimals=2),
        Query(
            'sum by (name, verdict) (rate(telltale_feedback_events_total{verdict!="none"}[$__rate_interval]))',
            "{{name}} {{verdict}}",
        ),
        width=6,
        height=6,
    )


def _spoken() -> Json:
    votes = 'sum(rate(telltale_feedback_events_total{kind=~"thumb|rating"}[1h]))'
    return lines(
        "Calls that people vote on",
        About(
            "Votes in an hour per call of the chosen layer, over all models.",
            "few vote, and mostly who is unhappy: the share of negative votes is no share of bad answers.",
        ),
        Look("percentunit", none=style.NO_TRAFFIC, decimals=2),
        Query(share(votes, 'sum(rate(telltale_requests_total{layer="$layer"}[1h]))'), "votes per call"),
        width=6,
        height=6,
    )


def _judged() -> Json:
    return lines(
        "Rows, votes and labels",
        About(
            "Rows or votes in the judged windows of each model's whole versions, the largest of them; calls that"
            " reviewers labelled for its audits; items of open review queues.",
            "below monitor.min_rows or min_votes nothing is judged: sample more or lengthen the window.",
        ),
        Look("short", decimals=0),
        Query(
            f"max by (model, direction) (telltale_monitor_samples{where(WHOLE, _DIRECTIONS)})",
            "{{model}} {{direction}}",
        ),
        Query('sum by (model) (telltale_quality_labels{model=~"$model"})', "{{model}} audited"),
        Query("sum by (state) (telltale_review_items)", "review: {{state}}"),
        width=6,
        height=7,
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
            width=6,
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
            width=6,
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
            width=6,
            height=7,
        ),
    ]
