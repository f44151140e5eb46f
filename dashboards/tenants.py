"""For the owners of cost and fairness: tokens, cost and errors of each tenant."""

from __future__ import annotations

from dashboards import style
from dashboards.common import (
    CALLS,
    COST,
    ERROR_LIMIT,
    ERRORS,
    LAYER,
    MODEL,
    MODEL_PAGE,
    SERVING_PAGE,
    TENANT,
    TENANT_PAGE,
    TOKENS,
    TTFT,
    error_share,
    grown,
    page_of,
    rate,
    row_page,
    share_of,
)
from dashboards.page import Row, dashboard
from dashboards.panels import About, Look, bars, lines, stat, table
from dashboards.query import Query, quantile, share, where
from dashboards.style import Json

MOST = 10
NOT_A_BILL = "This is a rate for watching, counted since the collector's start; what is owed is no sum of it."


def build(pages_url: str) -> Json:
    """The dashboard."""
    return dashboard(
        TENANT_PAGE,
        "Telltale: tenants",
        "Who uses the models, how much of them, at what cost, and with what errors.",
        (MODEL, TENANT, LAYER),
        (
            Row("", _headlines()),
            Row("Use", _use()),
            Row("Service to each tenant", _service()),
            Row("GPUs behind the calls", _gpus()),
            Row("Over the time shown", [_table(), _unpriced()]),
        ),
        pages_url,
        span="now-6h",
    )


def _kind(kind: str) -> str:
    return where(TOKENS, f'kind="{kind}"')


def _headlines() -> list[Json]:
    tokens = where(TOKENS, 'kind=~"input|output"')
    return [
        stat(
            "Tenants active",
            About("Tenants with calls just now.", "fewer than usual: ask who is missing."),
            Look("none"),
            Query(f"count({rate(CALLS, 'tenant')} > 0)"),
            width=4,
        ),
        stat(
            "Input tokens",
            About("Tokens sent to models per second, with cached ones.", "see the busiest tenant."),
            Look("suffix: tok/s", decimals=0),
            Query(rate(_kind("input"))),
            width=4,
        ),
        stat(
            "Output tokens",
            About("Tokens generated per second.", "see the busiest tenant."),
            Look("suffix: tok/s", decimals=0),
            Query(rate(_kind("output"))),
            width=4,
        ),
        stat(
            "Cost per hour",
            About(
                f"US dollars per hour at the present rate, by the price table. {NOT_A_BILL}",
                "no value: the settings have no price for these models.",
            ),
            Look("currencyUSD", decimals=2),
            Query(f"3600 * {rate(COST)}"),
            width=4,
        ),
        stat(
            "Busiest share",
            About(
                "Share of all tokens that go to the busiest tenant.",
                "near 100 % on a shared model: agree on a quota before others queue.",
            ),
            Look("percentunit", none=style.NO_TRAFFIC, decimals=0),
            Query(share(f"max({rate(tokens, 'tenant')})", rate(tokens))),
            width=4,
        ),
        stat(
            "Cached input",
            About(
                "Share of input tokens that were read from the cache.",
                "a fall: prompts no longer begin alike; ask what changed in their templates.",
            ),
            Look("percentunit", none="not reported", decimals=0),
            Query(share(rate(_kind("cached_input")), rate(_kind("input")))),
            width=4,
        ),
    ]


def _use() -> list[Json]:
    def top(expr: str) -> Query:
        return Query(f"topk({MOST}, {expr})", "{{tenant}}")

    here = Look(
        "reqps", link=page_of(SERVING_PAGE, tenant="${__field.labels.tenant}"), link_title="This tenant's calls"
    )
    return [
        lines(
            "Requests by tenant",
            About("Calls per second of the ten busiest tenants.", "a step: ask the tenant."),
            here,
            top(rate(CALLS, "tenant")),
        ),
        lines(
            "Cost per hour by tenant",
            About(
                f"US dollars per hour at the present rate, stacked. {NOT_A_BILL}",
                "a step without more requests: responses or prompts got longer.",
            ),
            Look("currencyUSD", decimals=2),
            top(f"3600 * {rate(COST, 'tenant')}"),
            stacked=True,
        ),
        lines(
            "Input tokens by tenant",
            About("Tokens sent per second, ten busiest.", "compare with requests."),
            Look("suffix: tok/s"),
            top(rate(_kind("input"), "tenant")),
        ),
        lines(
            "Output tokens by tenant",
            About("Tokens generated per second, ten busiest.", "compare with requests."),
            Look("suffix: tok/s"),
            top(rate(_kind("output"), "tenant")),
        ),
    ]


