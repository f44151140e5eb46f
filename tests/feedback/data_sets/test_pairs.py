"""Pairs for DPO and reward models: only what somebody compared."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from support.data_sets import lines

from feedback.export import main
from telltale.settings import Settings


@pytest.fixture
def export(settings: Settings, tmp_path: Path) -> Any:
    """`export(format, **limits)`: the rows, none where there is nothing to export."""

    def rows(format: Any = "dpo", **limits: Any) -> list[dict[str, Any]]:
        output = tmp_path / f"{format}-{len([*tmp_path.iterdir()])}.jsonl"
        code = main(settings, model="chat", format=format, output=output, **limits)
        return lines(output) if code == 0 else []

    return rows


def texts(row: dict[str, Any]) -> tuple[str, str, str]:
    return tuple(row[name][-1]["content"] for name in ("prompt", "chosen", "rejected"))  # type: ignore[return-value]


def test_a_correction_is_better_than_what_was_answered(call: Any, say: Any, export: Any) -> None:
    call(0)
    say(0, kind="correction", comment="It is in Busan.")
    call(1)
    say(1, kind="correction", comment=" answer  1\n")

    [row] = export()
    assert texts(row) == ("question 0", "It is in Busan.", "answer 0")
    assert list(row) == ["prompt", "chosen", "rejected"]
    [row] = export("reward")
    question = {"role": "user", "content": "question 0"}
    assert row == {
        "chosen": [question, {"role": "assistant", "content": "It is in Busan."}],
        "rejected": [question, {"role": "assistant", "content": "answer 0"}],
    }


def test_reviewers_verdicts_on_one_prompt_make_pairs_and_thumbs_never(call: Any, say: Any, export: Any) -> None:
    for number, answer in enumerate(("good", "bad", "worse")):
        call(number, prompt="Where?", response=answer)
        call(number + 10, prompt="When?", response=answer)
        # Two users saw one answer each; neither compared them.
        say(number + 10, value=float(answer == "good"), subject=f"user-{number}")
        say(number, value=float(answer == "good"), source="reviewer", subject="r")
    # The same verdict under another prompt.
    call(20, prompt="Who?", response="nobody")
    say(20, value=0.0, source="reviewer", subject="r")

    assert [texts(row) for row in export()] == [("Where?", "good", "bad"), ("Where?", "good", "worse")]
    assert len(export("kto")) == 7


def test_the_context_is_part_of_the_prompt(call: Any, say: Any, export: Any) -> None:
    from telltale.conversation import Conversation, text

    for number, system in enumerate(("Be brief.", "Be kind.")):
        asked = Conversation(
            system=[text(system)],
            messages=[{"role": "user", "parts": [text("Where?")]}],
            choices=[{"role": "assistant", "parts": [text(f"There {number}.")]}],
        )
        call(number, conversation=asked)
        say(number, value=float(number), source="reviewer", subject="r")

    assert export() == []


def test_a_prompt_gives_a_few_pairs(call: Any, say: Any, export: Any) -> None:
    for number in range(4):
        call(number, prompt="Where?", response=f"answer {number}")
        say(number, value=float(number == 0), source="reviewer", subject="r")
        say(number, kind="correction", comment=f"better {number}")

    assert [texts(row)[1] for row in export()] == ["better 0", "better 1"]
    assert len(export(per_prompt=5)) == 5


def test_a_person_s_newest_correction_stands(call: Any, say: Any, export: Any) -> None:
    call(0)
    say(0, kind="correction", comment="first")
    say(0, kind="correction", comment="second")
    call(1)
    say(1, kind="correction", comment="withdrawn")
    say(1, kind="retract")

    assert [texts(row)[1] for row in export()] == ["second"]
