"""Tenants: what they cost, calls that are nobody's, GPUs that they hold and do not use."""

from __future__ import annotations

from alerting.rules.rule import Rule, selector
from telltale.settings import Settings

SPIKE, LEAST_USD = 5, 10
UNATTRIBUTED = 0.02
BUSY_SHARE = 0.02
HELD_BYTES = 1 << 30
# Layers are kept apart: the same call is often traced by client, gateway and server.
PAYER = "by (tenant, layer)"
OWNER = "by (instance, gpu, uuid, namespace, pod, tenant)"


def rules(settings: Settings) -> tuple[Rule, ...]:
    """The tenants' lane: nobody is woken, somebody is asked."""
    return (_spike(), _unattributed(), _idle())


def _spike() -> Rule:
    hour = f"sum {PAYER} (increase(telltale_cost_usd_total[1h]))"
    return Rule(
        name="TenantCostSpike",
        severity="ticket",
        lane="tenant",
        component="tenants",
        # Whoever came in these days has no mean yet; an hour of little money is no news whatever its share.
        expr=(
            f"{hour} > {SPIKE} * sum {PAYER} (increase(telltale_cost_usd_total[3d] offset 1h)) / 72\n"
            f"and {hour} > {LEAST_USD}\n"
            f"and sum {PAYER} (telltale_cost_usd_total offset 3d) >= 0"
        ),
        hold_s=1800.0,
        keep_s=3600.0,
        summary="{{ $labels.tenant }} spends {{ $value | humanize }} USD an hour",
        description=(
            "In the last hour the calls of tenant {{ $labels.tenant }}, as the {{ $labels.layer }} saw them, cost "
            f"{{{{ $value | humanize }}}} USD: more than {SPIKE} times the mean of an hour in the 3 days before."
        ),
        signal=selector("telltale_cost_usd_total", "tenant", "layer"),
    )


def _unattributed() -> Rule:
    return Rule(
        name="CostUnattributed",
        severity="info",
        lane="ops",
        component="tenants",
        # Where nobody names a tenant, there are none.
        expr=(
            'sum by (layer) (rate(telltale_tokens_total{tenant=""}[1h]))\n'
            f"  / sum by (layer) (rate(telltale_tokens_total[1h])) > {UNATTRIBUTED}\n"
            'and sum by (layer) (rate(telltale_tokens_total{tenant!=""}[1h])) > 0'
        ),
        hold_s=3600.0,
        summary="{{ $value | humanizePercentage }} of the tokens belong to no tenant",
        description=(
            "{{ $value | humanizePercentage }} of the tokens of the last hour, as the {{ $labels.layer }} saw them, "
            "named no tenant: their cost cannot be charged."
        ),
        signal=selector("telltale_tokens_total", "layer"),
    )


def _idle() -> Rule:
    return Rule(
        name="GpuIdleAllocated",
        severity="ticket",
        lane="tenant",
        component="gpu",
        expr=(
            f'sum {OWNER} (rate(gpu_owner_busy_seconds_total{{pod!=""}}[2h])) < {BUSY_SHARE}\n'
            f"and sum {OWNER} (min_over_time(gpu_owner_memory_used_bytes[2h])) > {HELD_BYTES}"
        ),
        hold_s=4 * 3600.0,
        keep_s=900.0,
        summary="{{ $labels.namespace }}/{{ $labels.pod }} holds a GPU and does not use it",
        description=(
            "For 6 hours pod {{ $labels.pod }} of namespace {{ $labels.namespace }} has had memory of GPU "
            "{{ $labels.gpu }} of {{ $labels.instance }} and used {{ $value | humanizePercentage }} of its time."
        ),
        signal=selector("gpu_owner_busy_seconds_total", "instance", "uuid", "namespace", "pod"),
    )
