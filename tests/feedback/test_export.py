"""Data sets: exact columns, reproducible bytes, nothing overwritten, a clear message when there is nothing."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from feedback.export import main, repeat
from telltale.records import Feedback, Sample, Score, Ticket
from telltale.settings import Settings
from telltale.store import Store, audit, feedback, samples, scores, tickets

START = 1_700_000_000.0
Make = Callable[..., Sample]


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    # The store fixture keeps its file where these settings look for it.
    return Settings(data_dir=tmp_path)


@pytest.fixture
def say(store: Store) -> Callable[..., None]:
    """`say(number, kind="thumb", value=1.0, …)`: feedback on the call of that number."""
    numbers = iter(range(10**6))

    def add(call: int, **fields: Any) -> None:
        values = {
            "received_at": START,
            "tenant": "shop",
            "trace_id": trace(call),
            "span_id": None,
            "kind": "thumb",
            "name": "helpful",
            "value": 1.0,
            "source": "user",
            "idempotency_key": f"k-{next(numbers)}",
            "subject": "a",
        } | fields
        if values["kind"] not in ("thumb", "rating"):
            values["value"] = None
        store.write(lambda connection: feedback.append(connection, Feedback(**values), "0" * 64))

    return add


@pytest.fixture
def call(make_sample: Make) -> Callable[..., Sample]:
    """`call(number, …)`: the sample of the call of that number, one a second."""

    def make(number: int, **fields: Any) -> Sample:
        values = {"observed_at": START + number, "prompt": f"question {number}", "response": f"answer {number}"}
        return make_sample(trace(number), **(values | fields))

    return make


def trace(number: int) -> str:
    return f"{number + 1:032x}"


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().split("\n")[:-1]]


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
    assert "No such file or directory" in capsys.readouterr().err


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
    suspect = Score(**window, window_start=START + 44_000, window_end=START + 47_600, samples=9, state="suspect")  # type: ignore[arg-type]  # a dict of its fields
    ticket = Ticket(
        "key-1", "quality", "chat", "chat-2", "Drift", "closed", 1, opened, opened, closed_at=START + 55_000
    )
    store.write(lambda connection: scores.save(connection, [suspect]))
    number = store.write(lambda connection: tickets.save(connection, ticket)).id
    output = tmp_path / "ticket.jsonl"

    assert main(settings, ticket=f"T-{number}", format="kto", output=output) == 0

    assert [row["prompt"][0]["content"] for row in lines(output)] == ["question 45000", "question 49000"]
    spec = json.loads((tmp_path / "ticket.jsonl.manifest.json").read_text())["spec"]
    assert (spec["ticket_key"], spec["since"]) == ("key-1", START + 44_000)


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


def test_prompts_of_several_messages_stay_messages(settings: Settings, call: Any, say: Any, tmp_path: Path) -> None:
    talk = [{"role": "system", "content": "be brief"}, {"role": "user", "content": "hi"}]
    call(0, prompt=json.dumps(talk))
    call(1, prompt="[1, 2] is a list")
    say(0)
    say(1)
    output = tmp_path / "x.jsonl"

    main(settings, model="chat", output=output)

    assert [row["prompt"] for row in lines(output)] == [talk, [{"role": "user", "content": "[1, 2] is a list"}]]


def test_rules_added_since_are_applied(settings: Settings, call: Any, say: Any, tmp_path: Path) -> None:
    call(0, response="badge E-12345")
    say(0, kind="correction", comment="badge E-54321 is his")
    ruled = Settings(data_dir=tmp_path, redaction={"rules": {"badge": r"E-\d{5}"}})  # type: ignore[arg-type]  # pydantic

    for format in ("sft", "jsonl"):
        main(ruled, model="chat", format=format, output=tmp_path / f"{format}.jsonl")  # type: ignore[arg-type]  # a literal

    text = (tmp_path / "sft.jsonl").read_text() + (tmp_path / "jsonl.jsonl").read_text()
    assert "[BADGE]" in text
    assert "E-12345" not in text
    assert "E-54321" not in text


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
