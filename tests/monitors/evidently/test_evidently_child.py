"""Evidently itself: one report through its own process, and awkward texts in one more process for all of them."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from dataclasses import replace
from random import Random
from typing import Any

import pytest

from monitors.evidently import process
from monitors.evidently.columns import KINDS
from monitors.evidently.exchange import Asked, LeftOut, Made, Numbers, Texts
from telltale.evidence import codec

WORDS = ("how", "do", "I", "reset", "my", "order", "number", "please", "when", "will", "it", "ship", "and", "cost")
EVALS = ("TextLength", "SentenceCount", "NonLetterCharacterPercentage", "ContainsLink", "IsValidJSON")
SURROGATE = "a\ud800b\0c"


def say(rows: int, seed: int) -> list[str]:
    random = Random(seed)
    return [" ".join(random.choices(WORDS, k=random.randint(3, 12))) + random.choice("?. ") for _ in range(rows)]


USUAL = say(60, 1)
ALL = Asked(Texts(USUAL, USUAL), presets=("drift", "summary", "text_evals"), text_drift=True)
AWKWARD = {
    "empty": [""] * 30,
    "constant": ["hello."] * 30,
    "one": ["hi"],
    "emoji": ["\U0001f600\U0001f680"] * 30,
    "unreadable": [SURROGATE] * 30,
    "100 kB": ["word " * 20_000] * 5,
    "Korean": ["주문을 취소하고 싶어요"] * 30,
    "right to left": ["\u202e\u05e9\u05dc\u05d5\u05dd"] * 30,
    "noise": ["".join(map(chr, Random(2).choices(range(1, 256), k=99)))] * 30,
    "JSON": ['{"a": NaN}', "[1", "null"] * 10,
}
# Columns are numbers and flags, whatever was said: what matters to Evidently is how many values they have.
WINDOWS = {"all": [text for texts in AWKWARD.values() for text in texts[:3]], "empty": [""] * 30, "one": ["hi"]}
# Texts without words, on which Evidently's drift of texts raises.
WORDLESS = Asked(Texts(["\U0001f600"] * 1001, ["\U0001f680"] * 1001), presets=("drift",), text_drift=True)
NOTHING = Asked(Texts([], USUAL))

RUN_ALL = """
import json, sys, warnings
warnings.simplefilter("ignore")
from monitors.evidently import child
from monitors.evidently.exchange import Asked, Numbers
from telltale.evidence import codec
for line in sys.stdin:
    made = child.report(codec.load(Asked, json.loads(line)))
    print(json.dumps({"page": len(made.html), "numbers": codec.dump(Numbers, made.numbers)}))
"""


@pytest.fixture(scope="module")
def awkward() -> dict[str, dict[str, Any]]:
    """What comes of each of the awkward windows. Evidently takes seconds to import: one process for all."""
    asked = {name: replace(ALL, texts=Texts(texts, USUAL)) for name, texts in WINDOWS.items()}
    asked |= {"wordless": WORDLESS, "nothing": NOTHING}
    lines = [json.dumps(codec.dump(Asked, process.cleaned(one))) for one in asked.values()]
    done = subprocess.run([sys.executable, "-c", RUN_ALL], input="\n".join(lines), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    return dict(zip(asked, map(json.loads, done.stdout.splitlines()), strict=True))


def numbers(found: dict[str, Any]) -> Numbers:
    return codec.load(Numbers, found["numbers"])


@pytest.fixture(scope="module")
def made() -> Made:
    """Longer answers than the reference's, one of them with a script in it."""
    longer = [f"{text} {text} {text}" for text in say(60, 3)]
    texts = Texts([*longer, f"{SURROGATE}<script>alert(1)</script>"], USUAL)
    return process.make(Asked(texts), threading.Event(), 300.0)


