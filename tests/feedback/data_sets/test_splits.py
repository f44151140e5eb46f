"""What belongs together is never on both sides, whatever conversations there are."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.data_sets import START, lines

from feedback.data_sets.formats import Candidate
from feedback.data_sets.splits import Splits
from feedback.export import main, repeat
from telltale.records import Sample
from telltale.settings import Settings


def row(number: int, conversation: str | None, prompt: str, answer: str) -> Candidate:
    sample = Sample(
        *(f"{number:032x}", "1" * 16, START + number, "shop", "chat", "1", "client", "chat", "ok", prompt, answer, 0.5),
        conversation_id=conversation,
    )
    asked, heard = [{"role": "user", "content": prompt}], [{"role": "assistant", "content": answer}]
    return Candidate("approved", {}, [sample], asked, heard, heard)


def sides(rows: list[Candidate], share: float) -> list[bool]:
    splits = Splits()
    for one in rows:
        splits.add(one)
    return splits.tests(share)


some = st.builds(
    lambda conversation, prompt, answer: (conversation, prompt, answer),
    st.one_of(st.none(), st.sampled_from([f"c{number}" for number in range(8)])),
    st.sampled_from([f"question {number}" for number in range(12)]),
    st.sampled_from(["yes", "no"]),
)


@given(said=st.lists(some, min_size=1, max_size=30), share=st.sampled_from([0.1, 0.5, 0.9]))
def test_a_conversation_and_a_prompt_are_on_one_side(said: list[tuple[Any, ...]], share: float) -> None:
    rows = [row(number, *one) for number, one in enumerate(said)]
    found = sides(rows, share)

    for name in (lambda one: one.sample.conversation_id, lambda one: one.asked[0]["content"]):
        of_name: dict[str, set[bool]] = {}
        for one, side in zip(rows, found, strict=True):
            if name(one) is not None:
                of_name.setdefault(name(one), set()).add(side)
        assert all(len(seen) == 1 for seen in of_name.values())
    assert not all(found)


def test_about_the_share_is_for_tests_and_more_rows_move_none() -> None:
    rows = [row(number, f"conversation {number}", f"question {number}", "yes") for number in range(2_000)]
    found = sides(rows, 0.1)
    # Four standard deviations of 2,000 draws.
    assert abs(sum(found) / 2_000 - 0.1) < 0.027
    assert sides(rows[:1_000], 0.1) == found[:1_000]


def test_later_turns_of_a_talk_without_a_name_are_on_its_side() -> None:
    first = row(0, None, "Hello, I look for a parcel", "Which one?")
    later = row(1, None, "", "")
    turns = [*first.asked, *first.heard, {"role": "user", "content": "the red one"}]
    later = Candidate("approved", {}, later.samples, turns, later.answer, later.heard)
    alone = [row(number, None, f"question {number}", "yes") for number in range(2, 40)]

    for share in (0.2, 0.5, 0.8):
        found = sides([*alone, first, later], share)
        assert found[-2] == found[-1]


def test_near_prompts_are_on_one_side() -> None:
    long = " ".join(f"word{number}" for number in range(40))
    rows = [row(number, f"c{number}", f"{long} {number}", f"answer {number}") for number in range(30)]
    assert len(set(sides(rows, 0.5))) == 1


@pytest.mark.parametrize("kind", ["jsonl", "parquet"])
def test_a_folder_holds_both_sides_and_loads_by_its_name(
    settings: Settings, call: Any, say: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: Any
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    import datasets

    datasets.disable_progress_bars()
    for number in range(30):
        call(number)
        say(number, value=float(number % 2), subject=f"u{number}")
    folder = tmp_path / "set"
    assert main(settings, model="chat", output=folder, kind=kind, test_share=0.3) == 0

    manifest = json.loads((folder / "manifest.json").read_text())
    loaded = datasets.load_dataset(str(folder), cache_dir=str(tmp_path / "cache"))
    assert {name: len(rows) for name, rows in loaded.items()} == {
        name: told["rows"] for name, told in manifest["splits"].items()
    }
    assert datasets.Features.from_dict(manifest["features"]) == loaded["train"].features
    told = [(one["split"], one["trace_id"]) for one in lines(folder / "refs.jsonl")]
    asked = {f"{number + 1:032x}": f"question {number}" for number in range(30)}
    in_files = [(split, row["prompt"][0]["content"]) for split, rows in loaded.items() for row in rows]
    assert [(split, asked[trace_id]) for split, trace_id in told] == in_files
    assert folder.stat().st_mode & 0o777 == 0o700

    assert repeat(settings, folder / "manifest.json", tmp_path / "again") == 0
    assert {path.name: path.read_bytes() for path in folder.rglob("*.*")} == {
        path.name: path.read_bytes() for path in (tmp_path / "again").rglob("*.*")
    }


def test_a_split_needs_a_folder(
    settings: Settings, call: Any, say: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    call(0)
    say(0)
    assert main(settings, model="chat", output=tmp_path / "x.jsonl", test_share=0.1) == 2
    assert "name a folder" in capsys.readouterr().err


def some_words(seed: int, number: int) -> list[str]:
    return [f"w{value}" for value in random.Random(seed).choices(range(5_000), k=number)]


def test_prompts_that_are_nearly_one_are_on_one_side_whatever_template_all_share() -> None:
    template = some_words(0, 100)
    bodies = [some_words(seed, 40) for seed in range(1, 121)]
    changed = [[*body[:20], "changed", *body[21:]] for body in bodies]
    prompts = [" ".join([*template, *body]) for body in [*bodies, *changed]]
    found = sides([row(number, None, prompt, "yes") for number, prompt in enumerate(prompts)], 0.5)

    assert found[:120] == found[120:]
    assert set(found) == {True, False}


@pytest.mark.parametrize("order", [(0, 1, 2), (1, 2, 0), (0, 2, 1), (2, 1, 0)])
def test_what_is_nearly_the_same_as_either_of_two_prompts_holds_them_together(order: tuple[int, ...]) -> None:
    """One begins otherwise and one ends otherwise: each is nearly the third, and neither is nearly the other."""
    new = [*map(str, range(5))]
    for seed in range(20):
        said = some_words(seed, 60)
        chain = [" ".join(one) for one in ([*new, *said[5:]], said, [*said[:-5], *new])]
        rows = [row(number, None, chain[place], "yes") for number, place in enumerate(order)]

        assert len({*sides([*rows, row(9, None, "something else", "no")], 0.5)[:3]}) == 1


def test_what_is_exported_as_it_is_known_is_split_and_kept_from_held_out_prompts_too(
    settings: Settings, call: Any, tmp_path: Path
) -> None:
    for number in range(40):
        call(number, prompt=" ".join(some_words(number, 12)), conversation_id=f"c{number % 20}")
    call(40, prompt="", response="")
    held = tmp_path / "held.jsonl"
    held.write_text(json.dumps({"prompt": " ".join(some_words(3, 12))}) + "\n")
    output = tmp_path / "all"

    assert main(settings, model="chat", format="jsonl", output=output, golden=[held], test_share=0.4) == 0

    train, test = (lines(output / "data" / f"{split}.jsonl") for split in ("train", "test"))
    assert len(train) + len(test) == 40
    assert not {row["conversation_id"] for row in train} & {row["conversation_id"] for row in test}
    assert json.loads((output / "manifest.json").read_text())["dropped"] == {"golden": 1}
