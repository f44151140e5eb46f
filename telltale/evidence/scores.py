"""A monitor's findings in one window: typed, tagged by kind, and able to show themselves as a table.

A kind of evidence is one dataclass here: its monitor makes it, the store keeps it, a ticket's page and JSON show it,
and none of them asks which monitor it came from.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationError, ValidatorFunctionWrapHandler, WrapValidator

from telltale.evidence import codec
from telltale.evidence.explanation import Explanation


@dataclass(frozen=True, slots=True)
class Change:
    """One row of a table: a feature's size now and in the reference; `z` is the standardised difference."""

    name: str
    current: float
    reference: float
    z: float


@dataclass(frozen=True, slots=True)
class Table:
    """Evidence as people read it, the largest change first. `unit` is how to write the two sizes."""

    caption: str
    heading: str
    unit: Literal["percent", "number"]
    changes: tuple[Change, ...]


@dataclass(frozen=True, slots=True)
class WordChange:
    """The share of texts that contain a word; of a Korean one, with whatever ending.

    Words of languages that are compared by pieces are put together of pieces; the figures are of the one that changed
    most.
    """

    word: str
    z: float
    current_share: float
    reference_share: float


@dataclass(frozen=True, slots=True)
class WordChanges:
    """Words that became more or less frequent, the largest change first.

    `excess` is the mean squared standardised difference of all words beyond chance, in variances.
    """

    words: tuple[WordChange, ...]
    excess: float = 0.0
    kind: Literal["word_changes"] = "word_changes"

    def table(self, direction: str) -> Table | None:
        rows = (Change(row.word, row.current_share, row.reference_share, row.z) for row in self.words)
        return Table(f"Share of {direction}s that contain the word", "Word", "percent", tuple(rows))


@dataclass(frozen=True, slots=True)
class DescriptorChange:
    """The mean of a property of texts, in the property's own unit."""

    name: str
    z: float
    current_mean: float
    reference_mean: float


@dataclass(frozen=True, slots=True)
class DescriptorChanges:
    """Properties of texts by size of change."""

    descriptors: tuple[DescriptorChange, ...]
    kind: Literal["descriptor_changes"] = "descriptor_changes"

    def table(self, direction: str) -> Table | None:
        rows = (
            Change(row.name.replace("_", " "), row.current_mean, row.reference_mean, row.z) for row in self.descriptors
        )
        return Table(f"Mean over the {direction}s", "Property", "number", tuple(rows))


@dataclass(frozen=True, slots=True)
class Cusum:
    """Where a sum of evidence stands after a window, from which the next one goes on.

    `level` is the logarithm of how much likelier the votes since `since` (Unix seconds) are after a rise. There are
    `votes` of them, `negative` of which count, as far as they are not forgotten; `known_votes` and `known_negative`
    tell how it was before.
    """

    level: float
    since: float
    votes: float
    negative: float
    known_votes: float
    known_negative: float


@dataclass(frozen=True, slots=True)
class VoteShares:
    """Shares of negative votes, in [0, 1]; `lower` and `upper` are the bounds of Wilson's 95 % interval."""

    negative_ratio: float
    negative_ratio_lower: float
    negative_ratio_upper: float
    reference_ratio: float
    reference_votes: int
    cusum: Cusum | None = None
    kind: Literal["vote_shares"] = "vote_shares"

    def table(self, direction: str) -> Table | None:
        """None: the chart of effect and threshold already shows the one number there is."""
        return None


@dataclass(frozen=True, slots=True)
class ShareChange:
    """The share of texts that have a property, in [0, 1]."""

    name: str
    z: float
    current_share: float
    reference_share: float


@dataclass(frozen=True, slots=True)
class ShareChanges:
    """Properties that a text, or its call, has or has not.

    `unknown` names what could not be compared, because most rows do not tell it.
    """

    shares: tuple[ShareChange, ...]
    unknown: tuple[str, ...] = ()
    kind: Literal["share_changes"] = "share_changes"

    def table(self, direction: str) -> Table | None:
        rows = (Change(row.name, row.current_share, row.reference_share, row.z) for row in self.shares)
        unknown = f" (not known of most: {', '.join(self.unknown)})" if self.unknown else ""
        return Table(f"Share of the {direction}s{unknown}", "Property", "percent", tuple(rows))


