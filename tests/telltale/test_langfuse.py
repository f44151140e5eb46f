"""What a score of Langfuse says, as its SDK sends it and as its API and exports give it back."""

from __future__ import annotations

import pytest

from telltale.langfuse import MAX_CATEGORY, MAX_SENT_COMMENT, judge, score_key


@pytest.mark.parametrize(
    ("score", "kind", "value", "text"),
    [
        ({"value": True}, "thumb", 1.0, ""),
        ({"value": 0, "dataType": "BOOLEAN", "stringValue": "False"}, "thumb", 0.0, ""),
        ({"value": 0.25}, "rating", 0.25, ""),
        ({"value": 4, "dataType": "NUMERIC"}, "rating", 4.0, ""),
        ({"value": "wrong city"}, "category", None, "wrong city"),
        ({"value": 2, "dataType": "CATEGORICAL", "stringValue": "wrong city"}, "category", None, "wrong city"),
        ({"value": "Busan.", "dataType": "CORRECTION"}, "correction", None, "Busan."),
        ({"value": 0, "dataType": "CORRECTION", "stringValue": "Busan."}, "correction", None, "Busan."),
        ({"value": "너무 길어요", "dataType": "TEXT"}, "comment", None, "너무 길어요"),
    ],
)
def test_the_type_says_what_a_score_is(score: dict[str, object], kind: str, value: float | None, text: str) -> None:
    judged = judge(score)
    assert judged is not None
    assert (judged.kind, judged.value, judged.text) == (kind, value, text)


@pytest.mark.parametrize(
    "score",
    [
        {}, {"value": None}, {"value": []}, {"value": ""}, {"value": 0.5, "dataType": "CATEGORICAL"},
        {"value": 7, "dataType": "BOOLEAN"}, {"value": 0, "dataType": "TEXT"}, {"value": " ", "dataType": "CORRECTION"},
    ],
)  # fmt: skip
def test_a_score_that_says_nothing_is_none(score: dict[str, object]) -> None:
    assert judge(score) is None


def test_a_correction_is_kept_longer_than_a_category() -> None:
    most = [judge({"value": "x", "dataType": kind}) for kind in ("CORRECTION", "CATEGORICAL")]
    assert [judged.most for judged in most if judged] == [16_384, MAX_CATEGORY]
    thumb = judge({"value": True})
    assert thumb
    assert thumb.most == MAX_SENT_COMMENT


def test_ids_that_differ_have_keys_that_differ() -> None:
    ids = ["a", "b", "x" * 200, "x" * 201, "\0", "\ud800", "a@b.org", "c@b.org"]
    keys = {score_key(one, {}) for one in ids}
    assert len(keys) == len(ids)
    assert "a@b.org" not in "".join(keys)
    assert score_key("a", {}) == "langfuse:a"
