"""What texts are about: is something new, has the mix moved, do they lie differently as a whole?

Three questions of the same vectors. `novelty`: the share of texts that are more distant from everything the reference
knows than 95 % of its own are. `mix`: the shares of its clusters. `energy`: the energy distance of the two samples.
The first does not ask how often the known is asked; the other two do.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Final, Self

import numpy as np
from numpy.typing import NDArray

from monitors import embedding, nearest
from monitors.calibration import factors
from monitors.energy import Energy, energy
from monitors.judgement import score
from monitors.monitor import Monitor, Terms
from monitors.permutation import MaxT, Weighted, effect, max_t
from monitors.rows import Comparison, Features, Rows, Side
from monitors.tokens import part_of_words, words_of
from monitors.votes import wilson
from telltale.evidence.scores import ClusterChange, ClusterChanges, Finding, NovelTexts, WordChange
from telltale.records import Basis, Direction, Score

CLUSTERS: Final = 20
RARE: Final = (0.05, 0.01)
# Energy compares every row with every other: more rows of the reference cost more than they tell.
MOST_COMPARED: Final = 1000
# A share of novel texts, and a cluster's share, must move by this much to matter.
MIN_NOVEL, MIN_SHARE = 0.02, 0.08
# The distance between a sample and one in which a tenth is new; where shares of topics move by a fifth it stays below.
MIN_ENERGY: Final = 0.0004
REPORTED: Final = 8
NAMED_BY: Final = 3
_OF_ROWS: Final = frozenset(("vectors", "clusters", "is_compared"))


@dataclass(frozen=True)
class Topics(Monitor):
    """Compares where the window's texts lie with where the reference's do."""

    name: ClassVar[str] = "topics"
    signals: ClassVar[tuple[str, ...]] = ("novelty", "mix", "energy")
    basis: ClassVar[Basis] = "calls"
    directions: ClassVar[tuple[Direction, ...]] = ("prompt", "response")
    finds: ClassVar[str] = "what texts are about: something new, or more of one thing and less of another"
    effect: ClassVar[str] = (
        "rise of the share of novel texts, change of a cluster's share, in standard errors; energy distance"
    )
    evidence: ClassVar[type[Finding]] = ClusterChanges

    terms: Terms

    @classmethod
    def of(cls, terms: Terms) -> Self:
        return cls(terms)

    def describe(self, rows: Rows, direction: Direction) -> Features:
        """The words of each text, and its vector where it came with one."""
        given = rows.vectors.get(direction)
        own = {} if given is None else {"vectors": embedding.unit(np.asarray(given, np.float32)).astype(np.float16)}
        return {**words_of(rows.texts[direction]), **own}

    def prepare(self, side: Side) -> Features:
        """Of a reference: axes if the texts have no vectors, clusters with their names, distances."""
        features, seed = side.features, self.terms.seed
        is_compared = np.ones(len(side), dtype=bool)
        axes: Features = {}
        if "vectors" not in features:
            # Texts that the axes were made of lie better on them than any others: they are not compared.
            _, group = np.unique(side.groups, return_inverse=True)
            is_compared = np.random.default_rng(seed).permutation(int(group.max(initial=0)) + 1)[group] % 2 == 0
            axes = embedding.fitted(self.part(features, np.flatnonzero(~is_compared)), seed)
        vectors = _vectors(features, axes)
        centres = _centres(vectors, seed)
        clusters = _nearest(vectors, centres)
        prepared: Features = {
            **features, **axes,
            "vectors": vectors.astype(np.float16),
            "centres": centres,
            "clusters": clusters.astype(np.int16),
            "is_compared": is_compared,
            "names": _names(features, clusters, len(centres)),
        }  # fmt: skip
        return {**prepared, "apart": _apart(prepared, prepared, side.groups)}

    def part(self, features: Features, places: NDArray[np.intp]) -> Features:
        own = {name: array[places] if name in _OF_ROWS else array for name, array in features.items()}
        # How far rows are from a part of the reference is another distance.
        own.pop("apart", None)
        return {**own, **part_of_words(features, places)}

    def judge(self, comparison: Comparison) -> list[Score]:
        known = comparison.reference
        if "centres" not in known.features:
            known = Side(known.groups, known.weights, self.prepare(known))
        now = self._placed(comparison.current.features, known.features)
        return [
            self._novelty(comparison, now, known),
            *self._mix(comparison, now, known),
            *self._energy(comparison, now, known),
        ]

    def learn(self, blocks: Sequence[Comparison]) -> Mapping[str, float]:
        found: dict[str, float] = {}
        for block in blocks:
            now, known = self._placed(block.current.features, block.reference.features), block.reference
            whole = self._whole(block, now, known, 1.0)
            if whole is not None and whole.distance > whole.threshold > 0:
                found["energy"] = max(found.get("energy", 1.0), whole.distance / whole.threshold)
        clusters = factors(
            blocks,
            lambda block: self._clusters(
                block, self._placed(block.current.features, block.reference.features), block.reference
            ),
        )
        novel = factors(
            blocks,
            lambda block: (
                ("novelty",) * len(RARE),
                self._rare(block, self._placed(block.current.features, block.reference.features), block.reference)[0],
            ),
        )
        return {**found, **clusters, **novel}

    def _placed(self, features: Features, known: Features) -> Features:
        """A window's texts on the reference's axes, in its clusters."""
        if "clusters" in features:
            return features
        vectors = _vectors(features, known)
        clusters = _nearest(vectors, known["centres"]).astype(np.int16)
        return {**features, "vectors": vectors, "clusters": clusters, "is_compared": np.ones(len(vectors), dtype=bool)}

    def _rare(
        self, comparison: Comparison, now: Features, known: Side
    ) -> tuple[MaxT, NDArray[np.float64], NDArray[np.float64]]:
        before = known.features
        apart = before.get("apart")
        if apart is None:
            apart = _apart(before, before, known.groups)
        far = _apart(now, before, None)
        ranks = nearest.ranks(far, now["clusters"], apart, before["clusters"], is_own=False)
        ranks_before = nearest.ranks(apart, before["clusters"], apart, before["clusters"], is_own=True)
        found = max_t(
            Weighted(_at_most(ranks), comparison.current.groups, comparison.current.weights),
            Weighted(_at_most(ranks_before), known.groups, known.weights),
            alpha=self.terms.alpha,
            seed=self.terms.seed,
            factors=comparison.factors.get("novelty", 1.0),
        )
        return found, ranks, ranks_before

    def _novelty(self, comparison: Comparison, now: Features, known: Side) -> Score:
        found, ranks, ranks_before = self._rare(comparison, now, known)
        weights, weights_before = comparison.current.weights, known.weights
        is_novel = ranks <= RARE[0]
        share = float(weights[is_novel].sum() / weights.sum())
        before = float(weights_before[ranks_before <= RARE[0]].sum() / weights_before.sum())
        rises = np.array([share - before, share - before])
        lower, upper = wilson(round(share * len(ranks)), len(ranks))
        one_sided = MaxT(
            np.maximum(found.z, 0.0), float(np.maximum(found.z, 0.0).max()), found.threshold, found.p_value
        )
        return score(
            comparison, self.name, "novelty", len(ranks),
            effect=effect(one_sided, rises, MIN_NOVEL * self.terms.floor),
            threshold=found.threshold,
            p_value=found.p_value if share > before else 1.0,
            finding=NovelTexts(share, lower, upper, before, _new_words(now, known.features, is_novel)),
            shown=tuple(map(int, np.argsort(ranks, kind="stable")[:REPORTED])),
        )  # fmt: skip

    def _clusters(self, comparison: Comparison, now: Features, known: Side) -> tuple[Sequence[str], MaxT] | None:
        count, used = len(known.features["centres"]), np.flatnonzero(known.features["is_compared"])
        inside = np.flatnonzero(now["is_compared"])
        if count < 2 or not used.size or not inside.size:
            return None
        current, reference = comparison.current, known
        one_of = np.eye(count)
        found = max_t(
            Weighted(one_of[now["clusters"][inside]], _at(current.groups, inside), current.weights[inside]),
            Weighted(one_of[known.features["clusters"][used]], _at(reference.groups, used), reference.weights[used]),
            alpha=self.terms.alpha,
            seed=self.terms.seed,
            factors=np.array([comparison.factors.get(f"cluster {number}", 1.0) for number in range(count)]),
        )
        return [f"cluster {number}" for number in range(count)], found

    def _mix(self, comparison: Comparison, now: Features, known: Side) -> list[Score]:
        compared = self._clusters(comparison, now, known)
        if compared is None:
            return []
        shares, before, changes = self._changes(comparison, now, known, compared[1])
        found = compared[1]
        return [
            score(
                comparison, self.name, "mix", len(comparison.current),
                effect=effect(found, shares - before, MIN_SHARE * self.terms.floor),
                threshold=found.threshold,
                p_value=found.p_value,
                finding=changes,
            )
        ]  # fmt: skip

    def _changes(
        self, comparison: Comparison, now: Features, known: Side, found: MaxT
    ) -> tuple[NDArray[np.float64], NDArray[np.float64], ClusterChanges]:
        count, used = len(known.features["centres"]), known.features["is_compared"]
        shares = _shares(now["clusters"], comparison.current.weights, count)
        before = _shares(known.features["clusters"][used], known.weights[used], count)
        names = known.features["names"]
        largest = np.argsort(-np.abs(found.z))[:REPORTED]
        rows = tuple(
            ClusterChange(
                str(names[i]), round(float(found.z[i]), 2), round(float(shares[i]), 4), round(float(before[i]), 4)
            )
            for i in largest
        )
        return shares, before, ClusterChanges(rows)

    def _whole(self, comparison: Comparison, now: Features, known: Side, factor: float) -> Energy | None:
        used, inside = (np.flatnonzero(one["is_compared"]) for one in (known.features, now))
        if used.size > MOST_COMPARED:
            used = np.sort(np.random.default_rng(self.terms.seed).choice(used, MOST_COMPARED, replace=False))
        if not used.size or not inside.size:
            return None
        return energy(
            now["vectors"][inside].astype(np.float32),
            known.features["vectors"][used].astype(np.float32),
            (_at(comparison.current.groups, inside), _at(known.groups, used)),
            (comparison.current.weights[inside], known.weights[used]),
            alpha=self.terms.alpha,
            seed=self.terms.seed,
            factor=factor,
        )

    def _energy(self, comparison: Comparison, now: Features, known: Side) -> list[Score]:
        found = self._whole(comparison, now, known, comparison.factors.get("energy", 1.0))
        compared = self._clusters(comparison, now, known)
        if found is None or compared is None:
            return []
        enough = found.distance if found.distance - found.mean >= MIN_ENERGY * self.terms.floor else 0.0
        return [
            score(
                comparison, self.name, "energy", len(comparison.current),
                effect=max(enough, min(found.distance, found.threshold)),
                threshold=found.threshold,
                p_value=found.p_value,
                finding=self._changes(comparison, now, known, compared[1])[2],
            )
        ]  # fmt: skip


def _vectors(features: Features, axes: Features) -> embedding.Vectors:
    given = features.get("vectors")
    return embedding.placed(features, axes) if given is None else given.astype(np.float32)


def _apart(features: Features, known: Features, groups: Sequence[str] | None) -> nearest.Distances:
    """How far each text is from the reference: by its words where nothing better is known."""
    if "axes" in known:
        similarity = embedding.words_in_common(features, known)
    else:
        similarity = features["vectors"].astype(np.float32) @ known["vectors"].astype(np.float32).T
    own = None if groups is None else np.unique(groups, return_inverse=True)[1]
    return nearest.distances(similarity, own)


def _centres(vectors: embedding.Vectors, seed: int) -> NDArray[np.float32]:
    from sklearn.cluster import KMeans

    count = min(CLUSTERS, len(vectors) // 10, len(np.unique(vectors, axis=0)))
    if count < 2:
        return vectors[:1].astype(np.float32)
    found = KMeans(count, n_init=1, max_iter=50, random_state=seed).fit(vectors)
    return np.asarray(found.cluster_centers_, dtype=np.float32)


def _nearest(vectors: embedding.Vectors, centres: NDArray[np.float32]) -> NDArray[np.intp]:
    found: NDArray[np.intp] = np.argmax(vectors @ centres.T - (centres**2).sum(axis=1) / 2, axis=1)
    return found


def _names(features: Features, clusters: NDArray[np.intp], count: int) -> NDArray[np.str_]:
    """What the texts of each cluster have more often than all others do, in a few words."""
    every = embedding.matrix(features, features["words"])
    overall = np.asarray(every.mean(axis=0)).ravel()
    names = []
    for number in range(count):
        inside = np.flatnonzero(clusters == number)
        share = np.asarray(every[inside].mean(axis=0)).ravel() if inside.size else overall
        best = np.argsort(-(share - overall), kind="stable")[:NAMED_BY]
        names.append(", ".join(str(features["words"][i]) for i in best) or f"cluster {number + 1}")
    return np.array(names, dtype=str)


def _new_words(now: Features, known: Features, is_novel: NDArray[np.bool_]) -> tuple[WordChange, ...]:
    """The words by which the novel texts stand out."""
    inside = np.flatnonzero(is_novel)
    if not inside.size or not now["words"].size:
        return ()
    novel = np.asarray(embedding.matrix(now, now["words"])[inside].mean(axis=0)).ravel()
    before = np.asarray(embedding.matrix(known, now["words"]).mean(axis=0)).ravel()
    best = np.argsort(-(novel - before), kind="stable")[:REPORTED]
    return tuple(
        WordChange(str(now["words"][i]), 0.0, round(float(novel[i]), 4), round(float(before[i]), 4))
        for i in best
        if novel[i] > before[i]
    )


def _shares(clusters: NDArray[np.intp], weights: NDArray[np.float64], count: int) -> NDArray[np.float64]:
    found: NDArray[np.float64] = np.bincount(clusters, weights, minlength=count) / max(weights.sum(), 1e-12)
    return found


def _at_most(ranks: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.column_stack([ranks <= rare for rare in RARE]).astype(np.float64)


def _at(values: Sequence[str], places: NDArray[np.intp]) -> tuple[str, ...]:
    return tuple([values[place] for place in places])
