"""Which calls a queue gets: an audit drawn from all traffic, or those that people disliked. Pure.

An audit is drawn within strata by what people said of the calls, each with a known probability, so that the labels say
how good all answers are. What is chosen otherwise shows faults, and says nothing of how frequent they are.
"""

from __future__ import annotations

import json
import random
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final, Literal, NamedTuple

from telltale.feedback import Vote, is_negative
from telltale.records import Feedback, Sample

Stratum = Literal["down", "up", "silent"]
# Of an audit, so much is of calls that people voted on: few vote, and those who do tell where faults are.
SHARE: Final[Mapping[Stratum, float]] = {"down": 0.2, "up": 0.2}
MOST_ITEMS: Final = 200_000


class Wanted(NamedTuple):
    """Which calls; an empty text asks for nothing."""

    model: str
    version: str = ""
    tenant: str = ""
    app: str = ""
    since: float | None = None
    until: float | None = None


class Chosen(NamedTuple):
    """A call for a queue; `probability` is that with which it came of all traffic, None where it was picked."""

    call: Sample
    stratum: str = ""
    probability: float | None = None
    # To compare with: another answer to the same.
    other: Sample | None = None


def fits(wanted: Wanted) -> Callable[[Sample], bool]:
    """Whether a call of that model is one of those that are wanted."""
    asked = [(name, getattr(wanted, name)) for name in ("version", "tenant", "app") if getattr(wanted, name)]
    return lambda call: all(getattr(call, name) == value for name, value in asked)


def audit(calls: Sequence[Sample], votes: Iterable[Vote], most: int, seed: int) -> list[Chosen]:
    """At most so many calls, drawn within strata; calls that were not sampled by chance are left out."""
    drawable = [call for call in calls if call.inclusion_probability is not None]
    said = _strata(votes)
    strata: defaultdict[Stratum, list[Sample]] = defaultdict(list)
    for call in drawable:
        strata[said.get(call.id, "silent")].append(call)
    generator = random.Random(seed)  # noqa: S311 - a draw that can be repeated
    found: list[Chosen] = []
    for stratum, wanted in _shares({name: len(own) for name, own in strata.items()}, most).items():
        own = sorted(strata[stratum], key=lambda call: call.id or 0)
        share = wanted / len(own)
        drawn = generator.sample(own, wanted)
        found += [Chosen(call, stratum, share * (call.inclusion_probability or 1.0)) for call in drawn]
    # In no order that tells the stratum.
    generator.shuffle(found)
    return found


def disliked(votes: Iterable[Vote], is_wanted: Callable[[Sample], bool], most: int) -> list[Chosen]:
    """The calls that people voted down, the newest vote first."""
    calls = {vote.call.id: vote.call for vote in votes if vote.is_negative and is_wanted(vote.call)}
    return [Chosen(call) for call in list(calls.values())[::-1][:most]]


def pairs(first: Iterable[Sample], second: Iterable[Sample], most: int, seed: int) -> list[Chosen]:
    """Two different answers to the same turns of one tenant, each prompt once, drawn at random."""
    asked: defaultdict[tuple[str, str], list[Sample]] = defaultdict(list)
    for call in second:
        if call.response.strip():
            asked[_asked(call)].append(call)
    found: dict[tuple[str, str], Chosen] = {}
    for call in first:
        key, own = _asked(call), call.response.split()
        other = next((one for one in asked.get(key, ()) if own and one.response.split() != own), None)
        if other is not None:
            found.setdefault(key, Chosen(call, other=other))
    chosen = list(found.values())
    random.Random(seed).shuffle(chosen)  # noqa: S311 - a draw that can be repeated
    return chosen[:most]


def _asked(call: Sample) -> tuple[str, str]:
    """What the model was asked: the turns, but not the system's instructions, which a version may bring along."""
    turns = call.conversation.messages if call.conversation else call.prompt
    return call.tenant, json.dumps(turns, ensure_ascii=False, sort_keys=True, default=str)


def judged_bad(said: Iterable[tuple[Feedback, Sample]], is_wanted: Callable[[Sample], bool], most: int) -> list[Chosen]:
    """The calls that an automatic judge found bad, the newest first."""
    calls = {call.id: call for event, call in said if is_negative(event) and is_wanted(call)}
    return [Chosen(call) for call in list(calls.values())[::-1][:most]]


def disagreed(
    said: Iterable[tuple[Feedback, Sample]], votes: Iterable[Vote], is_wanted: Callable[[Sample], bool], most: int
) -> list[Chosen]:
    """The calls of which a judge and a person say the contrary: one of them is wrong, and only a review tells which."""
    people = _strata(votes)
    calls = {
        call.id: call
        for event, call in said
        if is_wanted(call) and people.get(call.id) == ("up" if is_negative(event) else "down")
    }
    return [Chosen(call) for call in list(calls.values())[::-1][:most]]


def _strata(votes: Iterable[Vote]) -> dict[int | None, Stratum]:
    """Where one person is unhappy, the call is among those: faults are what a review looks for."""
    found: dict[int | None, Stratum] = {}
    for vote in votes:
        if vote.is_negative or found.get(vote.call.id) != "down":
            found[vote.call.id] = "down" if vote.is_negative else "up"
    return found


def _shares(sizes: Mapping[Stratum, int], most: int) -> dict[Stratum, int]:
    """How many of each stratum: its share, or all of it; the silent majority has the rest."""
    found = {name: min(sizes.get(name, 0), round(share * most)) for name, share in SHARE.items()}
    found["silent"] = min(sizes.get("silent", 0), most - sum(found.values()))
    left = most - sum(found.values())
    for name in SHARE:
        more = min(left, sizes.get(name, 0) - found[name])
        found[name] += more
        left -= more
    return {name: number for name, number in found.items() if number}
