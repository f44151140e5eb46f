"""The rows of a data set before they are in files: which are there is known once all of them are."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from types import TracebackType
from typing import Any

from feedback.data_sets.choosing import Chosen
from feedback.data_sets.examples import Examples
from feedback.data_sets.files import Spool
from feedback.data_sets.manifest import Tally
from feedback.data_sets.spec import Spec
from feedback.data_sets.splits import Splits


class Gathered(AbstractContextManager["Gathered"]):
    """Rows and where each comes from, in the order in which they came."""

    def __init__(self, folder: Path, spec: Spec) -> None:
        self.spec = spec
        self.tally = Tally()
        self.rows = Spool(folder)
        self._references = Spool(folder)
        self._kinds: list[str] = []
        self._examples = Examples()
        self._groups = Splits() if spec.test_share else None

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.rows.close()
        self._references.close()

    def add(self, chosen: Chosen) -> None:
        text, row = chosen[0].line
        self._examples.add(row)
        self.rows.add(text)
        self._references.add(json.dumps(reference(chosen), ensure_ascii=False).encode("utf-8", "replace") + b"\n")
        self.tally.add(chosen)
        self._kinds.append(chosen[0].kind)
        if self._groups is not None:
            self._groups.add(chosen[0])

    @property
    def largest_group(self) -> int | None:
        """How many rows belong together at most; None where they are not told apart."""
        return None if self._groups is None else self._groups.largest

    def splits(self) -> dict[str, list[int]]:
        """The numbers of the rows to train and to test with; a side without rows is not there."""
        share = self.spec.test_share
        is_test = [False] * len(self._kinds) if self._groups is None else self._groups.tests(share)
        found: dict[str, list[int]] = {"train": [], "test": []}
        for number, of_tests in enumerate(is_test):
            found["test" if of_tests else "train"].append(number)
        return {name: numbers for name, numbers in found.items() if numbers}

    def in_order(self, numbers: Sequence[int]) -> list[int]:
        """These rows, with those first that readers infer types from."""
        shown = dict.fromkeys(self._examples.among(numbers))
        return [*shown, *(number for number in numbers if number not in shown)]

    def classes(self, numbers: Iterable[int]) -> dict[str, int]:
        return dict(sorted(Counter(self._kinds[number] for number in numbers).items()))

    def references_in(self, order: Sequence[tuple[str, int]]) -> Iterator[bytes]:
        """Where these rows come from, each with the split that it is in, in this order."""
        lines = self._references.lines(number for _, number in order)
        for (split, _), text in zip(order, lines, strict=True):
            yield b'{"split": "%s", %s' % (split.encode(), text[1:])


def reference(chosen: Chosen) -> Mapping[str, Any]:
    """Where a row comes from: written beside the training file, whose columns are the trainer's.

    `traces` are those of all calls that it stands for, where these are several.
    """
    row, backing = chosen
    up, down, corrections = row.counts
    traces = list(dict.fromkeys(sample.trace_id for sample in row.samples))
    return {
        "class": row.kind,
        "backing": backing,
        "trace_id": row.sample.trace_id,
        "span_id": row.sample.span_id,
        "version": row.sample.version,
        "tenant": row.sample.tenant,
        "observed_at": row.sample.observed_at,
        "votes_up": up,
        "votes_down": down,
        "corrections": corrections,
        "feedback": sorted(one.event.id or 0 for one in row.support),
        **({"traces": traces} if len(traces) > 1 else {}),
    }
