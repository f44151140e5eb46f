"""People's feedback: whether it still comes."""

from __future__ import annotations

from typing import Final

from alerting.rules import traffic
from alerting.rules.rule import Record, Rule
from telltale.settings import Settings

EVENTS: Final = "telltale:feedback_events:increase1h"
# So many expected and none come: that is no chance.
EXPECTED: Final = 20

RECORDS: Final = (Record(EVENTS, "sum(increase(telltale_feedback_events_total[1h]))"),)


def rules(settings: Settings) -> tuple[Rule, ...]:
    """Where nobody ever voted nothing is expected: a button that does not exist cannot break."""
    calls = traffic.CALLS
    return (
        Rule(
            name="FeedbackSilent",
            severity="ticket",
            lane="ops",
            component="model",
            # Expected of a day's calls, by how often people spoke in the six days before. Of calls ten minutes of each
            # hour are enough.
            expr=(
                f"(sum_over_time({EVENTS}[1d:1h]) or vector(0)) == 0\n"
                f"and on () sum_over_time({EVENTS}[6d:1h] offset 1d)\n"
                f"  / on () sum(sum_over_time({calls}[6d:1h] offset 1d))\n"
                f"  * on () sum(sum_over_time({calls}[1d:1h])) > {EXPECTED}\n"
                'and on () min(up{job="telltale-web"}) == 1'
            ),
            hold_s=3600.0,
            keep_s=900.0,
            summary="No feedback has come for a day",
            description=(
                f"Nobody has said anything of a response for a day, where more than {EXPECTED} would be expected of as "
                "many calls: what people think of responses is not seen, and NegativeFeedbackHigh cannot fire."
            ),
            signal=f"sum_over_time({EVENTS}[1d:1h]) > 0",
        ),
    )
