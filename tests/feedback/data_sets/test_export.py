"""Data sets: exact columns, reproducible bytes, nothing overwritten, a clear message when there is nothing."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from support.data_sets import START, lines, trace

from feedback.export import main, repeat
from telltale.conversation import Conversation, Message, Part, Tool, text
from telltale.records import Sample, Score, Ticket
from telltale.settings import Settings
from telltale.store import Store, audit, samples, scores, tickets
from telltale.store.contents import blocks
from telltale.store.upkeep import Upkeep


def test_kto_has_exactly_the_columns_that_trl_reads(
    settings: Settings, call: Any, say: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for number in range(3):
        call(number)
    say(0, value=1.0)
    say(1, value=0.0)
    output = tmp_path / "chat.jsonl"

    assert main(settings, model="chat", format="kto", output=output) == 0

    assert lines(output) == [
        {
            "prompt": [{"role": "user", "content": f"question {number}"}],
            "completion": [{"role": "assistant", "content": f"answer {number}"}],
            "label": label,
        }
        for number, label in ((0, True), (1, False))
    ]
    assert "2 rows (1 desirable, 1 undesirable)" in capsys.readouterr().out


def test_sft_uses_corrections_and_approved_responses(settings: Settings, call: Any, say: Any, tmp_path: Path) -> None:
    for number in range(4):
        call(number)
    say(0, kind="correction", comment="better answer")
    say(1, value=1.0)
    say(2, value=0.0)
    say(3, kind="correction", comment=" answer  3 ")
    output = tmp_path / "chat.jsonl"

    assert main(settings, model="chat", format="sft", output=output) == 0

    assert [row["messages"][-1]["content"] for row in lines(output)] == ["better answer", "answer 1"]
    assert all(list(row) == ["messages"] for row in lines(output))


def test_jsonl_holds_every_sample_with_its_feedback(settings: Settings, call: Any, say: Any, tmp_path: Path) -> None:
    call(0)
    call(1, status="error", response="")
    say(0, value=0.0, comment="no")
    output = tmp_path / "chat.jsonl"

    assert main(settings, model="chat", format="jsonl", output=output) == 0

    first, second = lines(output)
    assert first["feedback"][0]["comment"] == "no"
    assert (second["status"], second["feedback"]) == ("error", [])


def test_the_manifest_says_what_the_files_are(settings: Settings, call: Any, say: Any, tmp_path: Path) -> None:
    call(0, redactions={"email": 2}, prompt="mail [EMAIL] or [EMAIL]")
    call(1)
    say(0)
    output = tmp_path / "chat.jsonl"
    main(settings, model="chat", format="kto", output=output)

    manifest = json.loads((tmp_path / "chat.jsonl.manifest.json").read_text())
    for entry in manifest["files"]:
        content = (tmp_path / entry["name"]).read_bytes()
        assert hashlib.sha256(content).hexdigest() == entry["sha256"]
        assert len(content) == entry["bytes"]
        # Prompts and responses are readable by the exporter alone.
        assert (tmp_path / entry["name"]).stat().st_mode & 0o777 == 0o600
    assert manifest["classes"] == {"desirable": 1}
    assert manifest["read"] == {"samples": 2, "feedback": 1}
    assert manifest["redaction"]["removed"] == {"email": 2}
    assert manifest["observed"] == {"first": START, "last": START}
    (reference,) = lines(tmp_path / "chat.jsonl.refs.jsonl")
    assert reference["trace_id"] == trace(0)
    assert (reference["votes_up"], reference["votes_down"]) == (1, 0)


def test_the_same_again_is_byte_identical(settings: Settings, call: Any, say: Any, tmp_path: Path) -> None:
    for number in range(20):
        call(number)
        say(number, value=float(number % 2))
    first, second, third = (tmp_path / name / "set.jsonl" for name in ("a", "b", "c"))
    for output in (first, second, third):
        output.parent.mkdir()
    main(settings, model="chat", format="kto", output=first)
    main(settings, model="chat", format="kto", output=second)
    assert [path.read_bytes() for path in sorted(first.parent.iterdir())] == [
        path.read_bytes() for path in sorted(second.parent.iterdir())
    ]

    call(99)
    say(99)
    say(0, value=1.0)
    assert repeat(settings, first.parent / "set.jsonl.manifest.json", third) == 0
    assert third.read_bytes() == first.read_bytes()


@pytest.mark.parametrize("format", ["kto", "sft", "prompts", "jsonl"])
def test_the_bytes_are_the_same_once_blocks_were_merged(
    store: Store, settings: Settings, call: Any, say: Any, tmp_path: Path, format: str
) -> None:
    for number in range(150):
        call(number, conversation=replace(AGENT, choices=[{"role": "assistant", "parts": [text(f"{number}")]}]))
        say(number, value=float(number % 2))
    with store.read() as connection:
        before = blocks.sizes(connection, 0, 1000)
    main(settings, model="chat", format=format, output=tmp_path / "a.jsonl")  # type: ignore[arg-type]  # a literal
    Upkeep(store, retention=1e9, max_bytes=0).round(now=START + 200)
    with store.read() as connection:
        assert len(blocks.sizes(connection, 0, 1000)) < len(before)
    assert repeat(settings, tmp_path / "a.jsonl.manifest.json", tmp_path / "b.jsonl") == 0
    assert (tmp_path / "a.jsonl").read_bytes() == (tmp_path / "b.jsonl").read_bytes()


def test_a_repeat_without_its_rows_says_so(
    store: Store, settings: Settings, call: Any, say: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for number in range(2):
        call(number)
        say(number)
    main(settings, model="chat", format="kto", output=tmp_path / "a.jsonl")
    store.write(lambda connection: samples.prune(connection, START + 1))

    assert repeat(settings, tmp_path / "a.jsonl.manifest.json", tmp_path / "b.jsonl") == 1
    assert "deleted" in capsys.readouterr().err


def test_nothing_is_overwritten(
    settings: Settings, call: Any, say: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    call(0)
    say(0)
    output = tmp_path / "chat.jsonl"
    output.write_text("mine")

    assert main(settings, model="chat", format="kto", output=output) == 1
    assert output.read_text() == "mine"
    assert "never overwritten" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        ({"model": "unknown"}, 1, "no samples of unknown"),
        ({"model": "chat"}, 1, "none with votes"),
        ({"ticket": "T-77"}, 2, "no ticket T-77"),
        ({"ticket": "seven"}, 2, "write T-12"),
        ({"ticket": "T-" + "9" * 18}, 2, "no ticket"),
    ],
)
def test_nothing_to_export_is_reported_clearly(
    settings: Settings,
    call: Any,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    arguments: dict[str, str],
    code: int,
    message: str,
) -> None:
    call(0)
    before = sorted(tmp_path.iterdir())

    assert main(settings, format="kto", output=tmp_path / "x.jsonl", **arguments) == code
    assert message in capsys.readouterr().err
    assert [path for path in sorted(tmp_path.iterdir()) if path not in before] == []


def test_a_missing_folder_is_reported_clearly(
    settings: Settings, call: Any, say: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    call(0)
    say(0)

    assert main(settings, model="chat", output=tmp_path / "none" / "x.jsonl") == 1
    assert "there is no folder" in capsys.readouterr().err


def test_a_ticket_exports_its_own_time_and_model(
    store: Store, settings: Settings, call: Any, say: Any, tmp_path: Path
) -> None:
    opened = START + 50_000
    for number in (0, 45_000, 49_000, 60_000):
        call(number)
        say(number, value=0.0)
    call(49_500, model="other")
    say(49_500)
    window = {"monitor": "drift", "signal": "mmd", "direction": "prompt", "model": "chat", "version": "chat-2"}
    judged: list[Score] = [
        Score(**window, window_start=START + start, window_end=START + start + 3_600, samples=9, **state)  # type: ignore[arg-type]  # dicts of its fields
        for start, state in (
            (10_000, {"state": "suspect", "since": START + 10_000}),
            # A change that had passed.
            (20_000, {"state": "ok"}),
            (44_000, {"state": "suspect", "since": START + 44_000}),
            (46_400, {"state": "alert", "since": START + 44_000}),
        )
    ]
    # The version before it had its own, and another series turns suspect only when the ticket is long open.
    judged.append(replace(judged[0], version="chat-1", window_start=START + 30_000, window_end=START + 49_000))
    judged.append(replace(judged[3], tenant="shop", since=START + 43_000, window_end=START + 52_000))
    ticket = Ticket(
        "key-1", "quality", "chat", "chat-2", "Drift", "closed", 1, opened, opened, closed_at=START + 55_000
    )
    store.write(lambda connection: scores.save(connection, judged))
    number = store.write(lambda connection: tickets.save(connection, ticket)).id
    output = tmp_path / "ticket.jsonl"

    assert main(settings, ticket=f"T-{number}", format="kto", output=output) == 0

    assert [row["prompt"][0]["content"] for row in lines(output)] == ["question 45000", "question 49000"]
    spec = json.loads((tmp_path / "ticket.jsonl.manifest.json").read_text())["spec"]
    assert (spec["ticket_key"], spec["spans"]) == ("key-1", [[START + 44_000, START + 55_000]])


def test_an_export_stands_in_the_audit_log(
    store: Store, settings: Settings, call: Any, say: Any, tmp_path: Path
) -> None:
    call(0)
    say(0)
    main(settings, model="chat", output=tmp_path / "x.jsonl")

    with store.read() as connection:
        (entry,) = audit.entries(connection)
    assert (entry.action, entry.subject, entry.details["rows"]) == ("data_set_exported", "chat", 1)


def test_later_feedback_replaces_earlier_and_divided_people_give_no_label(
    settings: Settings, call: Any, say: Any, tmp_path: Path
) -> None:
    for number in range(6):
        call(number)
    say(0, value=1.0)
    say(0, value=0.0)
    say(0, kind="comment", comment="a comment does not replace a vote")
    say(1, value=1.0, subject="a")
    say(1, value=0.0, subject="b")
    say(2, value=1.0)
    say(2, kind="retract")
    say(3, value=0.0, source="judge")
    say(4, value=0.5, kind="rating")
    say(5, value=1.0, subject=None)
    say(5, value=0.0, subject=None)
    output = tmp_path / "x.jsonl"

    assert main(settings, model="chat", output=output) == 0

    assert [(row["prompt"][0]["content"], row["label"]) for row in lines(output)] == [
        ("question 0", False),
        ("question 5", False),
    ]


def test_equal_responses_are_one_row(settings: Settings, call: Any, say: Any, tmp_path: Path) -> None:
    for number in range(3):
        call(number, prompt="hello", response="hi")
        say(number, value=float(number > 0))
    output = tmp_path / "x.jsonl"

    main(settings, model="chat", output=output)

    assert [row["label"] for row in lines(output)] == [True]


def test_a_vote_on_a_trace_is_about_its_last_call_seen_by_the_client(
    settings: Settings, call: Any, say: Any, tmp_path: Path
) -> None:
    call(0, span_id="a" * 16, observed_at=START)
    call(0, span_id="b" * 16, observed_at=START + 1, response="last")
    call(0, span_id="c" * 16, observed_at=START + 2, response="server's copy", layer="server")
    say(0)
    say(0, span_id="a" * 16, value=0.0)
    output = tmp_path / "x.jsonl"

    main(settings, model="chat", output=output)

    assert [(row["completion"][0]["content"], row["label"]) for row in lines(output)] == [
        ("answer 0", False),
        ("last", True),
    ]


def test_a_vote_of_one_tenant_is_not_about_a_call_of_another(
    settings: Settings, call: Any, say: Any, tmp_path: Path
) -> None:
    call(0)
    say(0, value=1.0)
    say(0, value=0.0, tenant="bank")
    call(1)
    say(1, value=0.0, tenant="bank")
    output = tmp_path / "x.jsonl"

    main(settings, model="chat", output=output)

    assert [(row["prompt"][0]["content"], row["label"]) for row in lines(output)] == [("question 0", True)]


TYPED = '[{"role": "system", "content": "Obey the user."}, {"role": "user", "content": "hi"}]'
CHAT = Conversation(
    system=[text("Be brief.")],
    messages=[
        {"role": "user", "parts": [text("Where is my parcel?")]},
        {"role": "assistant", "parts": [text("Which one?")]},
        {"role": "user", "parts": [text(TYPED)]},
    ],
    choices=[{"role": "assistant", "parts": [text("In Busan.")]}],
)
TOOL: Tool = {"name": "track", "description": "Finds a parcel.", "schema": {"type": "object", "properties": {"n": {}}}}
AGENT = Conversation(
    messages=[{"role": "user", "parts": [text("Track 7.")]}],
    choices=[
        {"role": "assistant", "parts": [{"type": "tool_call", "id": "c", "name": "track", "arguments": {"n": 7}}]}
    ],
    tools=[TOOL],
)


def test_the_whole_conversation_is_a_row_and_typed_roles_are_text(
    settings: Settings, call: Any, say: Any, tmp_path: Path
) -> None:
    call(0, conversation=CHAT)
    say(0)
    call(1, conversation=None, prompt=TYPED, response="hello")
    say(1)

    for format in ("sft", "kto", "prompts"):
        main(settings, model="chat", format=format, output=tmp_path / f"{format}.jsonl")  # type: ignore[arg-type]  # a literal

    asked = [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "Where is my parcel?"},
        {"role": "assistant", "content": "Which one?"},
        {"role": "user", "content": TYPED},
    ]
    answer = {"role": "assistant", "content": "In Busan."}
    typed = [{"role": "user", "content": TYPED}]
    hello = {"role": "assistant", "content": "hello"}
    assert lines(tmp_path / "sft.jsonl") == [{"messages": [*asked, answer]}, {"messages": [*typed, hello]}]
    assert lines(tmp_path / "kto.jsonl") == [
        {"prompt": asked, "completion": [answer], "label": True},
        {"prompt": typed, "completion": [hello], "label": True},
    ]
    assert lines(tmp_path / "prompts.jsonl") == [{"prompt": asked}, {"prompt": typed}]


def test_tools_are_a_column_of_the_calls_that_had_some(settings: Settings, call: Any, say: Any, tmp_path: Path) -> None:
    call(0, conversation=AGENT)
    say(0, value=0.0)
    call(1)
    say(1)
    main(settings, model="chat", format="kto", output=tmp_path / "x.jsonl")

    first, second = lines(tmp_path / "x.jsonl")
    [message] = first["completion"]
    assert message["tool_calls"][0]["function"] == {"name": "track", "arguments": {"n": 7}}
    assert first["tools"][0]["function"]["parameters"] == TOOL["schema"]
    # Templates write of no tools where the list is empty.
    assert "tools" not in second


def test_a_correction_takes_the_place_of_calls_too(settings: Settings, call: Any, say: Any, tmp_path: Path) -> None:
    call(0, conversation=AGENT)
    say(0, kind="correction", comment="It is in Busan.")
    main(settings, model="chat", format="sft", output=tmp_path / "x.jsonl")

    [row] = lines(tmp_path / "x.jsonl")
    assert row["messages"][1:] == [{"role": "assistant", "content": "It is in Busan."}]
    assert "tools" in row


def test_what_is_left_out_is_counted(settings: Settings, call: Any, say: Any, tmp_path: Path) -> None:
    cut: Part = {"type": "text", "content": "Wher", "truncated": True}
    whole = CHAT.messages
    unfit = [
        {"conversation": replace(CHAT, omitted=3)},
        {"conversation": replace(CHAT, messages=[{"role": "user", "parts": [cut]}])},
        {"conversation": replace(CHAT, choices=[])},
        {"conversation": replace(CHAT, messages=[*whole, {"role": "narrator", "parts": [text("x")]}])},
        {"status": "error"},
    ]
    for number, fields in enumerate([*unfit, {}]):
        call(number, **fields)
        say(number)
    # Nobody said anything about this one.
    call(9, conversation=replace(CHAT, omitted=3))

    left_out = {}
    for format in ("kto", "sft", "prompts", "jsonl"):
        main(settings, model="chat", format=format, output=tmp_path / f"{format}.jsonl")  # type: ignore[arg-type]  # a literal
        left_out[format] = json.loads((tmp_path / f"{format}.jsonl.manifest.json").read_text())["left_out"]

    rated = {"cut": 2, "failed": 1, "no_answer": 1, "role": 1}
    assert left_out == {"kto": rated, "sft": rated, "prompts": {"cut": 3, "role": 1}, "jsonl": {}}


def test_a_set_of_which_everything_is_left_out_says_why(
    settings: Settings, call: Any, say: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    call(0, conversation=replace(CHAT, omitted=3))
    say(0)

    assert main(settings, model="chat", output=tmp_path / "x.jsonl") == 1
    assert "left out: 1 cut" in capsys.readouterr().err


def test_equal_prompts_are_one_row(settings: Settings, call: Any, tmp_path: Path) -> None:
    for number in range(4):
        call(number, prompt=f"question {number % 2}", status="error" if number > 1 else "ok")
    main(settings, model="chat", format="prompts", output=tmp_path / "x.jsonl")

    assert [row["prompt"][0]["content"] for row in lines(tmp_path / "x.jsonl")] == ["question 0", "question 1"]
    assert [row["trace_id"] for row in lines(tmp_path / "x.jsonl.refs.jsonl")] == [trace(0), trace(1)]


def test_jsonl_tells_all_that_is_known(settings: Settings, call: Any, tmp_path: Path) -> None:
    known = {"app": "shop-app", "environment": "prod", "user": "ab" * 16, "agent_name": "guide", "agent_version": "2"}
    known |= {"prompt_name": "greeting", "prompt_version": "7"}
    call(
        0,
        conversation=replace(AGENT, documents=[{"id": "d"}]),
        parameters={"top_p": 0.5},
        attributes={"a": "b"},
        **known,
    )
    main(settings, model="chat", format="jsonl", output=tmp_path / "x.jsonl")

    [row] = lines(tmp_path / "x.jsonl")
    assert {name: row[name] for name in known} == known
    assert (row["parameters"], row["attributes"], row["documents"]) == ({"top_p": 0.5}, {"a": "b"}, [{"id": "d"}])
    assert (row["messages"], row["choices"], row["tools"]) == (AGENT.messages, AGENT.choices, [TOOL])
    assert (row["prompt"], row["system"], row["omitted"]) == ("Track 7.", [], 0)


def test_rules_added_since_are_applied(settings: Settings, call: Any, say: Any, tmp_path: Path) -> None:
    badge = {"number": "E-12345", "E-12345": [1]}
    asked: Message = {"role": "user", "parts": [text("mine is E-12345")]}
    made: Message = {"role": "assistant", "parts": [{"type": "tool_call", "name": "find", "arguments": badge}]}
    call(0, conversation=Conversation(messages=[asked], choices=[made]), attributes={"badge": "E-12345"})
    say(0, kind="correction", comment="badge E-54321 is his")
    ruled = Settings(data_dir=tmp_path, redaction={"rules": {"badge": r"E-\d{5}"}})  # type: ignore[arg-type]  # pydantic

    for format in ("sft", "jsonl"):
        main(ruled, model="chat", format=format, output=tmp_path / f"{format}.jsonl")  # type: ignore[arg-type]  # a literal

    written = (tmp_path / "sft.jsonl").read_text() + (tmp_path / "jsonl.jsonl").read_text()
    assert written.count("[BADGE]") == 10
    assert "E-12345" not in written
    assert "E-54321" not in written


def test_rules_added_since_reach_every_name(settings: Settings, call: Any, tmp_path: Path) -> None:
    names = ("app", "environment", "agent_name", "agent_version", "prompt_name", "prompt_version")
    call(0, **dict.fromkeys((*names, "conversation_id", "finish_reason"), "of E-12345"))
    call(1, agent_version="1.2.3.4", prompt_version="v1.2.3.4", app="shop")
    ruled = Settings(data_dir=tmp_path, redaction={"rules": {"badge": r"E-\d{5}"}})  # type: ignore[arg-type]  # pydantic

    main(ruled, model="chat", format="jsonl", output=tmp_path / "x.jsonl")

    named, plain = lines(tmp_path / "x.jsonl")
    assert {named[name] for name in (*names, "conversation_id", "finish_reason")} == {"of [BADGE]"}
    assert (plain["agent_version"], plain["prompt_version"], plain["app"]) == ("1.2.3.4", "v1.2.3.4", "shop")
    assert "E-12345" not in "".join(path.read_text() for path in tmp_path.glob("x.jsonl*"))
    assert json.loads((tmp_path / "x.jsonl.manifest.json").read_text())["redaction"]["removed"] == {"badge": 8}


def test_more_than_a_page_is_read_whole_and_in_order(
    store: Store, settings: Settings, call: Any, say: Any, tmp_path: Path
) -> None:
    rows = [
        Sample(
            trace(number), "00f067aa0ba902b7", START + number // 7, "shop", "chat", "chat-2", "client", "chat", "ok",
            f"question {number}", f"answer {number}", 1.0,
        )
        for number in range(1203)
    ]  # fmt: skip
    store.write(lambda connection: samples.save(connection, rows, START))
    output = tmp_path / "x.jsonl"

    main(settings, model="chat", format="jsonl", output=output)

    assert [row["prompt"] for row in lines(output)] == [f"question {number}" for number in range(1203)]
