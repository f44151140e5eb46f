"""The store: is it looked after, does it keep what it should, and will it go on doing so?

All processes of one Telltale share one store, so that what each of them says of it is the same.
"""

from __future__ import annotations

from alerting.rules.rule import Rule
from telltale.settings import Settings

DAY_S = 86400.0
STALE_S = 900
AHEAD_DAYS = 3


def rules(settings: Settings) -> tuple[Rule, ...]:
    """Retention and size limit work on samples; what people said and decided is never deleted."""
    # Once retention deletes as much as comes in, the store grows no longer: it must be further away than the limit.
    young = settings.store.retention - AHEAD_DAYS * DAY_S
    return (
        Rule(
            name="StoreLimitReached",
            severity="ticket",
            lane="ops",
            component="collector",
            # A limit that is reached deletes at each upkeep under traffic; at night there may be nothing to delete.
            expr='sum(increase(telltale_store_deleted_samples_total{reason="max_bytes"}[6h])) > 0',
            summary="The store is full: samples are deleted before their time",
            description=(
                "{{ $value | humanize }} samples were deleted in 6 hours because the store is as large as "
                "store.max_bytes allows, though store.retention would still keep them. The oldest go first."
            ),
            signal="telltale_store_deleted_samples_total",
        ),
        Rule(
            name="StoreFillsUp",
            severity="ticket",
            lane="ops",
            component="collector",
            # Growth over one whole day, because nights and days differ; a large import into a store that is far from
            # full says nothing of the days to come.
            expr=(
                f"max(telltale_store_bytes) + max(delta(telltale_store_bytes[1d])) * {AHEAD_DAYS}"
                " > max(telltale_store_max_bytes)\n"
                "and max(telltale_store_bytes) > 0.5 * max(telltale_store_max_bytes)\n"
                f"and time() - min(telltale_store_oldest_sample_timestamp_seconds) < {young:.0f}"
            ),
            hold_s=3600.0,
            keep_s=3600.0,
            summary=f"The store reaches its limit within {AHEAD_DAYS} days",
            description=(
                f"As the store grew in the last day, it has {{{{ $value | humanize1024 }}}}B in {AHEAD_DAYS} days, "
                "more than store.max_bytes allows: samples will be deleted before store.retention is over."
            ),
            signal="telltale_store_bytes",
        ),
        Rule(
            name="StoreUpkeepStale",
            severity="ticket",
            lane="ops",
            component="collector",
            # A collector whose every round failed since it started has no time of the last one.
            expr=(
                f"time() - max(telltale_store_upkeep_last_success_timestamp_seconds) > {STALE_S}\n"
                'or max(up{job="telltale-collector"}) == 1\n'
                "  unless max(telltale_store_upkeep_last_success_timestamp_seconds)"
            ),
            hold_s=300.0,
            summary="Nobody looks after the store",
            description=(
                "The collector could not finish the store's upkeep: nothing is deleted by age or because of the limit "
                "on its size, and what is stored stays in small blocks. The store grows until its disk is full."
            ),
            signal="telltale_store_upkeep_last_success_timestamp_seconds",
        ),
    )
