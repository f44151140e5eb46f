"""What tickets are found by, as terms in an index: labels of their alerts, people's labels, words. Bounded in number.

A term is a name and a value. An alert's label gives a term of its own name; names that begin with # are ours, and a
label that is named so gives none.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from typing import Any, Final

from sqlalchemy import Connection, Select, delete, select, tuple_

from telltale.records import Ticket
from telltale.store.schema import ticket_terms as terms

LABEL: Final = "#label"
MODEL: Final = "#model"
VERSION: Final = "#version"
ASSIGNEE: Final = "#assignee"
WORD: Final = "#word"
# A value is cut there: a database bounds what it takes into an index.
MAX_VALUE: Final = 200
MAX_TERMS: Final = 600
MAX_WORDS: Final = 8
_WORD: Final = re.compile(r"\w+")
_LAST: Final = "\U0010ffff"


def terms_of(ticket: Ticket) -> set[tuple[str, str]]:
    """The terms that a ticket is found by."""
    labels = [label for alert in ticket.alerts.values() for label in alert.labels.items() if label[0][:1] != "#"]
    own = (
        *((MODEL, ticket.model), (VERSION, ticket.version), (ASSIGNEE, ticket.assignee)),
        *((LABEL, label) for label in ticket.labels),
    )
    texts = (ticket.title, *(value for _, value in own))
    # Those named first matter most.
    named = [*own, *_words(texts), *labels, *_words(value for _, value in labels)]
    return set(list(dict.fromkeys((name, value[:MAX_VALUE]) for name, value in named if value))[:MAX_TERMS])


def _words(texts: Iterable[str]) -> list[tuple[str, str]]:
    return [(WORD, word) for text in texts for word in words_of(text)]


def words_of(text: str) -> list[str]:
    """The words of a text as they are looked for."""
    composed = unicodedata.normalize("NFC", text.casefold())
    return [word[:MAX_VALUE] for word in _WORD.findall(composed)]


def keep(connection: Connection, ticket: Ticket) -> None:
    """Make a saved ticket's terms what they should be."""
    own = terms.c.ticket_id == ticket.id
    known = {(name, value) for name, value in connection.execute(select(terms.c.name, terms.c.value).where(own))}
    wanted = terms_of(ticket)
    if gone := known - wanted:
        connection.execute(delete(terms).where(own, tuple_(terms.c.name, terms.c.value).in_(gone)))
    if new := wanted - known:
        rows = [{"name": name, "value": value, "ticket_id": ticket.id} for name, value in sorted(new)]
        connection.execute(terms.insert(), rows)


def having_any(name: str) -> Select[Any]:
    """The ids of tickets that have a term of this name."""
    return select(terms.c.ticket_id).where(terms.c.name == name)


def having(name: str, value: str) -> Select[Any]:
    """The ids of tickets that have this term."""
    return select(terms.c.ticket_id).where(terms.c.name == name, terms.c.value == value[:MAX_VALUE])


def beginning(word: str) -> Select[Any]:
    """The ids of tickets with a word that begins like this."""
    begin = word[:MAX_VALUE]
    return select(terms.c.ticket_id).where(terms.c.name == WORD, terms.c.value >= begin, terms.c.value < begin + _LAST)
