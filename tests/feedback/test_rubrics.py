"""Rubrics are written on a page or in a file, in versions; what cannot be asked is said in words."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import signed_in

from feedback.labelling import rubric_file
from telltale.cli import main
from telltale.labels import DEFAULT, Field, InvalidLabel, Rubric
from telltale.records import Sample
from telltale.store import audit
from telltale.store.review import rubrics

TWO = {
    "name": "친절",
    "guidelines": "**Tone** counts.",
    "name.0": "verdict",
    "question.0": "Good?",
    "kind.0": "choice",
    "options.0": "good\r\nbad",
    "required.0": "on",
    "name.1": "tone",
    "kind.1": "scale",
    "options.1": "rude\nneutral\nkind",
    "kind.2": "choice",
}


@pytest.fixture
def ann(service: Any) -> Iterator[httpx.Client]:
    with signed_in.browser(service.store, service.url, "ann", "reviewer") as found:
        found.headers["Accept"] = "text/html"
        yield found


def test_a_rubric_is_written_in_versions_and_asked(
    service: Any, ann: httpx.Client, make_sample: Callable[..., Sample]
) -> None:
    assert "Begin with that" in ann.get("/review/rubrics").text
    assert ann.post("/review/rubrics/new", data=TWO).status_code == 303
    assert ann.post("/review/rubrics/new", data=TWO).status_code == 303  # the same again is no new version
    assert "rude · neutral · kind" in ann.get("/review/rubrics").text
    form = ann.get("/review/rubrics/new", params={"name": "친절"}).text
    assert "rude\nneutral\nkind</textarea>" in form
    ann.post("/review/rubrics/new", data={**TWO, "guidelines": "New."})
    with service.store.read() as connection:
        first, second = reversed(rubrics.versions(connection, "친절"))
        assert next(audit.entries(connection).__iter__()).action == "review.rubric.publish"
    assert (first.rubric.number, second.rubric.number, second.made_by) == (1, 2, "ann")
    assert first.rubric.fields[1] == Field("tone", "", "scale", ("rude", "neutral", "kind"), is_required=False)
    make_sample("1" * 32)
    asked = {"name": "q", "model": "chat", "rubric": "친절"}
    made = ann.post("/review/new", data=asked).headers["location"]
    assert "rude" in ann.get(f"{made}/next").text


WRONG: tuple[tuple[dict[str, str], str], ...] = (
    ({"name": " "}, "name has 1 to 64"),
    ({"options.0": "good"}, "2 to 9 different options, not 1"),
    ({"options.0": "good\ngood"}, "different options"),
    ({"name.1": "verdict"}, "two fields have the same name"),
    ({"name.1": ""}, "a name has 1 to 64"),
    ({"kind.1": "essay"}, "is no kind"),
    ({"guidelines": "x\0"}, "no text holds NUL"),
)


def test_what_cannot_be_asked_is_said_and_the_form_kept(ann: httpx.Client) -> None:
    for changed, told in WRONG:
        answer = ann.post("/review/rubrics/new", data={**TWO, **changed})
        assert answer.status_code == 422
        assert told in answer.text
        assert "neutral" in answer.text


def test_more_questions_keep_what_was_written(ann: httpx.Client) -> None:
    page = ann.post("/review/rubrics/new", data={**TWO, "more": "1"}).text
    assert "Question 6" in page
    assert "neutral" in page


names = st.text(min_size=1, max_size=20).filter(lambda text: bool(text.strip()) and "\0" not in text)


@given(
    names, st.lists(names, min_size=2, max_size=9, unique=True), st.text(max_size=40).filter(lambda t: "\0" not in t)
)
def test_a_file_gives_back_what_was_written(name: str, options: list[str], guidelines: str) -> None:
    asked = Rubric(name, 1, (Field(name, guidelines, "choice", tuple(options), is_required=False),), guidelines)
    assert rubric_file.read(rubric_file.write(asked)) == asked


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("name =", "no TOML"),
        ("name = 'x'\nfield = 1", "'field' is not known"),
        ("name = 'x'\nfields = 1", "[[fields]]"),
        ("name = 'x'\n[[fields]]\nname = 1", "a text in quotes, not 1"),
        ("name = 'x'\n[[fields]]\nname = 'a'\noptions = ['b']\n", "2 to 9"),
        ("name = 'x'\n[[fields]]\nname = 'a'\nkind = 'essay'\n", "is no kind"),
    ],
)
def test_a_file_that_cannot_be_read_says_why(text: str, told: str) -> None:
    with pytest.raises(InvalidLabel) as error:
        rubric_file.read(text)
    assert told in str(error.value)


def test_the_command_publishes_shows_and_lists(
    store: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TELLTALE_STORE__URL", f"sqlite:///{tmp_path / 'telltale.db'}")
    monkeypatch.setenv("TELLTALE_DATA_DIR", str(tmp_path))
    store.close()
    assert main(["rubric", "show", DEFAULT.name]) == 0
    written = capsys.readouterr().out
    file = tmp_path / "rubric.toml"
    file.write_text(written.replace('"bad"', '"나쁨"'), encoding="utf-8")
    assert main(["rubric", "publish", str(file)]) == 0
    assert "version 1" in capsys.readouterr().out
    assert main(["rubric", "list"]) == 0
    assert "verdict" in capsys.readouterr().out
    file.write_text("name = 'x'", encoding="utf-8")
    assert main(["rubric", "publish", str(file)]) == 1
    assert "1 to 12 fields" in capsys.readouterr().err
