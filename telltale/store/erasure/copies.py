"""Erasure of copies: rows of references, reports, and examples in what monitors found."""

from __future__ import annotations

import hashlib
import html
import json
import zlib
from bisect import bisect_left
from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from functools import partial
from typing import Any, Final

from sqlalchemy import Connection, delete, select, update

from telltale.store import Store, samples
from telltale.store import evidence as documents
from telltale.store.erasure.found import Call, Found
from telltale.store.schema import evidence, evidently_reports, monitor_references, scores

ERASED: Final = "[ERASED]"
# A copy may be cut short, so a text is known by so many of its first characters.
TELLING: Final = 24
# Reports are looked through for so many texts; of more, every report that could quote one goes.
MOST_SOUGHT: Final = 200

Step = tuple[str, Callable[[Connection], object]]


def steps(store: Store, found: Found, at_once: int) -> Iterator[Step]:
    """(what is at work, the write) of each transaction, in their order."""
    if not found.calls:
        return
    ids = frozenset(call.id for call in found.calls)
    times: dict[str, list[float]] = {}
    for call in sorted(found.calls, key=lambda call: call.observed_at):
        times.setdefault(call.model, []).append(call.observed_at)
    first = min(known[0] for known in times.values())
    with store.read() as connection:
        beginnings = _beginnings(connection, sorted(ids), at_once)
        held = _references(connection, found.calls)
        beside = _reports(connection, sorted(times), first)
        judged = _scores(connection, sorted(times), first)
    for number in held:
        yield "references", partial(_reference, number=number, ids=ids, beginnings=beginnings)
    for begin in range(0, len(beside), at_once):
        part = beside[begin : begin + at_once]
        yield "evidence", partial(_beside, ids=part, times=times, beginnings=beginnings)
    for begin in range(0, len(judged), at_once):
        part = judged[begin : begin + at_once]
        yield "evidence", partial(_evidence, score_ids=part, times=times, beginnings=beginnings)


def without(content: bytes, ids: Set[int]) -> tuple[bytes, int] | None:
    """A reference's rows (see monitors/references.py) without those of these samples, and how many are left.

    None where it has none of them.
    """
    columns: dict[str, Any] = json.loads(zlib.decompress(content))
    known: Sequence[int] = columns.get("ids", ())
    kept = [place for place, number in enumerate(known) if number not in ids]
    if len(kept) == len(known):
        return None
    left = {name: _taken(column, kept, len(known)) for name, column in columns.items()}
    return zlib.compress(json.dumps(left, ensure_ascii=False).encode("utf-8", "replace"), 6), len(kept)


def scrubbed(value: Any, beginnings: Set[str]) -> Any:
    """JSON with ERASED in place of every text that begins as an erased one does."""
    if isinstance(value, str):
        return ERASED if _beginning(value) in beginnings else value
    if isinstance(value, Mapping):
        return {name: scrubbed(inner, beginnings) for name, inner in value.items()}
    return [scrubbed(inner, beginnings) for inner in value] if isinstance(value, list) else value


def _taken(column: Any, kept: Sequence[int], rows: int) -> Any:
    if isinstance(column, dict):
        return {name: _taken(inner, kept, rows) for name, inner in column.items()}
    return [column[place] for place in kept] if isinstance(column, list) and len(column) == rows else column


def _beginning(text: str) -> str:
    return " ".join(text.split())[:TELLING]


def _beginnings(connection: Connection, ids: Sequence[int], at_once: int) -> frozenset[str]:
    """How the texts of these samples begin."""
    found: set[str] = set()
    for begin in range(0, len(ids), at_once):
        for sample in samples.load(connection, ids=ids[begin : begin + at_once]):
            found |= {_beginning(sample.prompt), _beginning(sample.response)}
    return frozenset(text for text in found if _is_telling(text))


def _is_telling(text: str) -> bool:
    """Whether a text is more than a word, which stands in what monitors found for other reasons."""
    return " " in text or len(text) == TELLING or (not text.isascii() and len(text) > 3)


