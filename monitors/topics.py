"""What texts are about: is something new, has the mix moved, do they lie differently as a whole?

Three questions of the same vectors. `novelty`: the share of texts that are more distant from everything the reference
knows than 95 % of its own are. `mix`: the shares of its clusters. `energy`: the energy distance of the two samples.
The first does not ask how often the known is asked; the other two do.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar, Final, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from monitors import clusters, embedding, placing, told_topics, vocabulary, words
from monitors.calibration import factors
from monitors.clusters import Shares
from monitors.energy import Energy, energy
from monitors.judgement import score
from monitors.mark import Mark
from monitors.monitor import Monitor, Terms
from monitors.permutation import MaxT, Weighted, effect, interval, max_t
from monitors.placing import placed
from monitors.rows import SPACE, Comparison, Features, Rows, Side
from monitors.votes import wilson
from telltale.evidence.scores import ClusterChanges, Finding, Interval, NovelTexts
from telltale.records import Basis, Direction, Score

# So rare are texts among the reference's own that count as unlike it; the first gives the share that is told.
RARE: Final = (0.05, 0.01)
# Energy compares every row with every other: more rows of the reference cost more than they tell. Half of a reference's
# usual 2,000 is less, so that draws of permutations serve clusters and energy alike.
MOST_COMPARED: Final = 1100
# The share of novel texts, and a cluster's share, must move by this much to matter.
MIN_NOVEL, MIN_SHARE = 0.02, 0.08
# The distance beyond chance: where a tenth of short prompts is on a new topic it is as much, where topics' shares move
# by a fifth it is less than half of it.
MIN_ENERGY: Final = 0.0004
# How the monitor's false alarms are shared: what is new matters most, and is found best.
ALPHA_NOVELTY, ALPHA_MIX, ALPHA_ENERGY = 0.5, 0.25, 0.25
NAMED: Final = 5
_OF_ROWS: Final = frozenset(("vectors", "clusters", "groups", "is_compared"))


class _Novelty(NamedTuple):
    """How rare each text of the window and of the reference is there, and what their shares say."""

    ranks: NDArray[np.float64]
    ranks_before: NDArray[np.float64]
    found: MaxT


@dataclass(frozen=True)
class Topics(Monitor):
    """Compares where the window's texts lie with where the reference's do."""

    name: ClassVar[str] = "topics"
    signals: ClassVar[tuple[str, ...]] = ("novelty", "mix", "energy")
    basis: ClassVar[Basis] = "calls"
    method: ClassVar[int] = 3
    directions: ClassVar[tuple[Direction, ...]] = ("prompt", "response")
    finds: ClassVar[str] = "what texts are about: something new, or more of one thing and less of another"
    effect: ClassVar[str] = "share of novel texts and of clusters, in standard errors; energy distance"
    evidence: ClassVar[type[Finding]] = ClusterChanges
    uses_vectors: ClassVar[bool] = True

    terms: Terms

    @classmethod
    def of(cls, terms: Terms) -> Self:
        return cls(terms)

    def form(self) -> str:
        return "-".join(filter(None, (str(self.method), self.terms.space.replace("/", "_"))))

    def describe(self, rows: Rows, direction: Direction) -> Features:
        """The words of each text, and its vector where it came with one."""
        given = rows.vectors.get(direction)
        own: Features = {}
        if given is not None:
            own = {"vectors": embedding.unit(np.asarray(given, np.float32)).astype(np.float16)}
        if (spaces := rows.spaces.get(direction)) is not None:
            own = {**own, SPACE: np.array([spaces[0] if spaces else ""], dtype=str)}
        return {**vocabulary.of(rows.texts[direction]), **own}

    def prepare(self, side: Side) -> Features:
        """Of a reference: axes if its texts have no vectors, clusters with their names, distances."""
        features, seed = side.features, self.terms.seed
        if not len(side):
            # Of embeddings there are no responses, and nothing will be compared with them.
            return features
        is_compared = np.ones(len(side), dtype=bool)
        axes: Features = {}
        if "vectors" not in features:
            # Texts that the axes were made of lie better on them than any others do: they are not compared.
            is_compared = placing.half(side.groups, seed)
            axes = embedding.fitted(self.part(features, np.flatnonzero(~is_compared)), seed)
        vectors = placing.vectors(features, axes)
        centres = clusters.centres(vectors, seed)
        own = clusters.nearest(vectors, centres)
        prepared = {
            **features,
            **axes,
            "vectors": vectors.astype(np.float16),
            "centres": centres,
            "clusters": own,
            "groups": np.unique(side.groups, return_inverse=True)[1].astype(np.int32),
            "is_compared": is_compared,
            "names": clusters.names(features, own, len(centres), side.groups),
        }
        return {**prepared, "apart": placing.apart(prepared, prepared, side.groups)}

    def part(self, features: Features, places: NDArray[np.intp]) -> Features:
        # How far rows are from a part of the reference is another distance.
        kept = {name: array for name, array in features.items() if name != "apart"}
        own = {name: array[places] for name, array in kept.items() if name in _OF_ROWS}
        return {**kept, **own, **vocabulary.part(features, places)}

    def same_hours(self, features: Features, places: NDArray[np.intp]) -> Features:
        """A text that other hours know is nothing new either: for that the whole reference is kept."""
        return {
            **self.part(features, places),
            "taken": places,
            **{f"{placing.ALL}{name}": features[name] for name in features},
        }

    def judge(self, comparison: Comparison) -> list[Score]:
        if "centres" not in comparison.reference.features:
            known = comparison.reference
            comparison = replace(comparison, reference=replace(known, features=self.prepare(known)))
        if placing.is_of_another_model(comparison):
            return []
        comparison = placed(comparison)
        shares = self._shares(comparison)
        return [
            self._of_novelty(comparison, self._novelty(comparison)),
            *([] if shares is None else [self._of_mix(comparison, shares)]),
            *([] if shares is None else self._of_energy(comparison, shares)),
        ]

    def mark(self, comparison: Comparison, score: Score) -> Mark | None:
        """Unlike the usual texts; of the mix, and of texts as a whole, in the cluster that changed most."""
        if "centres" not in comparison.reference.features or placing.is_of_another_model(comparison):
            return None
        known, finding = comparison.reference, score.details.finding
        if isinstance(finding, NovelTexts):
            named = ", ".join(words.whole([change.word for change in finding.words])[:NAMED])
            apart = placing.own_apart(known)
            return Mark(
                f"are unlike the usual ones{f': {named}' if named else ''}",
                "percent",
                lambda side: placing.ranks(placed(replace(comparison, current=side)).current, known, apart) <= RARE[0],
            )
        if not isinstance(finding, ClusterChanges) or not finding.clusters:
            return None
        name = finding.clusters[0].name
        which = np.flatnonzero(known.features["names"] == name)
        lead = "texts differ as a whole; the cluster that moved most" if score.signal == "energy" else ""
        return Mark(
            f"are about {name}",
            "percent",
            lambda side: np.isin(placed(replace(comparison, current=side)).current.features["clusters"], which),
            lead,
        )

    def learn(self, blocks: Sequence[Comparison]) -> Mapping[str, float]:
        lying = [placed(block) for block in blocks]
        whole = [found for block in lying if (found := self._energy(block)) and found.threshold > 0]
        beyond = max((found.distance / found.threshold for found in whole), default=0.0)
        return {
            **factors(lying, lambda block: (("novelty",) * len(RARE), self._novelty(block).found)),
            **factors(lying, self._moved),
            **({"energy": beyond} if beyond > 1 else {}),
        }

    def _moved(self, comparison: Comparison) -> tuple[Sequence[str], MaxT] | None:
        shares = self._shares(comparison)
        return None if shares is None else (shares.keys, shares.found)

    def _novelty(self, comparison: Comparison) -> _Novelty:
        now, known = comparison.current, comparison.reference
        apart = placing.own_apart(known)
        ranks, ranks_before = placing.ranks(now, known, apart), placing.ranks(known, known, apart)
        found = max_t(
            Weighted(_rare(ranks), now.groups, now.weights),
            Weighted(_rare(ranks_before), known.groups, known.weights),
            alpha=ALPHA_NOVELTY * self.terms.alpha,
            seed=self.terms.seed,
            factors=comparison.factors.get("novelty", 1.0),
        )
        return _Novelty(ranks, ranks_before, found)

    def _of_novelty(self, comparison: Comparison, novelty: _Novelty) -> Score:
        """Fewer novel texts than in the reference are no news."""
        ranks, ranks_before, found = novelty
        weights, weights_before = comparison.current.weights, comparison.reference.weights
        is_novel = ranks <= RARE[0]
        share, before = _share(is_novel, weights), _share(ranks_before <= RARE[0], weights_before)
        lower, upper = wilson(round(share * len(ranks)), len(ranks))
        risen = replace(found, z=np.maximum(found.z, 0.0), largest=float(found.z.max(initial=0.0)))
        words = told_topics.new_words(comparison.current, comparison.reference.features, is_novel)
        return score(
            comparison,
            self.name,
            "novelty",
            len(ranks),
            effect=effect(risen, np.full(len(RARE), share - before >= MIN_NOVEL * self.terms.floor)),
            threshold=found.threshold,
            p_value=found.p_value if risen.largest >= found.largest else 1.0,
            interval=Interval("share of novel texts", share, lower, upper),
            finding=NovelTexts(share, lower, upper, before, words),
            shown=tuple(map(int, np.argsort(ranks, kind="stable")[: told_topics.REPORTED])),
        )

    def _shares(self, comparison: Comparison) -> Shares | None:
        now, known = placing.compared(comparison.current), placing.compared(comparison.reference)
        count = len(comparison.reference.features["centres"])
        if count < 2 or not len(now) or not len(known):
            return None
        keys = [f"cluster {number}" for number in range(count)]
        one_of = np.eye(count)
        found = max_t(
            Weighted(one_of[now.features["clusters"]], now.groups, now.weights),
            Weighted(one_of[known.features["clusters"]], known.groups, known.weights),
            alpha=ALPHA_MIX * self.terms.alpha,
            seed=self.terms.seed,
            factors=np.array([comparison.factors.get(key, 1.0) for key in keys]),
        )
        return Shares(keys, found, *(clusters.shares(side, count) for side in (now, known)))

    def _of_mix(self, comparison: Comparison, shares: Shares) -> Score:
        found = shares.found
        return score(
            comparison,
            self.name,
            "mix",
            len(comparison.current),
            effect=effect(found, np.abs(shares.now - shares.before) >= MIN_SHARE * self.terms.floor),
            threshold=found.threshold,
            p_value=found.p_value,
            interval=interval(
                found,
                [f"share of {name}" for name in comparison.reference.features["names"]],
                shares.now,
                shares.before,
            ),
            finding=told_topics.changes(comparison, shares),
        )

    def _energy(self, comparison: Comparison) -> Energy | None:
        now, known = placing.compared(comparison.current), placing.compared(comparison.reference)
        if not len(now) or not len(known):
            return None
        places = np.arange(len(known))
        if places.size > MOST_COMPARED:
            places = np.sort(np.random.default_rng(self.terms.seed).choice(places, MOST_COMPARED, replace=False))
        return energy(
            (now.features["vectors"].astype(np.float32), known.features["vectors"][places].astype(np.float32)),
            (now.groups, tuple([known.groups[place] for place in places])),
            (now.weights, known.weights[places]),
            alpha=ALPHA_ENERGY * self.terms.alpha,
            seed=self.terms.seed,
        )

    def _of_energy(self, comparison: Comparison, shares: Shares) -> list[Score]:
        found = self._energy(comparison)
        if found is None:
            return []
        threshold = found.threshold * comparison.factors.get("energy", 1.0)
        is_enough = found.distance - found.mean >= MIN_ENERGY * self.terms.floor
        return [
            score(
                comparison,
                self.name,
                "energy",
                len(comparison.current),
                effect=found.distance if is_enough else min(found.distance, threshold),
                threshold=threshold,
                p_value=found.p_value,
                finding=told_topics.changes(comparison, shares),
            )
        ]


def _rare(ranks: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.column_stack([ranks <= rare for rare in RARE]).astype(np.float64)


def _share(which: NDArray[np.bool_], weights: NDArray[np.float64]) -> float:
    return float(weights[which].sum() / weights.sum())