def _service() -> list[Json]:
    gave_up = share_of(where(CALLS, 'status="aborted"'), "tenant")
    return [
        lines(
            "Errors by tenant",
            About(
                "Share of the tenant's calls that ended with an error, ten worst.",
                "one tenant only: its requests are wrong or over a limit; all: see the serving dashboard.",
            ),
            Look("percentunit", style.limit(ERROR_LIMIT)),
            Query(f"topk({MOST}, {error_share('tenant')})", "{{tenant}}"),
            width=8,
        ),
        lines(
            "Given up by the caller",
            About(
                "Share of the tenant's calls that the caller ended before the response did, ten highest.",
                "grows with latency: people wait too long.",
            ),
            Look("percentunit"),
            Query(f"topk({MOST}, {gave_up})", "{{tenant}}"),
            width=8,
        ),
        lines(
            "Time to first token by tenant, p95",
            About(
                "95 % of the tenant's streamed calls get their first token sooner. Diamonds are single traces.",
                "one tenant slower on the same model: its prompts are longer or its calls come in bursts.",
            ),
            Look("s"),
            Query(f"topk({MOST}, {quantile(0.95, *TTFT, by='tenant')})", "{{tenant}}", exemplars=True),
            width=8,
        ),
    ]


def _gpus() -> list[Json]:
    mine = '{model=~"$model",tenant=~"$tenant",layer="$layer"}'
    models = '{model=~"$model",layer="$layer"}'
    split = "a service's share of the GPUs, split by the tokens of each tenant"
    absent = "nothing shown: name the model as the service of its GPUs in gpu.owners"
    return [
        lines(
            "GPUs busy by tenant",
            About(f"How many GPUs each tenant's calls keep busy: {split}; ten largest.", f"{absent}."),
            Look("short", decimals=2),
            Query(f"topk({MOST}, sum by (tenant) (tenant_model_layer:gpu_busy_seconds:rate5m{mine}))", "{{tenant}}"),
            width=6,
            stacked=True,
        ),
        lines(
            "GPU power by tenant",
            About(
                f"Power that each tenant's calls draw: {split}; ten largest.", f"use it to share the bill; {absent}."
            ),
            Look("watt"),
            Query(f"topk({MOST}, sum by (tenant) (tenant_model_layer:gpu_energy_joules:rate5m{mine}))", "{{tenant}}"),
            width=6,
            stacked=True,
        ),
        lines(
            "GPU time per 1,000 tokens",
            About(
                "GPU time that a model needs for 1,000 tokens, those in and those out.",
                "grows without longer prompts: the GPUs wait; look at batch sizes and at their load.",
            ),
            Look("s"),
            Query(f"max by (model) (model_layer:gpu_seconds_per_1000_tokens:ratio5m{models})", "{{model}}"),
            width=6,
        ),
        lines(
            "GPU energy per 1,000 tokens",
            About(
                "Energy that a model's GPUs use for 1,000 tokens, those in and those out.",
                "much higher at night: GPUs that idle; fewer replicas would do.",
            ),
            Look("joule"),
            Query(f"max by (model) (model_layer:gpu_joules_per_1000_tokens:ratio5m{models})", "{{model}}"),
            width=6,
        ),
    ]


def _table() -> Json:
    both = "tenant, model"
    queries = (
        grown(CALLS, both),
        share(f"({grown(ERRORS, both)} or 0 * {grown(CALLS, both)})", grown(CALLS, both)),
        grown(_kind("input"), both),
        grown(_kind("output"), both),
        grown(COST, both),
    )
    heads = {
        "tenant": "Tenant",
        "model": "Model",
        "Value #A": "Requests",
        "Value #B": "Errors",
        "Value #C": "Input tokens",
        "Value #D": "Output tokens",
        "Value #E": "Cost",
    }
    return table(
        "Tenants and models",
        About(
            f"What each tenant used of each model in the time shown above. {NOT_A_BILL}",
            "follow a row to the tenant's calls.",
        ),
        Look(
            "short",
            overrides=[
                style.by_name(
                    "Tenant", links=[{"title": "This tenant", "url": row_page(SERVING_PAGE, "tenant", "Tenant")}]
                ),
                style.by_name("Model", links=[{"title": "This model", "url": row_page(MODEL_PAGE, "model", "Model")}]),
                style.by_name("Requests", unit="none", decimals=0),
                style.by_name(
                    "Errors",
                    unit="percentunit",
                    decimals=2,
                    thresholds=style.over(ERROR_LIMIT / 5, ERROR_LIMIT),
                    custom__cellOptions={"type": "color-text"},
                ),
                style.by_regex("/tokens/", unit="short", decimals=1),
                style.by_name("Cost", unit="currencyUSD", decimals=2),
            ],
        ),
        heads,
        *(Query(query, table=True) for query in queries),
        sort="Cost",
        width=18,
        height=12,
    )


def _unpriced() -> Json:
    calls = 'telltale_unpriced_calls_total{model=~"$model"}'
    return bars(
        "Calls without a price",
        About(
            "Calls in the time shown above, of models that the price table does not name: cost leaves them out.",
            "add the model to prices in the settings.",
        ),
        Look("short", decimals=0, none="None"),
        Query(f"topk({MOST}, {grown(calls, 'model')} > 0)", "{{model}}"),
        width=6,
        height=12,
    )