def test_every_descriptor_has_its_method_and_threshold(made: Made) -> None:
    found = {one.column: (one.method, one.threshold) for one in made.numbers.drift}
    assert found == {name: ("z" if kind == "flag" else "ks", 0.01) for name, kind in KINDS.items()}
    assert made.numbers.rows == (61, 60)
    assert not made.numbers.left_out


def test_it_says_what_evidently_decided(made: Made) -> None:
    detected = {one.column: one.detected for one in made.numbers.drift}
    assert detected["characters"]
    assert not detected["link"]
    assert all(one.detected == (one.value < 0.01) for one in made.numbers.drift)


def test_the_page_holds_descriptors_and_no_prompt(made: Made) -> None:
    assert "<html" in made.html[:200]
    assert "word_length" in made.html
    assert "reset my order" not in made.html
    assert "alert(1)" not in made.html


@pytest.mark.parametrize("name", WINDOWS)
def test_awkward_texts_lose_no_column_in_silence(awkward: dict[str, dict[str, Any]], name: str) -> None:
    found = awkward[name]
    told = numbers(found)
    compared, named = {one.column for one in told.drift}, {one.what for one in told.left_out}
    assert compared >= {*KINDS}
    assert compared | named >= {*KINDS, *EVALS, "text"}
    assert found["page"] > 1_000_000
    if name == "all":
        assert compared == {*KINDS, *EVALS}
        assert named == {"text"}


def test_too_few_texts_are_not_compared_as_texts(awkward: dict[str, dict[str, Any]]) -> None:
    (left_out,) = [one for one in numbers(awkward["all"]).left_out if one.what == "text"]
    assert "more than 1000 rows" in left_out.why


def test_a_column_on_which_evidently_raises_is_dropped_and_named(awkward: dict[str, dict[str, Any]]) -> None:
    told = numbers(awkward["wordless"])
    assert [one.column for one in told.drift] == [*KINDS]
    assert [*told.left_out] == [LeftOut("text", "Evidently failed on it: ValueError")]
    assert awkward["wordless"]["page"] > 1_000_000


def test_without_rows_there_is_no_page_and_each_column_says_why(awkward: dict[str, dict[str, Any]]) -> None:
    assert awkward["nothing"]["page"] == 0
    assert {one.what: one.why for one in numbers(awkward["nothing"]).left_out} == dict.fromkeys(
        KINDS, "no values in the window"
    )


def test_it_stops_as_soon_as_it_is_asked_to() -> None:
    stop = threading.Event()
    stop.set()
    with pytest.raises(process.Stopped):
        process.make(ALL, stop, 300.0)


def test_it_ends_when_its_time_is_over() -> None:
    with pytest.raises(process.NoReport, match="within 0 s"):
        process.make(ALL, threading.Event(), 0.0)


def test_settings_and_their_secrets_stay_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TELLTALE_STORE__URL", "postgresql://user:hunter2@db/t")
    environment = process.environment()
    assert "hunter2" not in str(environment)
    assert environment["DO_NOT_TRACK"] == "1"


def test_the_process_that_judges_never_imports_evidently() -> None:
    code = "import sys, monitors.serve; print('evidently' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_more_rows_than_a_report_holds_are_drawn_evenly_and_named() -> None:
    texts, left_out = process.drawn(Texts([*map(str, range(1000))], USUAL), 50)
    assert [int(text) for text in texts.current] == [*range(0, 1000, 20)]
    assert list(texts.reference) == USUAL[:0] + [USUAL[place * 60 // 50] for place in range(50)]
    assert [one.what for one in left_out] == ["950 of 1000 rows", "10 of 60 rows"]


def test_texts_longer_than_a_process_is_given_are_fewer_rows() -> None:
    texts, left_out = process.drawn(Texts(["x" * 1_000_000] * 40, USUAL), 2000)
    assert sum(map(len, texts.current)) <= process.MOST_CHARACTERS
    assert [one.what for one in left_out] == ["20 of 40 rows"]
