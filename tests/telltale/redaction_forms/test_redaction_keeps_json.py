"""Arguments of tools are JSON, and so are many logs: what is removed from them leaves JSON with the same structure."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from telltale.redaction import redact

PRIVATE = [
    "mina.kim@harborline.example.com",
    "4539 8645 4284 1037",
    "010-4412-7736",
    "850312-1689281",
    "DE06232420147014948468",
    "198.51.100.23",
    "2001:db8:7::41",
    "sk-" + "proj-a1B2c3D4e5F6g7H8i9J0k1L2",
    "https://kate:N0rthernLights@nexus.example.com",
    "password: kX9!vd02Lm",
    'password="a b"c"',
    "DB_PASSWORD='x\\y\"z12'",
    "Authorization: Basic c3ZjLXJlcG9ydDpLZXN0cmVs",
    "-----BEGIN PRIVATE KEY-----\nMIIEvQIBADANBgkqhkiG9w0BAQ\n-----END PRIVATE KEY-----",
]
GLUE = [
    '"',
    "\\",
    "\n",
    "\t",
    "/",
    "<",
    "{",
    "}",
    "'",
    " ",
    ":",
    "=",
    "@",
    "\xa0",
    "é",
    "한",
    "😀",
    ",",
    "&",
    ";",
    "a",
    "1",
]
TEXTS = st.lists(st.sampled_from(PRIVATE + GLUE * 3), max_size=5).map("".join)
NAMES = st.sampled_from(
    ["x", "id", "password", "pw", "비밀번호", "token", "api_key", "cookie", "phone", "card", "auth"]
)
LEAVES = st.one_of(TEXTS, st.booleans(), st.none(), st.integers(-99, 99))
VALUES = st.recursive(
    LEAVES, lambda part: st.one_of(st.lists(part, max_size=3), st.dictionaries(NAMES, part, max_size=3)), max_leaves=6
)
# Each writes what the next reader reads: text, text of Korean as itself, text within the text of a message.
WRITERS: list[Callable[[Any], str]] = [
    json.dumps,
    lambda value: json.dumps(value, ensure_ascii=False, indent=1),
    lambda value: json.dumps({"arguments": json.dumps(value)}),
    lambda value: json.dumps({"arguments": json.dumps(value, ensure_ascii=False)}, ensure_ascii=False),
]
# Characters that JSON escapes and that nobody sees: an escape's last letters must not join the word behind it.
UNSEEN = ["\x00", "\x01", "\x1b", "\x7f", "\xad", "\u200b", "\u200e", "\u2028", "\ufeff", "\U000e0001"]


def read(text: str) -> Any:
    """The value that one of WRITERS wrote."""
    value = json.loads(text)
    return json.loads(value["arguments"]) if isinstance(value, dict) and "arguments" in value else value


def shape(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: shape(part) for name, part in value.items()}
    return [shape(part) for part in value] if isinstance(value, list) else type(value)


@given(VALUES, st.sampled_from(WRITERS))
@example({"password": "it\\", "x": 'a"b'}, json.dumps)
def test_json_reads_as_before_but_for_what_was_removed(value: Any, write: Callable[[Any], str]) -> None:
    text, _ = redact(write(value))

    assert shape(read(text)) == shape(value)


def test_an_escape_of_what_nobody_sees_neither_hides_nor_is_torn() -> None:
    wrong = []
    for write in WRITERS:
        for value in [{"a": f"{unseen}{private}{unseen}"} for unseen in UNSEEN for private in PRIVATE[:9]]:
            text, counts = redact(write(value))
            try:
                whole = shape(read(text)) == shape(value)
            except ValueError:
                whole = False
            if not (whole and counts):
                wrong.append((write(value), text))
    assert wrong == []


@pytest.mark.parametrize("value", [{"card": 4539864542841037}, {"password": 190412}, {"rows": [4539864542841037, 1]}])
def test_a_number_that_goes_leaves_json(value: Any) -> None:
    text, _ = redact(json.dumps(value))

    json.loads(text)


@pytest.mark.parametrize("write", WRITERS)
def test_a_key_that_was_cut_off_ends_where_its_text_does(write: Callable[[Any], str]) -> None:
    value = {"file": "-----BEGIN PRIVATE KEY-----\nMIIEvQIBADANBgkqhkiG9w0BAQ", "path": "/etc/tls"}

    text, _ = redact(write(value))

    assert "MIIEvQ" not in text
    assert read(text)["path"] == "/etc/tls"