@dataclass(frozen=True, slots=True)
class ClusterChanges:
    """Clusters of texts, named by words that theirs have, that became larger or smaller; the largest change first."""

    clusters: tuple[ShareChange, ...]
    kind: Literal["cluster_changes"] = "cluster_changes"

    def table(self, direction: str) -> Table | None:
        rows = (Change(row.name, row.current_share, row.reference_share, row.z) for row in self.clusters)
        return Table(f"Share of {direction}s by what they are about", "Words of the cluster", "percent", tuple(rows))


@dataclass(frozen=True, slots=True)
class NovelTexts:
    """The share of texts unlike the reference's, with Wilson's 95 % interval, and the words by which they stand out."""

    novel_ratio: float
    novel_ratio_lower: float
    novel_ratio_upper: float
    reference_ratio: float
    words: tuple[WordChange, ...] = ()
    kind: Literal["novel_texts"] = "novel_texts"

    def table(self, direction: str) -> Table | None:
        rows = (Change(row.word, row.current_share, row.reference_share, row.z) for row in self.words)
        return Table(f"Words of the {direction}s that are new", "Word", "percent", tuple(rows)) if self.words else None


Finding = Annotated[
    WordChanges | DescriptorChanges | ShareChanges | VoteShares | ClusterChanges | NovelTexts,
    Field(discriminator="kind"),
]


@dataclass(frozen=True, slots=True)
class Examples:
    """`current` are ids of samples; `reference` are redacted texts, because references outlive their samples."""

    current: tuple[int, ...] = ()
    reference: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Persistence:
    """How many of the last windows exceeded their threshold, and whether the series was in alert before this one.

    `at_once`: this window alone is enough, so large is the change.
    """

    windows_hit: int
    windows_seen: int
    windows_needed: int
    alert_before: bool
    at_once: bool = False


@dataclass(frozen=True, slots=True)
class Interval:
    """The 95 % interval of `what`, and what was seen of it.

    Where it is one of several features, the one that changed most, the interval holds for all of them together.
    """

    what: str
    seen: float
    lower: float
    upper: float


def _or_none(stored: Any, read: ValidatorFunctionWrapHandler) -> Any:
    try:
        return read(stored)
    except ValidationError:
        return None


_none_if_unreadable = WrapValidator(_or_none)


@dataclass(frozen=True, slots=True)
class Details:
    """Why a score is what it is. `None` means "not known": not recorded, or in a form that cannot be read.

    How far to trust it: `method` is the version by which the monitor describes rows; `false_alarms_a_week` are the
    alerts that this monitor is expected to raise of this series while nothing changes, at most.
    """

    finding: Annotated[Finding | None, _none_if_unreadable] = None
    examples: Annotated[Examples | None, _none_if_unreadable] = None
    persistence: Annotated[Persistence | None, _none_if_unreadable] = None
    reference_id: Annotated[int | None, _none_if_unreadable] = None
    explanation: Annotated[Explanation | None, _none_if_unreadable] = None
    method: Annotated[str | None, _none_if_unreadable] = None
    interval: Annotated[Interval | None, _none_if_unreadable] = None
    false_alarms_a_week: Annotated[float | None, _none_if_unreadable] = None


def dump_details(details: Details) -> Any:
    """What a JSON column holds of the details."""
    return codec.dump(Details, details)


def load_details(stored: object) -> Details:
    """The details that a JSON column holds, also in the flat form of earlier versions.

    Never raises: what cannot be read is not known, and the score beside it still counts.
    """
    try:
        return codec.load(Details, _upgraded(stored))
    except ValidationError:
        return Details()


# Details were once one flat mapping without a tag. Here: a field that only one kind had, and that kind's tag.
_UNTAGGED = {"words": "word_changes", "descriptors": "descriptor_changes", "negative_ratio": "vote_shares"}


def _upgraded(stored: object) -> object:
    if not isinstance(stored, Mapping) or "finding" in stored:
        return stored
    # Fields of the other records are ignored when each is read.
    kind = next((kind for name, kind in _UNTAGGED.items() if name in stored), None)
    return {
        "finding": {**stored, "kind": kind} if kind else None,
        "examples": stored.get("examples"),
        "persistence": {**stored, "alert_before": stored.get("alert_goes_on", False)},
        "reference_id": stored.get("reference_id"),
    }


def trust(details: Details) -> dict[str, object]:
    """How far to trust a score, as JSON."""
    stored = dump_details(details)
    return {name: stored[name] for name in ("method", "interval", "false_alarms_a_week")}
