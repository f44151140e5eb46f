"""False alarms and power of the monitors, through the same calibration, judgement and persistence as in service.

    python benchmarks/monitors_power.py [--runs 40] [--windows 30] [--settings demo|default] [--seed 9000000]
        [--conversation 4]

A run freezes one reference and judges windows against it, as the service does, so an unlucky reference counts for all
of its windows. Rows come in conversations of one to four prompts on one topic. Texts come from the generator below;
with TELLTALE_CLINC naming a folder with `data_full.json.gz` and `domains.json` of clinc/oos-eval (CC BY 3.0), from
real utterances as well. Nothing was tuned on the default seed. Needs one core and some minutes.
"""

from __future__ import annotations

import argparse
import gzip
import json
import math
import os
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from monitors import calibration, terms
from monitors.judgement import is_hit
from monitors.monitor import Monitor as AnyMonitor
from monitors.persistence import derive_state
from monitors.registry import MONITORS
from monitors.rows import Comparison, Rows, Side, side
from monitors.votes import wilson
from telltale.records import Direction, Score, Series
from telltale.settings import Monitor

CONVERSATION = (1, 4)
NEW_TOPIC = -1
# As models decline, in some languages.
REFUSALS = (
    "I am sorry, I cannot help with that.",
    "I\u2019m sorry, but I can\u2019t assist with that request.",
    "I cannot provide instructions for this. Please ask a professional.",
    "As an AI language model, I do not have access to personal data.",
    "죄송합니다. 해당 요청은 도와드릴 수 없습니다.",
    "申し訳ありませんが、そのご要望にはお応えできません。",
    "很抱歉,我无法提供这方面的帮助。",
    "Je suis désolé, mais je ne peux pas vous aider avec cela.",
    "Dabei kann ich Ihnen leider nicht helfen.",
    "Lo siento, pero no puedo ayudarte con eso.",
)
SERIES = Series("m", "v")


@dataclass(frozen=True, slots=True)
class Change:
    """What differs from the reference, as shares of the rows; `jitter` moves each topic's share by a fifth or so."""

    name: str
    topic: float = 0.0
    korean: float = 0.0
    truncated: float = 0.0
    refused: float = 0.0
    jitter: bool = False


NULL = Change("nothing")
CHANGES = (
    Change("each topic's share moves by a fifth", jitter=True),
    Change("5 % new topic", topic=0.05),
    Change("10 % new topic", topic=0.1),
    Change("50 % new topic", topic=0.5),
    Change("2 % Korean", korean=0.02),
    Change("5 % Korean", korean=0.05),
    Change("10 % truncated", truncated=0.1),
    Change("10 % refusals", refused=0.1),
)
REFUSED = Change("1 % refusals as before", refused=0.01)
OF_RESPONSES = (REFUSED, Change("1 % to 3 % refusals", refused=0.03), Change("1 % to 5 % refusals", refused=0.05))
VOTES = ((0.08, 0.08), (0.3, 0.3), (0.1, 0.1), (0.08, 0.2), (0.08, 0.4), (0.1, 0.15))
SETTINGS = {
    "demo": (
        Monitor(min_rows=60, reference_rows=300, min_votes=15, reference_votes=60, alpha=0.001, persistence=(2, 3)),
        100,
        30,
    ),
    "default": (Monitor(), 500, 60),
}
"""Settings with the rows and votes that a window has."""

Write = Callable[[int, Random], str]
"""A prompt on the topic of that number, or on the new one."""


