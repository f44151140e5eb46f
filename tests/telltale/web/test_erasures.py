"""Erasure by the API and by the command: administrators alone, counted before, recorded without what was erased."""

from __future__ import annotations

import io
import json
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import pytest
from support import signed_in

from telltale import exits
from telltale.cli import main
from telltale.feedback import SUBJECT_KEY, subject_hash
from telltale.records import Feedback, Sample
from telltale.store import Store, access, audit, feedback, samples

TRACE = "1" * 32
PATH = "/api/v1/erasures"
Serve = Callable[..., AbstractContextManager[str]]


@pytest.fixture(autouse=True)
def said(store: Store) -> None:
    """One call with a vote of user-17."""
    key = store.write(lambda connection: access.secret(connection, SUBJECT_KEY))
    who = subject_hash(key, "shop", "user-17")
    call = Sample(TRACE, "2" * 16, time.time(), "shop", "chat", "v1", "client", "chat", "ok", "asked", "answered", 0.5)
    vote = Feedback(time.time(), "shop", TRACE, None, "thumb", "helpful", 1.0, "user", "k", "thanks", who)
    store.write(lambda c: samples.save(c, [call], 0.0))
    store.write(lambda c: feedback.append(c, vote, "0" * 64))


def kept(store: Store) -> tuple[int, int]:
    """How many calls and events there are."""
    with store.read() as connection:
        return samples.count(connection), len(feedback.load(connection))


def test_an_administrator_erases_and_the_log_says_so_without_what(serve: Serve, store: Store) -> None:
    with serve() as url, signed_in.browser(store, url) as admin:
        counted = admin.post(PATH, json={"subject": "user-17", "dry_run": True})
        assert kept(store) == (1, 1)
        of_person = admin.post(PATH, json={"subject": "user-17"})
        assert kept(store) == (1, 0)
        of_trace = admin.post(PATH, json={"trace_id": TRACE.upper(), "tenant": "shop"})

    assert kept(store) == (0, 0)
    assert [answer.status_code for answer in (counted, of_person, of_trace)] == [200] * 3
    assert [answer.json()["erased"] for answer in (counted, of_person, of_trace)] == [False, True, True]
    assert counted.json()["found"] == of_person.json()["found"]
    assert of_trace.json()["found"] == {"calls": 1, "feedback": 0, "review_items": 0, "labels": 0}
    with store.read() as connection:
        entries = [one for one in audit.entries(connection) if one.action.startswith("erasure")]
    assert [one.action for one in entries] == ["erasure_done", "erasure_begun"] * 2
    assert {one.actor for one in entries} == {"admin"}
    assert "user-17" not in json.dumps([[one.subject, dict(one.details)] for one in entries])


@pytest.mark.parametrize(
    "body", [{}, {"subject": "a", "trace_id": TRACE}, {"trace_id": "x"}, {"subject": ""}, {"subject": "a", "x": 1}]
)
def test_what_names_nobody_is_refused(serve: Serve, store: Store, body: dict[str, str]) -> None:
    with serve() as url, signed_in.browser(store, url) as admin:
        assert admin.post(PATH, json=body).status_code == 422
    assert kept(store) == (1, 1)


def test_two_tenants_persons_are_not_taken_for_one(serve: Serve, store: Store) -> None:
    key = store.write(lambda connection: access.secret(connection, SUBJECT_KEY))
    who = subject_hash(key, "bank", "user-17")
    vote = Feedback(0.0, "bank", "3" * 32, None, "thumb", "helpful", 1.0, "user", "k", None, who)
    store.write(lambda c: feedback.append(c, vote, "0" * 64))
    with serve() as url, signed_in.browser(store, url) as admin:
        answer = admin.post(PATH, json={"subject": "user-17"})
        assert (answer.status_code, "bank, shop" in answer.text) == (409, True)
        assert admin.post(PATH, json={"subject": "user-17", "tenant": "bank"}).status_code == 200
    assert kept(store) == (1, 1)


def command(tmp_path: Path, *args: str) -> int:
    settings = tmp_path / "telltale.toml"
    settings.write_text(f'data_dir = "{tmp_path}"\n')
    return main(["--config", str(settings), "erase", *args])


def test_the_command_counts_asks_and_erases(
    store: Store, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert command(tmp_path, "--trace", TRACE, "--dry-run") == exits.OK
    assert "1 calls, 1 feedback" in capsys.readouterr().out
    for answer, status, left in (("no\n", exits.FAILED, (1, 1)), ("yes\n", exits.OK, (0, 0))):
        monkeypatch.setattr("sys.stdin", io.StringIO(answer))
        assert command(tmp_path, "--trace", TRACE) == status
        assert kept(store) == left


def test_the_command_takes_a_person_from_standard_input_and_refuses_what_is_no_trace(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command(tmp_path, "--trace", "T-12") == exits.USAGE
    assert "T-12 is no trace id" in capsys.readouterr().err
    monkeypatch.setattr("sys.stdin", io.StringIO("user-17\n"))
    assert command(tmp_path, "--subject", "-", "--tenant", "shop", "--yes") == exits.OK
    assert kept(store) == (1, 0)
    assert "user-17" not in capsys.readouterr().out
