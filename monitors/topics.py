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

from monitors import clusters, embedding, nearest, vocabulary, words
from monitors.calibration import factors
from monitors.clusters import Shares
from monitors.energy import Energy, energy
from monitors.judgement import score
from monitors.mark import Mark
from monitors.monitor import Monitor, Terms
from monitors.permutation import MaxT, Weighted, effect, interval, max_t
from monitors.rows import Comparison, Features, Rows, Side
from monitors.votes import wilson
from telltale.evidence.scores import ClusterChanges, Finding, Interval, NovelTexts, ShareChange, WordChange
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
REPORTED: Final = 8
NAMED: Final = 5
# The whole reference's arrays, where only some of its rows are compared.
_ALL: Final = "all/"
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
        own = {} if given is None else {"vectors": embedding.unit(np.asarray(given, np.float32)).astype(np.float16)}
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
            is_compared = _half(side.groups, seed)
            axes = embedding.fitted(self.part(features, np.flatnonzero(~is_compared)), seed)
        vectors = _vectors(features, axes)
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
        return {**prepared, "apart": _apart(prepared, prepared, side.groups)}

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
            **{f"{_ALL}{name}": features[name] for name in features},
        }

    def judge(self, comparison: Comparison) -> list[Score]:
        if "centres" not in comparison.reference.features:
            known = comparison.reference
            comparison = replace(comparison, reference=replace(known, features=self.prepare(known)))
        if _is_of_another_model(comparison):
            return []
        comparison = _placed(comparison)
        shares = self._shares(comparison)
        return [
            self._of_novelty(comparison, self._novelty(comparison)),
            *([] if shares is None else [self._of_mix(comparison, shares)]),
            *([] if shares is None else self._of_energy(comparison, shares)),
        ]

    def mark(self, comparison: Comparison, score: Score) -> Mark | None:
        """Unlike the usual texts; of the mix, and of texts as a whole, in the cluster that changed most."""
        if "centres" not in comparison.reference.features or _is_of_another_model(comparison):
            return None
        known, finding = comparison.reference, score.details.finding
        if isinstance(finding, NovelTexts):
            named = ", ".join(words.whole([change.word for change in finding.words])[:NAMED])
            apart = _own_apart(known)
            return Mark(
                f"are unlike the usual ones{f': {named}' if named else ''}",
                "percent",
                lambda side: _ranks(_placed(replace(comparison, current=side)).current, known, apart) <= RARE[0],
            )
        if not isinstance(finding, ClusterChanges) or not finding.clusters:
            return None
        name = finding.clusters[0].name
        which = np.flatnonzero(known.features["names"] == name)
        lead = "texts differ as a whole; the cluster that moved most" if score.signal == "energy" else ""
        return Mark(
            f"are about {name}",
            "percent",
            lambda side: np.isin(_placed(replace(comparison, current=side)).current.features["clusters"], which),
            lead,
        )

    def learn(self, blocks: Sequence[Comparison]) -> Mapping[str, float]:
        placed = [_placed(block) for block in blocks]
        whole = [found for block in placed if (found := self._energy(block)) and found.threshold > 0]
        beyond = max((found.distance / found.threshold for found in whole), default=0.0)
        return {
            **factors(placed, lambda block: (("novelty",) * len(RARE), self._novelty(block).found)),
            **factors(placed, self._moved),
            **({"energy": beyond} if beyond > 1 else {}),
        }

    def _moved(self, comparison: Comparison) -> tuple[Sequence[str], MaxT] | None:
        shares = self._shares(comparison)
        return None if shares is None else (shares.keys, shares.found)

    def _novelty(self, comparison: Comparison) -> _Novelty:
        now, known = comparison.current, comparison.reference
        apart = _own_apart(known)
        ranks, ranks_before = _ranks(now, known, apart), _ranks(known, known, apart)
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
        words = _new_words(comparison.current, comparison.reference.features, is_novel)
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
            shown=tuple(map(int, np.argsort(ranks, kind="stable")[:REPORTED])),
        )

    def _shares(self, comparison: Comparison) -> Shares | None:
        now, known = _compared(comparison.current), _compared(comparison.reference)
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
            finding=_changes(comparison, shares),
        )

    def _energy(self, comparison: Comparison) -> Energy | None:
        now, known = _compared(comparison.current), _compared(comparison.reference)
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
                finding=_changes(comparison, shares),
            )
        ]


def _placed(comparison: Comparison) -> Comparison:
    """With the window's texts on the reference's axes and in its clusters."""
    features, known = comparison.current.features, comparison.reference.features
    if "clusters" in features:
        return comparison
    vectors = _vectors(features, known)
    own: Features = {
        "vectors": vectors,
        "clusters": clusters.nearest(vectors, known["centres"]),
        "is_compared": np.ones(len(vectors), dtype=bool),
    }
    return replace(comparison, current=replace(comparison.current, features={**features, **own}))


