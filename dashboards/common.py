"""What several dashboards ask in the same way: choices, selectors, links."""

from __future__ import annotations

from collections.abc import Iterable

from dashboards import style
from dashboards.page import Variable, choice
from dashboards.query import share, where
from dashboards.style import Json

MODEL = Variable("model", "Model", "telltale_requests_total", "model", matches_absent=True)
TENANT = Variable("tenant", "Tenant", "telltale_requests_total", "tenant", matches_absent=True)
# One request is often seen by client, gateway and server: rates are shown for one of them and never added.
LAYER = Variable("layer", "Seen by", "telltale_requests_total", "layer", several=False)

CALLS = 'telltale_requests_total{model=~"$model",tenant=~"$tenant",layer="$layer"}'
ERRORS = where(CALLS, 'status="error"')
# Those of a provider: what comes out of a gateway's cache is not billed, and no GPU worked for it.
TOKENS = 'telltale_tokens_total{model=~"$model",tenant=~"$tenant",layer="$layer",cache=""}'
COST = 'telltale_cost_usd_total{model=~"$model",tenant=~"$tenant",layer="$layer"}'

_SEEN = '{gen_ai_request_model=~"$model",tenant=~"$tenant",layer="$layer"}'
DURATION = (f"gen_ai_client_operation_duration_seconds{_SEEN}", f"gen_ai_server_request_duration_seconds{_SEEN}")
TTFT = (
    f"gen_ai_client_operation_time_to_first_chunk_seconds{_SEEN}",
    f"gen_ai_server_time_to_first_token_seconds{_SEEN}",
)
# Only inference servers know when each token was generated.
TPOT = ('gen_ai_server_time_per_output_token_seconds{gen_ai_request_model=~"$model"}',)

# The calls' errors that page: alert LlmErrorRatioHigh.
ERROR_LIMIT = 0.05
MODEL_PAGE = "telltale-model"
TENANT_PAGE = "telltale-tenants"
SERVING_PAGE = "telltale-serving"
SLO_PAGE = "telltale-slo"


def state_number(selector: str) -> str:
    """The state of each of the monitors' series as its place in `style.STATES`, by a series for each state."""
    numbered = list(enumerate(style.STATES))
    # The states that a series is not in are zero.
    return " or ".join(f"""{where(selector, f'state="{name}"')} * {number}""" for number, name in numbered[1:])


def in_states(selector: str, states: Iterable[str]) -> str:
    """The same selector, of these states only."""
    names = "|".join(states)
    return where(selector, f'state=~"{names}"' if "|" in names else f'state="{names}"')


def slo(name: str, heading: str, bounds: tuple[float, ...], default: float) -> Json:
    """A choice among a histogram's own bounds: only there is the share of calls within it exact."""
    # A whole bound is written 1 by some and 1.0 by other Prometheus versions: it would match in one only.
    if any(float(bound).is_integer() for bound in bounds):
        raise ValueError(f"{name}: choose bounds with a fraction")
    return choice(name, heading, [str(bound) for bound in bounds], str(default))


def rate(selector: str, by: str = "") -> str:
    """Events per second."""
    grouped = f" by ({by})" if by else ""
    return f"sum{grouped} (rate({selector}[$__rate_interval]))"


def error_share(by: str = "") -> str:
    """The share of calls that ended with an error: zero, not nothing, while there are calls and no errors."""
    return share_of(ERRORS, by)


def share_of(part: str, by: str = "") -> str:
    """The share of calls that `part` selects."""
    return share(f"({rate(part, by)} or 0 * {rate(CALLS, by)})", rate(CALLS, by))


def grown(selector: str, by: str) -> str:
    """Increase of a counter over the whole range shown."""
    return f"sum by ({by}) (increase({selector}[$__range]))"


def as_model(expr: str) -> str:
    """Give series by `gen_ai_request_model` the label `model`, which all of our own series have."""
    return f'sum by (model) (label_replace({expr}, "model", "$1", "gen_ai_request_model", "(.*)"))'


def page_of(uid: str, **choices: str) -> str:
    """The address of another dashboard with the same data source and time, and these choices."""
    chosen = "".join(f"&var-{name}={value}" for name, value in choices.items())
    return f"/d/{uid}?${{datasource:queryparam}}&${{__url_time_range}}{chosen}"


def row_page(uid: str, variable: str, field: str) -> str:
    """The same for a table's row: `variable` takes the value of the row's `field`."""
    return page_of(uid, **{variable: f"${{__data.fields.{field}}}"})
