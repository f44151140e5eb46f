"""For whoever keeps the service up: golden signals, tokens, and whether models, monitors and tickets are calm."""

from __future__ import annotations

from dashboards import style
from dashboards.common import (
    CALLS,
    COST,
    DURATION,
    ERROR_LIMIT,
    LAYER,
    MODEL,
    MODEL_PAGE,
    SERVING_PAGE,
    TENANT,
    TENANT_PAGE,
    TOKENS,
    TPOT,
    TTFT,
    as_model,
    error_share,
    in_states,
    page_of,
    rate,
    row_page,
    slo,
    state_number,
)
from dashboards.page import Row, dashboard
from dashboards.panels import About, Look, lines, stat, states, table
from dashboards.query import Query, quantile, where, within
from dashboards.style import Json

STATE = 'telltale_monitor_state{model=~"$model"}'
# Of what tenants and segments are parts of, and of several processes that report it, each once.
IN_ALERT = f"max by (monitor, signal, direction, model, version) ({in_states(STATE, ['alert'])})"
FIRING = 'ALERTS{alertstate="firing",severity!="info"}'


def build(pages_url: str) -> Json:
    """The dashboard."""
    return dashboard(
        SERVING_PAGE,
        "Telltale: serving",
        "Traffic, errors, latency and tokens of every model, and whether anything asks for attention.",
        (
            MODEL,
            TENANT,
            LAYER,
            slo("ttft_slo", "TTFT goal (s)", (0.1, 0.25, 0.5, 0.75, 2.5, 7.5), 0.75),
            slo("tpot_slo", "TPOT goal (s)", (0.025, 0.05, 0.075, 0.1, 0.15, 0.2), 0.1),
        ),
        (
            Row("", _headlines()),
            Row("Golden signals", [*_signals(), *_latency()]),
            Row("Models, alerts, tickets", [_models(), _state(), _alerts(pages_url), _tickets()]),
        ),
        pages_url,
    )


def _headlines() -> list[Json]:
    models = page_of(MODEL_PAGE, model="$__all")
    return [
        stat(
            "Requests",
            About("Calls per second of the chosen models and tenants.", "a fall to zero: see CollectorDown first."),
            Look("reqps", link=page_of(TENANT_PAGE), link_title="By tenant"),
            Query(rate(CALLS)),
        ),
        stat(
            "Errors",
            About(
                "Share of calls that ended with an error; calls given up by the caller are not errors.",
                "above 5 % LlmErrorRatioHigh pages: follow its runbook.",
            ),
            Look(
                "percentunit",
                style.over(ERROR_LIMIT / 5, ERROR_LIMIT),
                none=style.NO_TRAFFIC,
                decimals=2,
                link=page_of(TENANT_PAGE),
                link_title="By tenant",
            ),
            Query(error_share()),
        ),
        stat(
            "TTFT in goal",
            About(
                "Share of streamed calls whose first token came within the goal chosen above.",
                "below 95 %: compare TTFT with GPU use; a full GPU queues.",
            ),
            Look("percentunit", style.under(0.99, 0.95), none=style.NO_TRAFFIC, decimals=1),
            Query(within("$ttft_slo", *TTFT)),
        ),
        stat(
            "TPOT in goal",
            About(
                "Share of requests to inference servers whose time per output token was within the goal above.",
                "below 95 %: the servers decode too many requests at once; add replicas or lower the batch.",
            ),
            Look("percentunit", style.under(0.99, 0.95), none=style.NO_TRAFFIC, decimals=1),
            Query(within("$tpot_slo", *TPOT)),
        ),
        stat(
            "Tokens out",
            About(
                "Tokens generated per second.", "a fall while requests stay: responses got shorter; look at the models."
            ),
            Look("suffix: tok/s", decimals=0, link=models, link_title="Models"),
            Query(rate(where(TOKENS, 'kind="output"'))),
        ),
        stat(
            "In alert",
            About(
                "What the monitors find changed: each counts once, in whichever tenants or segments.",
                "see which on the models' dashboard; its ticket has the evidence.",
            ),
            Look("none", style.any_is_bad(), link=models, link_title="Models"),
            Query(f"sum({IN_ALERT})"),
        ),
        stat(
            "Alerts firing",
            About("Alerts that fire now, without those that are only information.", "see the table below."),
            Look("none", style.any_is_bad()),
            Query(f"count({FIRING}) or 0 * count(ALERTS)"),
        ),
        stat(
            "To retrain",
            About("Tickets that ask for retraining and are not closed.", "open Tickets above and decide."),
            Look("none", style.thresholds((None, style.GOOD), (1, style.WARN))),
            Query('sum(telltale_tickets{lane="retrain",state!="closed"})'),
        ),
    ]