def _is_of_another_model(comparison: Comparison) -> bool:
    """Whether the window's vectors are of another length than the reference's, though their space is named alike."""
    given = comparison.current.features.get("vectors")
    return given is not None and given.shape[1] != comparison.reference.features["vectors"].shape[1]


def _half(groups: Sequence[str], seed: int) -> NDArray[np.bool_]:
    """Half of the groups, drawn: whether each row is in one of them."""
    _, group = np.unique(groups, return_inverse=True)
    drawn: NDArray[np.bool_] = np.random.default_rng(seed).permutation(int(group.max(initial=0)) + 1)[group] % 2 == 0
    return drawn


def _compared(side: Side) -> Side:
    """The rows that take part where the axes matter."""
    places = np.flatnonzero(side.features["is_compared"])
    if places.size == len(side):
        return side
    features = {name: side.features[name][places] for name in ("vectors", "clusters")}
    return Side(tuple([side.groups[place] for place in places]), side.weights[places], features)


def _vectors(features: Features, axes: Features) -> embedding.Vectors:
    given = features.get("vectors")
    return embedding.placed(features, axes) if given is None else given.astype(np.float32)


def _apart(features: Features, known: Features, groups: Sequence[str] | None = None) -> nearest.Distances:
    """How far each text is from the reference; `groups` where it is one of the reference's.

    Without vectors that texts came with, by the words that they have in common: axes are too few for that.
    """
    if "axes" in known:
        similarity = embedding.words_in_common(features, known)
    else:
        similarity = features["vectors"].astype(np.float32) @ known["vectors"].astype(np.float32).T
    own = None if groups is None else np.unique(groups, return_inverse=True)[1]
    return nearest.distances(similarity, own)


def _own_apart(known: Side) -> nearest.Distances:
    """How far each text of the reference is from those of its other groups."""
    features = _whole(known.features)
    return features["apart"] if "apart" in features else _apart(features, features, known.groups)


def _whole(features: Features) -> Features:
    """All that the reference knows, also where only its rows of the same hours are compared."""
    everything = {name.removeprefix(_ALL): array for name, array in features.items() if name.startswith(_ALL)}
    return everything or features


def _ranks(side: Side, known: Side, apart: nearest.Distances) -> NDArray[np.float64]:
    """How rare texts so distant are in the reference, for each text of a side, which may be the reference itself."""
    whole = _whole(known.features)
    if side.features is not known.features:
        far = _apart(side.features, whole)
        return nearest.ranks(far, side.features["clusters"], apart, whole["clusters"], whole["groups"], is_own=False)
    found = nearest.ranks(apart, whole["clusters"], apart, whole["clusters"], whole["groups"], is_own=True)
    return found[known.features["taken"]] if "taken" in known.features else found


def _rare(ranks: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.column_stack([ranks <= rare for rare in RARE]).astype(np.float64)


def _share(which: NDArray[np.bool_], weights: NDArray[np.float64]) -> float:
    return float(weights[which].sum() / weights.sum())


def _changes(comparison: Comparison, shares: Shares) -> ClusterChanges:
    names, found = comparison.reference.features["names"], shares.found
    return ClusterChanges(
        tuple(
            ShareChange(
                str(names[i]), round(float(found.z[i]), 2), round(float(shares.now[i]), 4),
                round(float(shares.before[i]), 4),
            )
            for i in np.argsort(-np.abs(found.z))[:REPORTED]
        )
    )  # fmt: skip


def _new_words(current: Side, known: Features, is_novel: NDArray[np.bool_]) -> tuple[WordChange, ...]:
    """The words by which the novel texts stand out from the reference's, with the difference in standard errors.

    Of those that several conversations or users have: rare texts are people's own.
    """
    now, inside = current.features, np.flatnonzero(is_novel)
    if not inside.size or not now["words"].size:
        return ()
    texts = embedding.matrix(now, now["words"])[inside]
    is_common = embedding.spread(texts, [current.groups[place] for place in inside]) >= embedding.MIN_GROUPS
    novel = np.asarray(texts.mean(axis=0)).ravel()
    before = np.asarray(embedding.matrix(known, now["words"]).mean(axis=0)).ravel()
    count, known_count = inside.size, known["starts"].size - 1
    pooled = (novel * count + before * known_count) / (count + known_count)
    z = (novel - before) / np.sqrt(np.maximum(pooled * (1 - pooled) * (1 / count + 1 / known_count), 1e-12))
    order = np.argsort(-np.where(is_common, z, 0.0), kind="stable")[: 3 * REPORTED]
    risen: dict[str, int] = {}
    for i in order:
        if is_common[i] and z[i] > 0:
            risen.setdefault(str(now["words"][i]).strip(), int(i))
    # Of Korean words the whole ones, not the pairs of syllables that they consist of.
    found = [(word, risen[word]) for word in words.whole([*risen])[:REPORTED]]
    return tuple(
        WordChange(word, round(float(z[i]), 2), round(float(novel[i]), 4), round(float(before[i]), 4))
        for word, i in found
    )
