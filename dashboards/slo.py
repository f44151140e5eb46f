"""For whoever promises something of a model: what is left of each error budget, and how fast it burns."""

from __future__ import annotations

from dashboards import style
from dashboards.common import MODEL_PAGE, SERVING_PAGE, SLO_PAGE, page_of, row_page
from dashboards.page import Row, Variable, dashboard
from dashboards.panels import About, Look, lines, stat, table
from dashboards.query import Query
from dashboards.style import Json

SLO = Variable("slo", "Objective", "telltale_slo:error_budget:ratio", "slo")
MODEL = Variable("model", "Model", "telltale_slo:calls:increase5m", "model", matches_absent=True)
CHOSEN = '{slo=~"$slo",model=~"$model"}'
BY = "slo, sli, model, layer, tenant"
NAMED = "{{slo}} {{model}} {{layer}} {{tenant}}"
# The burn rates at which somebody is told: alerts LlmErrorBudgetBurnFast, Slow and Ticket.
FAST = 14.4
SLOW = 6.0
TICKET = 1.0


def build(pages_url: str) -> Json:
    """The dashboard."""
    return dashboard(
        SLO_PAGE,
        "Telltale: objectives",
        "Service level objectives of each model: budgets, how fast they burn, and which calls burn them.",
        (SLO, MODEL),
        (Row("", _headlines()), Row("Objectives", [_table()]), Row("Budgets", [_left(), *_burning(), _bad()])),
        pages_url,
        span="now-24h",
    )


def _headlines() -> list[Json]:
    return [
        stat(
            "Least budget left",
            About(
                "What is left of the error budget that is used most, of the share of bad calls allowed in its period.",
                "below nothing: the objective is missed; hold back risky changes.",
            ),
            Look("percentunit", style.under(0.25, 0), none=style.NO_TRAFFIC, decimals=1, low=None),
            Query(f"min(telltale_slo:error_budget_left:ratio{CHOSEN})"),
            width=6,
        ),
        stat(
            "Fastest burn of an hour",
            About(
                "How many times as fast as allowed the worst budget burned in the last hour.",
                "above 14.4 LlmErrorBudgetBurnFast pages: follow its runbook.",
            ),
            Look(
                "suffix: times",
                style.over(TICKET, FAST),
                none=style.NO_TRAFFIC,
                decimals=1,
                link=page_of(SERVING_PAGE),
                link_title="Serving",
            ),
            Query(f"max(telltale_slo:burn_rate:ratio1h{CHOSEN})"),
            width=6,
        ),
        stat(
            "Objectives",
            About("Objectives that are promised.", "name yours in the file of `alerts.slo_file`."),
            Look("none"),
            Query('count(telltale_slo:error_budget:ratio{slo=~"$slo"})'),
            width=6,
        ),
        stat(
            "Not measured",
            About(
                "Objectives about calls of which none has been seen for a day.",
                "follow the runbook of LlmSloNoData: a name is wrong, or a sender is silent.",
            ),
            Look("none", style.any_is_bad()),
            Query('count(ALERTS{alertname="LlmSloNoData",alertstate="firing"}) or 0 * count(ALERTS)'),
            width=6,
        ),
    ]


def _table() -> Json:
    def of(series: str) -> Query:
        return Query(f"max by ({BY}) ({series}{CHOSEN})", table=True)

    judged = {"custom__cellOptions": {"type": "color-text"}}
    return table(
        "Objectives and models",
        About(
            "Each objective of each model, as each layer saw its calls: what is left of the budget, and burn rates.",
            "the lowest budget first; follow a row to the model.",
        ),
        Look(
            "none",
            overrides=[
                style.by_name("Model", links=[{"title": "This model", "url": row_page(MODEL_PAGE, "model", "Model")}]),
                style.by_name(
                    "Budget left", unit="percentunit", decimals=1, thresholds=style.under(0.25, 0), min=None, **judged
                ),
                style.by_name("Burn 1h", decimals=1, thresholds=style.over(TICKET, FAST), **judged),
                style.by_name("Burn 6h", decimals=1, thresholds=style.over(TICKET, SLOW), **judged),
                style.by_name("Burn 3d", decimals=1, thresholds=style.over(TICKET, SLOW), **judged),
                style.by_name("Calls in a day", decimals=0),
            ],
        ),
        {
            "slo": "Objective",
            "sli": "Of",
            "model": "Model",
            "layer": "Seen by",
            "tenant": "Tenant",
            "Value #A": "Budget left",
            "Value #B": "Burn 1h",
            "Value #C": "Burn 6h",
            "Value #D": "Burn 3d",
            "Value #E": "Calls in a day",
        },
        of("telltale_slo:error_budget_left:ratio"),
        of("telltale_slo:burn_rate:ratio1h"),
        of("telltale_slo:burn_rate:ratio6h"),
        of("telltale_slo:burn_rate:ratio3d"),
        of("telltale_slo:calls:increase1d"),
        sort="Budget left",
        ascending=True,
    )


def _left() -> Json:
    return lines(
        "Error budget left",
        About(
            "The share of the bad calls allowed in the period that has not happened; the line is where none is left.",
            "a slope: LlmErrorBudgetBurnTicket says what to plan; a step: compare with Versions on this graph.",
        ),
        Look("percentunit", style.limit(0), low=None),
        Query(f"telltale_slo:error_budget_left:ratio{CHOSEN}", NAMED),
    )


def _burning() -> list[Json]:
    return [
        _burn_rate("1 hour", "1h", FAST, "LlmErrorBudgetBurnFast", "page"),
        _burn_rate("6 hours", "6h", SLOW, "LlmErrorBudgetBurnSlow", "page"),
    ]


def _burn_rate(words: str, window: str, limit: float, alert: str, told: str) -> Json:
    return lines(
        f"Burn rate of {words}",
        About(
            f"How many times as fast as allowed each budget burned over {words}; the line is where {alert} {told}s.",
            "above the line follow the alert's runbook.",
        ),
        Look("suffix: times", style.limit(limit)),
        Query(f"telltale_slo:burn_rate:ratio{window}{CHOSEN}", NAMED),
    )


def _bad() -> Json:
    return lines(
        "Bad calls in 5 minutes",
        About(
            "Calls that failed, or were slower than their objective allows.",
            "see the errors of that time on the serving dashboard.",
        ),
        Look("none", link=page_of(SERVING_PAGE, model="${__field.labels.model}"), link_title="Serving"),
        Query(f"telltale_slo:bad_calls:increase5m{CHOSEN}", NAMED),
    )
