"""Which rows belong together, and that it is this which keeps false alarms at the stated rate."""

from __future__ import annotations

from dataclasses import replace
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from monitors import groups, near_identical, reading
from monitors.monitor import Terms
from monitors.rows import Comparison, Rows, side
from monitors.tokens import Tokens
from telltale.cli.demo import texts
from telltale.feedback import Vote
from telltale.records import Feedback, Sample, Series

CALL = Sample("", "a" * 16, 0.0, "shop", "m", "v", "client", "chat", "ok", "", "fine", 1.0)


def call(number: int, prompt: str, **fields: object) -> Sample:
    return CALL._replace(trace_id=f"{number:032x}", prompt=prompt, id=number + 1)._replace(**fields)  # type: ignore[arg-type]  # fields of a sample


def different(count: int, seed: int = 1) -> list[str]:
    random = Random(seed)
    return [f"{random.getrandbits(40):x} {texts.prompt(texts.SUPPORT, random)}" for _ in range(count)]


def test_a_conversation_counts_before_a_user_and_both_are_one_tenants() -> None:
    prompts = different(4)
    found = groups.of_calls([
        call(1, prompts[0], conversation_id="c", user="u1"),
        call(2, prompts[1], conversation_id="c", user="u2"),
        call(3, prompts[2], user="u1"),
        call(4, prompts[3], conversation_id="c", tenant="bank"),
    ])  # fmt: skip
    assert found[0] == found[1]
    assert len(set(found)) == 3


def test_the_calls_of_one_trace_belong_together_when_nobody_says_more() -> None:
    prompts = different(3)
    found = groups.of_calls([call(1, prompts[0]), call(1, prompts[1], span_id="b" * 16), call(2, prompts[2])])
    assert found[0] == found[1] != found[2]


def test_scripts_that_repeat_themselves_are_one_group() -> None:
    bot = [call(n, f"Health check {n}: please answer OK so that we know that the service is alive") for n in range(15)]
    people = [call(100 + n, prompt) for n, prompt in enumerate(different(100))]
    found = groups.of_calls([*bot, *people])
    assert len(set(found[:15])) == 1
    assert len(set(found[15:])) >= 98


def test_a_constant_conversation_id_is_no_group() -> None:
    """Some services send the same id with every call; all of it as one group could never be judged."""
    calls = [call(n, prompt, conversation_id="default") for n, prompt in enumerate(different(100))]
    assert len(set(groups.of_calls(calls))) >= 98


def test_a_template_that_all_prompts_are_made_of_is_no_group() -> None:
    calls = [
        call(n, f"Translate the following product name into Korean and answer with it alone: {n}") for n in range(100)
    ]
    assert len(set(groups.of_calls(calls))) == 100


def test_anonymous_votes_never_merge_across_calls() -> None:
    event = Feedback(0.0, "shop", "", None, "thumb", "helpful", 0.0, "user", "k")
    votes = [Vote(replace(event, trace_id=one.trace_id), one) for one in (call(1, "a"), call(2, "b"))]
    named = [Vote(replace(vote.event, subject="s" * 64), vote.call) for vote in votes]
    assert len(set(groups.of_votes(votes))) == 2
    assert len(set(groups.of_votes(named))) == 1


@given(st.lists(st.text(max_size=200), max_size=20))
def test_any_texts_have_clusters_whose_first_is_their_own(found: list[str]) -> None:
    first = near_identical.clusters(found)
    assert all(first[place] <= place and first[first[place]] == first[place] for place in range(len(found)))
    for place, other in enumerate(first):
        if found.index(found[place]) == other:
            continue
        assert found[place] != found[found.index(found[place])] or first[found.index(found[place])] == other


def rows(random: Random, count: int) -> Rows:
    """Users who say five to fifteen things about one topic each, in conversations that nobody names."""
    calls: list[Sample] = []
    while len(calls) < count:
        user, topics = f"{random.getrandbits(64):016x}", [random.choice(texts.SUPPORT)]
        for _ in range(random.randint(5, 15)):
            calls.append(
                call(len(calls), texts.prompt(topics, random), user=user, trace_id=f"{random.getrandbits(128):032x}")
            )
    return reading.of_calls(calls[:count], [1.0] * count, [1] * count)


def test_sessions_without_ids_cost_no_false_alarms() -> None:
    """60 unchanged windows at 1 %, on seeds that nothing was tuned on: more than 4 come once in a thousand times."""
    monitor, alarms, ungrouped = Tokens(Terms(50, 0.01, floor=0.0)), 0, 0
    for seed in range(60):
        random = Random(8_000_000 + seed)
        sides = [rows(random, 150), rows(random, 300)]
        for is_grouped in (True, False):
            parts = sides if is_grouped else [replace(one, groups=tuple(map(str, one.ids))) for one in sides]
            current, reference = (side(part, monitor.describe(part, "prompt")) for part in parts)
            (score,) = monitor.judge(Comparison(Series("m", "v"), "calls", "prompt", 0.0, 1.0, current, reference))
            alarms += is_grouped and score.state == "suspect"
            ungrouped += not is_grouped and score.state == "suspect"
    assert alarms <= 4
    assert ungrouped > 10, "without groups the same traffic alarms: this test could fail"