def _signals() -> list[Json]:
    return [
        lines(
            "Requests by model",
            About("Calls per second.", "a step without a rollout: ask the tenant on the tenants' dashboard."),
            Look("reqps", link=page_of(MODEL_PAGE, model="${__field.labels.model}"), link_title="This model"),
            Query(rate(CALLS, "model"), "{{model}}"),
            width=8,
        ),
        lines(
            "Errors by model",
            About(
                "Share of calls that ended with an error; the line is where LlmErrorRatioHigh pages.",
                "compare with Versions and GPU events on this graph.",
            ),
            Look(
                "percentunit",
                style.limit(ERROR_LIMIT),
                link=page_of(MODEL_PAGE, model="${__field.labels.model}"),
                link_title="This model",
            ),
            Query(error_share("model"), "{{model}}"),
            width=8,
        ),
        lines(
            "Tokens",
            About(
                "Tokens per second over all chosen models, by kind. Input includes cached, output includes reasoning.",
                "input grows and output does not: prompts got longer; look for drift of prompts.",
            ),
            Look("suffix: tok/s", overrides=style.coloured(style.TOKENS)),
            Query(rate(TOKENS, "kind"), "{{kind}}"),
            width=8,
        ),
    ]


def _latency() -> list[Json]:
    return [
        _quantiles(
            "Time to first token",
            "Time until the first token or chunk of streamed calls.",
            "grows alone: requests queue; grows with TPOT: the GPUs are saturated.",
            TTFT,
        ),
        _quantiles(
            "Time per output token",
            "Time per token after the first, as inference servers report it.",
            "grows with load: batches are too large; grows without: look for throttled GPUs.",
            TPOT,
        ),
        _quantiles(
            "Duration of calls",
            "Duration of whole calls.",
            "grows while TTFT and TPOT stay: responses got longer.",
            DURATION,
        ),
    ]


def _quantiles(title: str, what: str, do: str, selectors: tuple[str, ...]) -> Json:
    queries = [
        Query(quantile(level, *selectors), name, exemplars=name == "p99")
        for name, level in (("p50", 0.5), ("p95", 0.95), ("p99", 0.99))
    ]
    about = About(f"{what} Half, 95 % and 99 % of calls are faster. Diamonds are single traces.", do)
    return lines(title, about, Look("s", overrides=style.coloured(style.QUANTILES)), *queries, width=8)


def _models() -> Json:
    queries = (
        rate(CALLS, "model"),
        error_share("model"),
        as_model(quantile(0.95, *TTFT, by="gen_ai_request_model")),
        rate(where(TOKENS, 'kind="output"'), "model"),
        f"3600 * {rate(COST, 'model')}",
        f"sum by (model) ({IN_ALERT})",
    )
    heads = {
        "model": "Model",
        "Value #A": "Requests",
        "Value #B": "Errors",
        "Value #C": "TTFT p95",
        "Value #D": "Output tokens",
        "Value #E": "Cost per hour",
        "Value #F": "Series in alert",
    }
    judged = {"custom__cellOptions": {"type": "color-text"}}
    return table(
        "Models",
        About("Each model now. Cost needs a price in the settings.", "follow a row to the model's own dashboard."),
        Look(
            "none",
            overrides=[
                style.by_name("Model", links=[{"title": "This model", "url": row_page(MODEL_PAGE, "model", "Model")}]),
                style.by_name("Requests", unit="reqps"),
                style.by_name(
                    "Errors",
                    unit="percentunit",
                    decimals=2,
                    thresholds=style.over(ERROR_LIMIT / 5, ERROR_LIMIT),
                    **judged,
                ),
                style.by_name("TTFT p95", unit="s"),
                style.by_name("Output tokens", unit="suffix: tok/s", decimals=0),
                style.by_name("Cost per hour", unit="currencyUSD", decimals=2),
                style.by_name("Series in alert", thresholds=style.any_is_bad(), **judged),
            ],
        ),
        heads,
        *(Query(query, table=True) for query in queries),
        sort="Requests",
        height=7,
    )


def _state() -> Json:
    return states(
        "Worst state of each model's monitors",
        About(
            "The worst state among a model's monitors; grey where none of them judges, blue where nothing comes any"
            " more.",
            "suspect: wait for the next window; alert: read the ticket; grey for days: see Telltale's first page.",
        ),
        Look("none", style.state_steps(), style.state_words(), low=None),
        Query(f"max by (model) ({state_number(STATE)})", "{{model}}"),
        width=9,
    )


def _alerts(pages_url: str) -> Json:
    runbook = f"{pages_url}/runbooks/${{__value.raw}}"
    return table(
        "Alerts firing",
        About(
            "Every alert that fires, without those that are only information.",
            "follow an alert to its runbook.",
        ),
        Look(
            "none",
            overrides=[
                style.by_name(
                    "Alert", links=[{"title": "Runbook", "url": runbook, "targetBlank": True}], custom__width=190
                ),
                style.by_name("Severity", custom__width=80),
                style.by_name("Model", links=[{"title": "This model", "url": row_page(MODEL_PAGE, "model", "Model")}]),
            ],
        ),
        {"alertname": "Alert", "severity": "Severity", "model": "Model", "version": "Version"},
        Query(f"count by (alertname, severity, model, version) ({FIRING})", table=True),
        width=9,
        sort="Severity",
    )


def _tickets() -> Json:
    return table(
        "Tickets",
        About(
            "Tickets by lane and state. Blind: the monitors cannot say whether the cause is gone.",
            "open Tickets above.",
        ),
        Look("none"),
        {"lane": "Lane", "state": "State", "Value": "Tickets"},
        Query("sum by (lane, state) (telltale_tickets) > 0", table=True),
        width=6,
        sort="Lane",
    )
