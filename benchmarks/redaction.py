"""What redaction costs by kind of text, and whether that stays the same however long the text is.

    python -m benchmarks.redaction [--rounds 5] [--sizes 2 64 1024] [--only csv]

Prints a Markdown table: microseconds of CPU per 2,000 characters, the fastest of the rounds, for texts of each size in
KiB. A cost that grows from left to right is not linear. `re` is a handful of everyday patterns in Python's `re`, one
substitution after the other, on the shortest size: what a team writes first. It finds fewer kinds and checks nothing;
it is there because ratios of one run hold where absolute figures drift with the machine's load.
"""

from __future__ import annotations

import argparse
import base64
import random
import re
import time
import uuid
from collections.abc import Callable

from telltale.redaction import redact

ENGLISH = (
    "the",
    "model",
    "answers",
    "a",
    "question",
    "about",
    "reset",
    "buttons",
    "and",
    "invoices,",
    "please;",
    "thanks",
)
KOREAN = ("모델이", "질문에", "답합니다", "초기화", "버튼은", "어디에", "있나요", "청구서를", "다시", "보내", "주세요")
CODE = """\
@dataclass(frozen=True, slots=True)
class Window:
    start: datetime
    counts: dict[str, int] = field(default_factory=dict)

    def add(self, key: str, value: int = 1) -> None:
        if key not in self.counts and len(self.counts) >= 4096:
            raise ValueError(f"window {self.start:%Y-%m-%d}: more than {4096} keys")
        self.counts[key] = self.counts.get(key, 0) + value * scale[::2][0]

token = tokenizer.decode(ids[1:128], skip_special_tokens=True)  # max_tokens=4096
api_key = os.environ["SERVICE_API_KEY"]; std::vector<int> rows{1, 2, 3};
"""

# The everyday patterns. Each repetition is bounded, or a long text would take minutes.
BASELINE = [
    re.compile(pattern)
    for pattern in (
        r"\b[\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63}){1,4}\b",
        r"(?<!\d)(?:\+?\d{1,3}[ .-]?)?\(?\d{2,4}\)?[ .-]\d{3,4}[ .-]\d{4}(?!\d)",
        r"(?<!\d)\d(?:[ -]?\d){12,18}(?!\d)",
        r"\b[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){3,7}(?: ?[A-Z0-9]{1,3})?\b",
        r"(?<!\d)\d{6}-[1-8]\d{6}(?!\d)",
        r"(?<!\d)\d{3}-\d{2}-\d{4}(?!\d)",
        r"(?<![\d.])(?:\d{1,3}\.){3}\d{1,3}(?![\d.])",
        r"\b(?:[0-9a-fA-F]{1,4}:){2,7}[0-9a-fA-F]{1,4}\b",
        r"\beyJ[\w-]{10,2000}\.[\w-]{10,2000}\.[\w-]{10,2000}",
        r"\b(?:sk-|gh[pousr]_|xox[bp]-|AKIA|AIza|hf_|glpat-)[\w-]{16,200}",
        r"(?i)\b(?:password|passwd|pwd|secret|token|api[_-]?key)\b[\"']?\s{0,4}[:=]\s{0,4}[\"']?[^\s\"',;]{4,200}",
        r"://[^\s:/@]{1,64}:[^\s:/@]{1,64}@",
    )
]

Pieces = Callable[[random.Random], str]


def _ip(draw: random.Random) -> str:
    return f"198.51.100.{draw.randrange(256)}"


def _clock(draw: random.Random) -> str:
    return (
        f"2026-11-30T{draw.randrange(24):02}:{draw.randrange(60):02}:{draw.randrange(60):02}.{draw.randrange(1000):03}Z"
    )


def _near_miss(draw: random.Random) -> str:
    """Shaped as a card, wrong by its last digit."""
    body = f"4{draw.randrange(10**14):014}"
    odd = sum(sum(divmod(2 * int(c), 10)) for c in body[::2]) + sum(map(int, body[1::2]))
    number = f"{body}{(-odd + 1) % 10}"
    return " ".join(number[i : i + 4] for i in range(0, 16, 4))


def _json(draw: random.Random) -> str:
    return f'{{"id": {draw.randrange(10**7)}, "p99": {draw.random() * 900:.3f}, "n": {draw.randrange(5000)}}}, '


def _log(draw: random.Random) -> str:
    return f"{_clock(draw)} INFO {_ip(draw)} GET /items/{draw.randrange(10**6)} 200 {draw.randrange(900)}ms\n"


