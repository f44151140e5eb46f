"""Data quality: false alarms and power of its monitor over answers of many languages and forms.

    python benchmarks/monitors_quality.py [--runs 20] [--windows 20] [--size 400] [--reference 2000] [--seed 9000000]

A run freezes one reference and judges windows against it. Answers come in conversations of one to four, as prose in
English, Korean, Japanese and Chinese, as lists, tables, code, JSON and chat with emoji, of which half end without any
mark. `named` tells how often the fault that was planted is among the shares that are shown. Nothing was tuned on the
default seed. Needs one core and a few minutes.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import NamedTuple

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from monitors import calibration, terms
from monitors.judgement import is_hit
from monitors.quality import Quality
from monitors.registry import MONITORS
from monitors.rows import Comparison, Rows, side
from monitors.votes import wilson
from telltale.evidence.scores import ShareChanges
from telltale.records import Series
from telltale.settings import Monitor

PROSE = (
    "Open the settings and choose the plan that you want. Then press save. It is active at once.",
    "The refund was sent on Monday, and it takes up to five days until it is in your account.",
    "환불은 월요일에 처리되었습니다. 고객님의 계좌로 입금되는 데에는 최대 오 일이 걸립니다.",
    "설정을 열고 원하는 요금제를 선택하세요. 그런 다음 저장을 누르시면 됩니다",
    "返金は月曜日に処理されました。お客様の口座に入金されるまでに最大五日かかります。",
    "設定を開いて、ご希望のプランを選んでください。保存を押すとすぐに有効になります",
    "退款已于周一处理。款项最多需要五天才能到达您的账户。",
)
OPEN = ("Sure thing 👍", "See you on {0} 🎉", "네 알겠습니다 😊", "Order {0}", "Yes", "{0}")
Write = Callable[[Random], str]


def prose(random: Random) -> str:
    return " ".join(random.choices(PROSE, k=random.randint(1, 5)))


def chat(random: Random) -> str:
    return random.choice(OPEN).format(random.randrange(1000))


def items(random: Random) -> str:
    words = ["apples", "fresh bread", "the new cable", "two screws", "a map of the city", "oil"]
    chosen = random.sample(words, random.randint(2, 6))
    mark = random.choice(("- {1}", "{0}. {1}", "* {1}"))
    return "You need:\n" + "\n".join(mark.format(place + 1, one) for place, one in enumerate(chosen))


def table(random: Random) -> str:
    lines = [f"| {place} | {random.randrange(10_000)} |" for place in range(random.randint(2, 9))]
    return "\n".join(["| day | calls |", "|---|---|", *lines])


def code(random: Random) -> str:
    return f"Use this:\n\n```python\ndef f(x):\n    return x + {random.randrange(100)}\n```"


def data(random: Random) -> str:
    return json.dumps({"order": random.randrange(10_000), "state": random.choice(["open", "sent"]), "note": None})


FORMS: tuple[Write, ...] = (prose, prose, prose, prose, chat, items, table, code, data)


class Answer(NamedTuple):
    text: str
    seconds: float
    reason: str


class Fault(NamedTuple):
    """What happens to a share of the answers, and what the monitor calls it."""

    name: str
    named: str
    share: float
    change: Callable[[Answer, Random], Answer]


def cut(answer: Answer, random: Random) -> Answer:
    return answer._replace(text=answer.text[: max(1, len(answer.text) * random.randint(40, 90) // 100)].rstrip())


def looping(answer: Answer, random: Random) -> Answer:
    return answer._replace(text=answer.text + (" " + answer.text.split()[-1]) * random.randint(40, 90))


FAULTS = (
    Fault("10 % truncated", "breaks off", 0.1, cut),
    Fault("5 % truncated", "breaks off", 0.05, cut),
    Fault("3 % empty", "empty", 0.03, lambda answer, _: answer._replace(text="")),
    Fault("3 % loops", "loop", 0.03, looping),
    Fault("3 % noise", "noise", 0.03, lambda answer, _: answer._replace(text=answer.text[:5] + "\ufffd")),
    Fault(
        "5 % broken JSON", "broken JSON", 0.05, lambda answer, _: answer._replace(text='{"order": 4, "state": open}')
    ),
    Fault("5 % stopped by length", "finish reason length", 0.05, lambda answer, _: answer._replace(reason="length")),
    Fault(
        "10 % ten times slower", "duration above", 0.1, lambda answer, _: answer._replace(seconds=10 * answer.seconds)
    ),
)


def rows(count: int, fault: Fault | None, random: Random, forms: tuple[Write, ...] = FORMS) -> Rows:
    answers: list[Answer] = []
    groups: list[str] = []
    while len(answers) < count:
        form, group = random.choice(forms), f"{random.getrandbits(64):x}"
        for _ in range(random.randint(1, 4)):
            answer = Answer(form(random), random.gammavariate(2, 0.8), "stop" if random.random() < 0.97 else "length")
            is_hurt = fault is not None and random.random() < fault.share
            answers.append(fault.change(answer, random) if fault and is_hurt else answer)
            groups.append(group)
    kept = answers[:count]
    return Rows(
        ids=tuple(range(count)),
        times=tuple(map(float, range(count))),
        groups=tuple(groups[:count]),
        weights=(1.0,) * count,
        texts={"response": tuple([one.text for one in kept])},
        numbers={"duration_s": tuple([one.seconds for one in kept])},
        categories={"finish_reason": tuple([one.reason for one in kept])},
    )


def play(fault: Fault | None, runs: int, windows: int, size: int, reference: int, seed: int) -> tuple[int, int, int]:
    """Windows judged, hit, and those that name the fault."""
    settings = Monitor()
    monitor = Quality.of(terms.of(MONITORS, settings)[Quality])
    hits = named = 0
    for run in range(runs):
        random = Random(seed + run)
        before = rows(reference, None, random)
        whole = side(before, monitor.describe(before, "response"))
        factors = monitor.learn(calibration.blocks(monitor, whole, "calls", "response", settings.min_rows))
        for _ in range(windows):
            part = rows(size, fault, random)
            now = side(part, monitor.describe(part, "response"))
            (score,) = monitor.judge(Comparison(Series("m", "v"), "calls", "response", 0.0, 1.0, now, whole, factors))
            hits += is_hit(score)
            finding = score.details.finding
            shown = [one.name for one in finding.shares] if isinstance(finding, ShareChanges) else []
            named += fault is not None and is_hit(score) and any(name.startswith(fault.named) for name in shown)
    return runs * windows, hits, named


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=20, help="references, each with windows of its own")
    parser.add_argument("--windows", type=int, default=20, help="windows a reference")
    parser.add_argument("--size", type=int, default=400, help="answers a window")
    parser.add_argument("--reference", type=int, default=2000, help="answers a reference")
    parser.add_argument("--seed", type=int, default=9_000_000)
    args = parser.parse_args()
    began = time.process_time()
    print(f"{args.size} answers a window, {args.reference} of the reference\n")
    print("| change | windows hit (95 %) | named |")
    print("|---|---|---|")
    for fault in (None, *FAULTS):
        windows = args.windows if fault is None else max(1, args.windows // 4)
        judged, hits, named = play(fault, args.runs, windows, args.size, args.reference, args.seed)
        lower, upper = wilson(hits, judged)
        print(
            f"| {fault.name if fault else 'nothing'} | {hits}/{judged} = {hits / judged:.2%} "
            f"({lower:.2%} to {upper:.2%}) | {named if fault else '-'} |",
            flush=True,
        )
    print(f"\n{time.process_time() - began:.0f} CPU seconds")
    return 0


if __name__ == "__main__":
    sys.exit(main())