def _references(connection: Connection, calls: Sequence[Call]) -> list[int]:
    """The references that may have rows of these calls: of their models and times. Of votes, the time is the vote's."""
    c = monitor_references.c
    first: dict[str, float] = {}
    for call in calls:
        first[call.model] = min(first.get(call.model, call.observed_at), call.observed_at)
    rows = connection.execute(select(c.id, c.model, c.ends_at).where(c.model.in_(first)).order_by(c.id))
    return [row.id for row in rows if row.ends_at >= first[row.model]]


def _reference(connection: Connection, number: int, ids: Set[int], beginnings: Set[str]) -> None:
    """Drop the rows, and what monitors learned of all: they learn anew of the rows that are left."""
    c = monitor_references.c
    row = connection.execute(select(c.content, c.checks).where(c.id == number)).first()
    if row is None or not row.content:
        return
    left = without(row.content, ids)
    checks = scrubbed(row.checks or {}, beginnings)
    values: dict[str, Any] = {} if checks == row.checks else {"checks": checks}
    if left is not None:
        content, rows = left
        sha256 = hashlib.sha256(content).hexdigest()
        values |= {"content": content, "features": None, "rows": rows, "sha256": sha256}
        if not rows:
            values["is_current"] = False
    if values:
        connection.execute(update(monitor_references).where(c.id == number).values(**values))


def _scores(connection: Connection, models: Sequence[str], first: float) -> list[int]:
    """What was judged of these models since then: what is older cannot show the calls."""
    c = scores.c
    query = select(c.id).where(c.model.in_(models), c.window_end >= first).order_by(c.id)
    return list(connection.scalars(query))


def _evidence(
    connection: Connection, score_ids: Sequence[int], times: Mapping[str, Sequence[float]], beginnings: Set[str]
) -> None:
    """Blank what examples quote; remove reports on windows that the calls are in, and those that quote them."""
    c = scores.c
    columns = (c.id, c.model, c.window_start, c.window_end, c.details, c.evidence_id)
    reports: set[int] = set()
    for row in connection.execute(select(*columns).where(c.id.in_(score_ids))).all():
        details = scrubbed(row.details, beginnings)
        if details != row.details:
            connection.execute(update(scores).where(c.id == row.id).values(details=details))
        if row.evidence_id is not None and _holds(connection, row, times, beginnings):
            reports.add(row.evidence_id)
    _remove(connection, reports)


def _reports(connection: Connection, models: Sequence[str], first: float) -> list[int]:
    """Evidently's reports on these models since then, which scores need not point to."""
    c = evidently_reports.c
    of_these = (c.model.in_(models), c.window_end >= first, c.evidence_id.is_not(None))
    return sorted(set(connection.scalars(select(c.evidence_id).where(*of_these))))


def _beside(
    connection: Connection, ids: Sequence[int], times: Mapping[str, Sequence[float]], beginnings: Set[str]
) -> None:
    c = evidently_reports.c
    columns = (c.model, c.window_start, c.window_end, c.evidence_id)
    found = connection.execute(select(*columns).where(c.evidence_id.in_(ids))).all()
    _remove(connection, {row.evidence_id for row in found if _holds(connection, row, times, beginnings)})


def _holds(connection: Connection, row: Any, times: Mapping[str, Sequence[float]], beginnings: Set[str]) -> bool:
    """Whether a report is on a window that one of the calls is in, or quotes one."""
    begin, end = (bisect_left(times[row.model], at) for at in (row.window_start, row.window_end))
    return begin < end or _quotes(connection, row.evidence_id, beginnings)


def _remove(connection: Connection, reports: Set[int]) -> None:
    if reports:
        for pointing in (scores, evidently_reports):
            of_these = pointing.c.evidence_id.in_(reports)
            connection.execute(update(pointing).where(of_these).values(evidence_id=None))
        connection.execute(delete(evidence).where(evidence.c.id.in_(reports)))


def _quotes(connection: Connection, number: int, beginnings: Set[str]) -> bool:
    if len(beginnings) > MOST_SOUGHT:
        return True
    report = documents.get(connection, number)
    said = " ".join(html.unescape(report.content.decode("utf-8", "replace")).split()) if report else ""
    return any(text in said for text in beginnings)
