"""What a data set is: of what it was made, what is in it, what was left out, and the SHA-256 of each file."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from feedback.data_sets import columns, reviewing
from feedback.data_sets.choosing import Chosen, Reason
from feedback.data_sets.rated import LeftOut, said
from feedback.data_sets.reading import Read
from feedback.data_sets.spec import Spec
from telltale import __version__

NO_LICENCE = "unknown"
NO_AGREEMENT = {"state": "no_labels", "why": "no item was labelled by two reviewers, which agreement is measured of"}


@dataclass(slots=True)
class Tally:
    """What was read and what was written; times are Unix seconds of observation."""

    read: Read = field(default_factory=Read)
    classes: Counter[str] = field(default_factory=Counter)
    backing: Counter[str] = field(default_factory=Counter)
    removed: Counter[str] = field(default_factory=Counter)
    left_out: LeftOut = field(default_factory=Counter)
    dropped: Counter[Reason] = field(default_factory=Counter)
    sources: Counter[tuple[str, str]] = field(default_factory=Counter)
    lengths: Counter[str] = field(default_factory=Counter)
    columns: dict[str, None] = field(default_factory=dict)
    first: float | None = None
    last: float | None = None

    @property
    def rows(self) -> int:
        return self.classes.total()

    def add(self, chosen: Chosen) -> None:
        row, backing = chosen
        self.classes[row.kind] += 1
        self.backing[backing] += 1
        self.columns |= dict.fromkeys(row.row)
        if row.answer:
            self.lengths[row.kind] += len(said(row.answer))
            self.lengths["rejected"] += len(said(row.heard))
        for sample in row.samples:
            self.removed.update(sample.redactions)
            self.sources[sample.model, sample.version] += 1
            self.first = min(self.first or sample.observed_at, sample.observed_at)
            self.last = max(self.last or sample.observed_at, sample.observed_at)


def make(
    spec: Spec,
    tally: Tally,
    rules: Mapping[str, str],
    licences: Mapping[str, str],
    splits: Mapping[str, Mapping[str, object]],
    largest_group: int | None,
    written: Sequence[Mapping[str, object]],
) -> dict[str, Any]:
    """The manifest of a data set. Nothing in it depends on when or where the files were written."""
    return {
        "tool": f"telltale {__version__}",
        "spec": spec.to_json(),
        "rows": tally.rows,
        "classes": _sorted(tally.classes),
        "splits": dict(splits),
        # Rows that belong together, the most of them: None where nothing was split.
        "largest_group": largest_group,
        "backing": _sorted(tally.backing),
        "lengths": _lengths(spec, tally),
        "agreement": reviewing.agreed(tally.read.rated) or NO_AGREEMENT,
        "left_out": _sorted(tally.left_out),
        "dropped": _sorted(tally.dropped),
        "observed": {"first": tally.first, "last": tally.last},
        "read": {"samples": tally.read.samples, "feedback": tally.read.events},
        "sources": [
            {"model": model, "version": version, "samples": number, "licence": licences.get(model, NO_LICENCE)}
            for (model, version), number in sorted(tally.sources.items())
        ],
        "redaction": {
            "state": "redacted before storage and again at export",
            "removed": _sorted(tally.removed),
            "rules_sha256": hashlib.sha256(json.dumps(dict(rules), sort_keys=True).encode()).hexdigest(),
        },
        "features": columns.features(columns.types(spec.format, tally.columns)),
        "files": list(written),
    }


def _lengths(spec: Spec, tally: Tally) -> dict[str, float]:
    """Mean characters of what is to be learned, by class, and of pairs how much longer it is than what is not.

    A trainer who sees the better response be the longer one teaches length.
    """
    found = {name: round(tally.lengths[name] / number, 1) for name, number in sorted(tally.classes.items())}
    found = {name: mean for name, mean in found.items() if mean}
    if spec.format in ("dpo", "reward") and tally.lengths["rejected"]:
        chosen = sum(tally.lengths[name] for name in tally.classes)
        found["rejected"] = round(tally.lengths["rejected"] / tally.rows, 1)
        found["chosen_to_rejected"] = round(chosen / tally.lengths["rejected"], 3)
    return found


def _sorted(counts: Mapping[Any, int]) -> dict[str, int]:
    return dict(sorted(counts.items()))
