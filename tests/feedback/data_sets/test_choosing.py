"""Rows that stay: each once, none that tests hold, and no more of one person than is allowed."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.data_sets import lines

from feedback.data_sets.alike import ALIKE, Alike, likeness, sketch
from feedback.export import main
from telltale.settings import Settings

WORDS = [f"w{number}" for number in range(500)]
LONG = " ".join(random.Random(7).choices(WORDS, k=60))


def manifest(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(path.with_name(path.name + ".manifest.json").read_text())
    return found


def test_rows_that_say_nearly_the_same_are_one(settings: Settings, call: Any, say: Any, tmp_path: Path) -> None:
    for number, (prompt, response, value) in enumerate(
        [
            (LONG, LONG, 1.0),
            # A changed word, and one that is the same but for it in the answer too.
            (f"{LONG} please", f"{LONG} indeed", 1.0),
            # The same prompt with another answer, and the same answer judged otherwise, are no duplicates.
            (LONG, "No.", 1.0),
            (f"{LONG} now", LONG, 0.0),
        ]
    ):
        call(number, prompt=prompt, response=response)
        say(number, value=value)
    output = tmp_path / "x.jsonl"
    main(settings, model="chat", output=output)

    assert [row["trace_id"][-1] for row in lines(tmp_path / "x.jsonl.refs.jsonl")] == ["1", "3", "4"]
    assert manifest(output)["dropped"] == {"near_duplicate": 1}


def test_turns_of_a_long_talk_are_no_duplicates(settings: Settings, call: Any, tmp_path: Path) -> None:
    from telltale.conversation import Conversation, Message, text

    turns: list[Message] = [{"role": "user", "parts": [text(LONG)]}]
    for number in range(3):
        call(number, conversation=Conversation(messages=list(turns)))
        turns.append({"role": "assistant", "parts": [text("Yes.")]})
        turns.append({"role": "user", "parts": [text(f"and {number}")]})
    main(settings, model="chat", format="prompts", output=tmp_path / "x.jsonl")

    assert len(lines(tmp_path / "x.jsonl")) == 3


def test_prompts_that_tests_hold_are_left_out(settings: Settings, call: Any, say: Any, tmp_path: Path) -> None:
    for number, prompt in enumerate(("Held out?", LONG, "Kept?", "As a chat?", "In parts?")):
        call(number, prompt=prompt)
        say(number)
    held = [
        {"prompt": " held  OUT? "},
        {"question": f"{LONG} please"},
        {"messages": [{"role": "user", "content": "As a chat?"}, {"role": "assistant", "content": "Yes."}]},
        {
            "messages": [
                {"role": "user", "content": [{"type": "text", "text": "In"}, {"type": "text", "text": "parts?"}]}
            ]
        },
    ]
    golden = tmp_path / "golden.jsonl"
    golden.write_text("\n".join(map(json.dumps, held)) + "\n")
    output = tmp_path / "x.jsonl"
    assert main(settings, model="chat", output=output, golden=[golden]) == 0

    assert [row["prompt"][0]["content"] for row in lines(output)] == ["Kept?"]
    found = manifest(output)
    assert found["dropped"] == {"golden": 3, "near_golden": 1}
    assert [entry["name"] for entry in found["spec"]["golden"]] == ["golden.jsonl"]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        (
            "x.jsonl",
            b'{"prompt": "a"}\n{"answer": 1}\n',
            "x.jsonl, line 2: '{\"answer\": 1}' holds no prompt; each line is",
        ),
        ("x.jsonl", b"hello\n", "line 1: 'hello' holds no prompt"),
        ("x.jsonl", b'[{"role": "user", "content": 7}]', 'line 1: \'[{"role": "user", "content": 7}]\' holds no'),
        ("x.txt", b"\xff\xfe", "not UTF-8 text at byte 0"),
        ("none.jsonl", None, "none.jsonl: No such file or directory; name a file of held-out prompts"),
    ],
)
def test_a_file_of_held_out_prompts_that_cannot_be_read_is_named(
    settings: Settings,
    call: Any,
    say: Any,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    name: str,
    content: bytes | None,
    message: str,
) -> None:
    call(0)
    say(0)
    if content is not None:
        (tmp_path / name).write_bytes(content)

    assert main(settings, model="chat", output=tmp_path / "out.jsonl", golden=[tmp_path / name]) == 1
    assert message in capsys.readouterr().err
    assert not (tmp_path / "out.jsonl").exists()


def test_one_person_supports_so_many_rows(settings: Settings, call: Any, say: Any, tmp_path: Path) -> None:
    limited = settings.model_copy(update={"data_sets": settings.data_sets.model_copy(update={"per_subject": 2})})
    for number in range(5):
        call(number)
        say(number, subject="loud")
    call(5)
    say(5, subject="other")
    main(limited, model="chat", output=tmp_path / "x.jsonl")

    assert len(lines(tmp_path / "x.jsonl")) == 3
    assert manifest(tmp_path / "x.jsonl")["dropped"] == {"per_subject": 3}


def test_rows_that_only_their_caller_supports_are_marked_and_may_be_left_out(
    settings: Settings, call: Any, say: Any, tmp_path: Path
) -> None:
    from telltale.feedback import caller_hash, subject_hash

    for number, voter in enumerate(("eve", "mina")):
        call(number, user=caller_hash(b"k", "shop", "eve"))
        say(number, subject=subject_hash(b"k", "shop", voter))
    main(settings, model="chat", output=tmp_path / "all.jsonl")
    main(settings, model="chat", output=tmp_path / "some.jsonl", own_votes=False)

    assert [row["backing"] for row in lines(tmp_path / "all.jsonl.refs.jsonl")] == ["own", "other"]
    assert manifest(tmp_path / "all.jsonl")["backing"] == {"other": 1, "own": 1}
    assert [row["backing"] for row in lines(tmp_path / "some.jsonl.refs.jsonl")] == ["other"]
    assert manifest(tmp_path / "some.jsonl")["dropped"] == {"own_vote": 1}


def runs(text: str) -> set[tuple[str, ...]]:
    words = text.split()
    return {tuple(words[place : place + 5]) for place in range(len(words) - 4)}


def test_likeness_is_the_share_of_common_runs() -> None:
    """Measured on texts of random words with a share of them replaced, of seeds that nothing was chosen by."""
    missed = wrong = 0
    for seed in range(5_000, 5_200):
        draw = random.Random(seed)
        one = draw.choices(WORDS, k=draw.randint(20, 300))
        other = [draw.choice(WORDS) if draw.random() < draw.choice((0.005, 0.03)) else word for word in one]
        first, second = " ".join(one), " ".join(other)
        true = len(runs(first) & runs(second)) / len(runs(first) | runs(second))
        # So many of the runs are looked at: five standard deviations of a share of them.
        size = min(len(sketch(first)), len(sketch(second)))
        assert abs(likeness(sketch(first), sketch(second)) - true) <= 5 * (true * (1 - true) / size) ** 0.5 + 1e-9
        known = Alike()
        known.add(sketch(first))
        found = known.find(sketch(second)) is not None
        missed += true >= ALIKE + 0.15 and not found
        wrong += true <= ALIKE - 0.2 and found
    assert missed == wrong == 0


@given(text=st.text(max_size=60))
def test_every_text_is_like_itself(text: str) -> None:
    known = Alike()
    known.add(sketch(text))
    assert known.find(sketch(text)) == 0


def test_sketches_are_the_same_in_every_process() -> None:
    code = f"from feedback.data_sets.alike import sketch; print(sketch({LONG!r}), sketch('hi'), sketch('안녕 하세요'))"
    done = [
        subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, env={"PYTHONHASHSEED": seed}
        ).stdout
        for seed in ("1", "2")
    ]
    assert done[0] == done[1] == f"{sketch(LONG)} {sketch('hi')} {sketch('안녕 하세요')}\n"