def generated(topics: int = 9) -> tuple[Write, int]:
    """Made-up words: Zipf over words that all topics share, and words of the topic's own."""
    random = Random(20_26)
    syllables = [c + v for c in "bdfgklmnprstvz" for v in "aeiou"]
    words = ["".join(random.choice(syllables) for _ in range(random.randint(1, 4))) for _ in range(300 + 40 * topics)]
    common, weights = words[:300], [1 / (rank + 3) for rank in range(300)]

    def write(topic: int, random: Random) -> str:
        number = topics - 1 if topic == NEW_TOPIC else topic
        own = words[300 + 40 * number : 340 + 40 * number]
        length = max(3, round(random.lognormvariate(2.4, 0.6)))
        chosen = random.choices(common, weights, k=length) + random.choices(own, k=max(1, length // 4))
        random.shuffle(chosen)
        return " ".join(chosen).capitalize() + random.choice("...?")

    return write, topics - 1


def clinc(folder: Path) -> tuple[Write, int]:
    """Utterances by intent; the new topic is travel, every other intent is an old one."""
    data = json.loads(gzip.decompress((folder / "data_full.json.gz").read_bytes()))
    travel = set(json.loads((folder / "domains.json").read_text())["travel"])
    intents: dict[str, list[str]] = {}
    for text, intent in (*data["train"], *data["val"], *data["test"]):
        intents.setdefault(intent, []).append(text)
    old = [texts for intent, texts in sorted(intents.items()) if intent not in travel]
    new = [text for intent in sorted(travel) for text in intents[intent]]
    # The corpus has no punctuation, which would make every marked change stand out.

    def write(topic: int, random: Random) -> str:
        return random.choice(new if topic == NEW_TOPIC else old[topic]) + random.choice("...?")

    return write, len(old)


def rows(
    write: Write, topics: int, count: int, change: Change, random: Random, *,
    direction: Direction = "prompt", conversation: int = CONVERSATION[1],
) -> Rows:  # fmt: skip
    texts: list[str] = []
    groups: list[str] = []
    weights = [random.gammavariate(25, 1) if change.jitter else 1.0 for _ in range(topics)]
    while len(texts) < count:
        topic = NEW_TOPIC if random.random() < change.topic else random.choices(range(topics), weights)[0]
        group = f"{random.getrandbits(64):x}"
        for _ in range(random.randint(1, conversation)):
            texts.append(_changed(write(topic, random), change, random))
            groups.append(group)
    return Rows(
        ids=tuple(range(count)),
        times=tuple(map(float, range(count))),
        groups=tuple(groups[:count]),
        weights=(1.0,) * count,
        texts={direction: tuple(texts[:count])},
    )


def _changed(text: str, change: Change, random: Random) -> str:
    if random.random() < change.korean:
        return " ".join("".join(chr(0xAC00 + random.randrange(600)) for _ in word) for word in text.split()) + "."
    if random.random() < change.refused:
        return random.choice(REFUSALS)
    if random.random() < change.truncated:
        return text[: max(1, len(text) * 3 // 4)].rstrip(".?")
    return text


@dataclass(slots=True)
class Tally:
    """For one monitor: windows, hits, alerts, and after how many windows each run alerted."""

    windows: int = 0
    hits: int = 0
    episodes: int = 0
    delays: list[int] | None = None

    def add(self, scores: Sequence[Score]) -> None:
        states = [score.state for score in scores]
        self.windows += len(scores)
        self.hits += sum(map(is_hit, scores))
        self.episodes += sum(now == "alert" != before for before, now in zip(["ok", *states], states, strict=False))
        if "alert" in states:
            self.delays = [*(self.delays or []), states.index("alert") + 1]


def judges(direction: Direction) -> list[type[AnyMonitor]]:
    return [kind for kind in MONITORS if direction in kind.directions]


def play(
    write: Write, topics: int, settings: Monitor, size: int, change: Change, runs: int, windows: int, seed: int, *,
    before: Change = NULL, direction: Direction = "prompt", conversation: int = CONVERSATION[1],
) -> dict[str, Tally]:  # fmt: skip
    """Judge `windows` windows of `size` rows in each of `runs` runs."""
    kinds = judges(direction)
    tallies = {kind.name: Tally() for kind in kinds}
    for run in range(runs):
        random = Random(seed + run)

        def drawn(count: int, change: Change, random: Random = random) -> Rows:
            return rows(write, topics, count, change, random, direction=direction, conversation=conversation)

        reference = drawn(settings.reference_rows, before)
        current = [drawn(size, change) for _ in range(windows)]
        for kind in kinds:
            monitor = kind.of(terms.of(MONITORS, settings)[kind])
            described = side(reference, monitor.describe(reference, direction))
            whole = replace(described, features=monitor.prepare(described))
            factors = monitor.learn(calibration.blocks(monitor, whole, "calls", direction, settings.min_rows))
            scores: list[Score] = []
            for number, part in enumerate(current):
                now = side(part, monitor.describe(part, direction))
                found = monitor.judge(
                    Comparison(SERIES, "calls", direction, float(number), number + 1.0, now, whole, factors)
                )
                scores.append(derive_state(found[0], scores, *settings.persistence))
            tallies[kind.name].add(scores)
    return tallies


def play_votes(settings: Monitor, size: int, before: float, now: float, runs: int, windows: int, seed: int) -> Tally:
    """The window's test alone; `monitors_votes.py` has all of it."""
    (kind,) = judges("feedback")
    monitor, tally = kind.of(terms.of(MONITORS, settings)[kind]), Tally()
    for run in range(runs):
        random = Random(seed + run)
        whole = _ballots(monitor, settings.reference_votes, before, random)
        scores: list[Score] = []
        for number in range(windows):
            current = _ballots(monitor, size, now, random)
            score, *_ = monitor.judge(
                Comparison(SERIES, "votes", "feedback", float(number), number + 1.0, current, whole)
            )
            scores.append(derive_state(score, scores, *settings.persistence))
        tally.add(scores)
    return tally


def _ballots(monitor: AnyMonitor, count: int, share: float, random: Random) -> Side:
    """Votes of as many people, of which about that share is negative."""
    votes = Rows(
        ids=tuple(range(count)),
        groups=tuple(map(str, range(count))),
        weights=(1.0,) * count,
        votes=tuple(int(random.random() < share) for _ in range(count)),
    )
    return side(votes, monitor.describe(votes, "feedback"))


def line(source: str, change: str, monitor: str, tally: Tally, runs: int) -> str:
    lower, upper = wilson(tally.hits, tally.windows)
    alarmed = tally.delays or []
    delay = f"{statistics.median(alarmed):g}" if alarmed else "-"
    return (
        f"| {source} | {change} | {monitor} | {tally.hits}/{tally.windows} = {tally.hits / tally.windows:.2%} "
        f"({lower:.2%} to {upper:.2%}) | {tally.episodes} | {len(alarmed)}/{runs} | {delay} |"
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--settings", choices=SETTINGS, default="demo")
    parser.add_argument("--runs", type=int, default=40, help="references, each with windows of its own")
    parser.add_argument("--windows", type=int, default=30, help="unchanged windows a reference")
    parser.add_argument("--seed", type=int, default=9_000_000)
    parser.add_argument("--conversation", type=int, default=CONVERSATION[1], help="most prompts of one conversation")
    args = parser.parse_args()
    settings, size, ballots = SETTINGS[args.settings]
    sources = {"generated": generated()}
    if folder := os.environ.get("TELLTALE_CLINC"):
        sources["clinc"] = clinc(Path(folder))
    began = time.process_time()
    need, last = settings.persistence
    print(
        f"{args.settings}: {settings.reference_rows} reference rows, {size} rows a window, alpha {settings.alpha}, "
        f"{need} of {last} windows; {settings.reference_votes} reference votes, {ballots} votes a window\n"
    )
    print("| texts | change | monitor | windows hit (95 %) | alerts begun | runs with an alert | windows to it |")
    print("|---|---|---|---|---|---|---|")
    for name, (write, topics) in sources.items():
        for change in (NULL, *CHANGES):
            quiet = change is NULL or change.jitter
            runs, windows = (args.runs, args.windows) if quiet else (math.ceil(args.runs / 3), last + 1)
            tallies = play(
                write, topics, settings, size, change, runs, windows, args.seed, conversation=args.conversation
            )
            for monitor, tally in tallies.items():
                print(line(name, change.name, monitor, tally, runs), flush=True)
        for change in OF_RESPONSES:
            windows = args.windows if change is REFUSED else last + 1
            tallies = play(
                write, topics, settings, size, change, args.runs, windows, args.seed,
                before=REFUSED, direction="response", conversation=args.conversation,
            )  # fmt: skip
            for monitor, tally in tallies.items():
                print(line(name, change.name, monitor, tally, args.runs), flush=True)
    for before, now in VOTES:
        windows = args.windows if before == now else last + 1
        tally = play_votes(settings, ballots, before, now, 10 * args.runs, windows, args.seed)
        print(
            line("votes", f"{before:.0%} to {now:.0%} negative", judges("feedback")[0].name, tally, 10 * args.runs),
            flush=True,
        )
    print(f"\n{time.process_time() - began:.0f} CPU seconds")
    return 0


if __name__ == "__main__":
    sys.exit(main())