def _version(draw: random.Random) -> str:
    return ".".join(str(draw.randrange(most)) for most in (30, 30, 30, 3000)) + " "


TEXTS: dict[str, Pieces] = {
    "prose": lambda draw: draw.choice(ENGLISH) + " ",
    "prose, an address in 2,000": lambda draw: draw.choice(ENGLISH) + draw.choices((" ", " ada@b.org "), (350, 1))[0],
    "Korean": lambda draw: draw.choice(KOREAN) + " ",
    "code": lambda _: CODE,
    "JSON of numbers": _json,
    "CSV of times": lambda draw: _clock(draw)[:-5].replace("T", " ") + f",{draw.randrange(900)}\n",
    "CSV of floats": lambda draw: f"{draw.random():.10f},{draw.uniform(-90, 90):.6f}\n",
    "epoch ms columns": lambda draw: f"{1_790_000_000_000 + draw.randrange(10**9)} {draw.randrange(100)}\n",
    "UUIDs": lambda draw: f"{uuid.UUID(int=draw.getrandbits(128))}\n",
    "hex": lambda draw: draw.randbytes(32).hex() + " ",
    "hex, one word": lambda draw: draw.randbytes(32).hex(),
    "base64, one word": lambda draw: base64.b64encode(draw.randbytes(48)).decode(),
    "digits, one word": lambda draw: f"{draw.randrange(10**9):09}",
    "log lines": _log,
    "near-miss cards": lambda draw: _near_miss(draw) + "\n",
    "one group of a card": lambda _: "4111 ",
    "tables of four digits": lambda draw: " ".join(str(draw.randrange(1000, 10_000)) for _ in range(8)) + "\n",
    "ids of 16 digits": lambda draw: f"{draw.randrange(4 * 10**15, 6 * 10**15)}\n",
    "addresses, all removed": lambda draw: _ip(draw) + "\n",
    "base64, lines": lambda draw: base64.b64encode(draw.randbytes(57)).decode() + "\n",
    "1-1-1": lambda _: "1-",
    "dotted versions": _version,
    "names without values": lambda _: "password: token= api_key: 비밀번호: ",
    "at signs": lambda _: "a@",
    "colons": lambda _: "a::",
    "backslashes": lambda _: "\\\\",
}


def text(pieces: Pieces, size: int) -> str:
    draw, made, length = random.Random(size), list[str](), 0
    while length < size:
        made.append(pieces(draw))
        length += len(made[-1])
    return "".join(made)[:size]


def baseline(text: str) -> str:
    for pattern in BASELINE:
        text = pattern.sub("[X]", text)
    return text


def cost(work: Callable[[str], object], text: str, rounds: int) -> float:
    """Microseconds of CPU per 2,000 characters, the fastest of the rounds, each of 5 ms at least."""
    repeat = 1
    while (taken := _timed(work, text, repeat)) < 0.005:
        repeat *= 2
    best = min([taken, *(_timed(work, text, repeat) for _ in range(rounds - 1))])
    return best / repeat / len(text) * 2000 * 1e6


def _timed(work: Callable[[str], object], text: str, repeat: int) -> float:
    begin = time.process_time()
    for _ in range(repeat):
        work(text)
    return time.process_time() - begin


def main(rounds: int, sizes: list[int], only: str) -> None:
    redact("")  # compiles
    print("| text | " + " | ".join(f"{size:,} KiB" for size in sizes) + " | `re` | ours ÷ `re` |")
    print("|---" + "|---:" * (len(sizes) + 2) + "|")
    for name, pieces in TEXTS.items():
        if only not in name:
            continue
        ours = [cost(redact, text(pieces, size * 1024), rounds) for size in sizes]
        other = cost(baseline, text(pieces, sizes[0] * 1024), rounds)
        cells = [f"{figure:,.1f}" for figure in (*ours, other)] + [f"{ours[0] / other:.2f}"]
        print(f"| {name} | " + " | ".join(cells) + " |", flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5, help="rounds a figure, of which the fastest is printed (5)")
    parser.add_argument(
        "--sizes", type=int, nargs="+", default=[2, 64, 1024], metavar="KIB", help="sizes of the texts (2 64 1024)"
    )
    parser.add_argument("--only", default="", help="only texts whose name contains this")
    chosen = parser.parse_args()
    main(chosen.rounds, chosen.sizes, chosen.only)
