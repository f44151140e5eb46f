"""What texts are about: new topics are told from more of the known ones, with vectors and without."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitors import calibration, nearest, references
from monitors.energy import energy
from monitors.monitor import Terms
from monitors.rows import Comparison, Rows, Side, side
from monitors.topics import Topics
from telltale.cli.demo import texts
from telltale.cli.demo.texts import Topic
from telltale.evidence.scores import ClusterChanges, NovelTexts
from telltale.records import Score, Series

MONITOR = Topics(Terms(50, 0.01))


def rows(
    seed: int, count: int, new: float = 0.0, known: Sequence[Topic] = texts.SUPPORT, vectors: bool = False
) -> Rows:
    """Conversations of one to three prompts on one topic each; a topic's vectors lie around a point of its own."""
    random, found, groups, topics = Random(seed), list[str](), list[str](), list[Topic]()
    while len(found) < count:
        topic = random.choice(texts.NEW_PRODUCT if random.random() < new else known)
        for _ in range(random.randint(1, 3)):
            found.append(texts.prompt([topic], random))
            groups.append(f"{seed}-{len(topics)}")
        topics += [topic] * (len(found) - len(topics))
    noise = np.random.default_rng(seed).normal(0, 0.12, (count, 24))
    every = [*texts.SUPPORT, *texts.NEW_PRODUCT]
    points = np.random.default_rng(0).normal(size=(len(every), 24))[[every.index(topic) for topic in topics[:count]]]
    given = {"prompt": (points / np.linalg.norm(points, axis=1, keepdims=True) + noise).astype(np.float16)}
    return Rows(
        ids=tuple(range(count)),
        times=tuple(map(float, range(count))),
        groups=tuple(groups[:count]),
        weights=(1.0,) * count,
        texts={"prompt": tuple(found[:count])},
        vectors=given if vectors else {},
    )


def prepared(reference: Rows) -> Side:
    described = side(reference, MONITOR.describe(reference, "prompt"))
    return replace(described, features=MONITOR.prepare(described))


def judged(current: Rows, known: Side) -> dict[str, Score]:
    now = side(current, MONITOR.describe(current, "prompt"))
    found = MONITOR.judge(Comparison(Series("m", "v"), "calls", "prompt", 0.0, 1.0, now, known))
    return {score.signal: score for score in found}


@pytest.mark.parametrize("vectors", [False, True])
def test_a_new_topic_is_novel_and_its_texts_are_the_evidence(vectors: bool) -> None:
    known = prepared(rows(1, 600, vectors=vectors))
    found = judged(rows(2, 300, new=0.2, vectors=vectors), known)["novelty"]

    assert found.state == "suspect"
    finding = found.details.finding
    assert isinstance(finding, NovelTexts)
    assert finding.novel_ratio_lower > finding.reference_ratio
    words = {change.word for change in finding.words}
    assert words & {"grid", "energy", "heat", "subsidy", "rooftop", "installer", "thermostat", "panel"}
    shown = found.details.examples
    assert shown is not None
    assert len(shown.current) == 8


def test_a_reference_without_texts_of_a_direction_is_made_all_the_same() -> None:
    prompts = rows(1, 300)
    known = replace(prompts, texts={**prompts.texts, "response": (None,) * 300}, votes=(None,) * 300)
    frozen = references.freeze(Series("m", "v"), "calls", known, 0.0, 1.0, 2.0, monitors=[MONITOR], least=50)

    assert references.learned(frozen, MONITOR, "prompt") is not None
    responses = references.learned(frozen, MONITOR, "response")
    assert responses is not None
    assert len(responses.side) == 0


@pytest.mark.parametrize("texts_", [["the same"] * 60, ["?!"] * 60, [""] * 60])
def test_texts_that_tell_nothing_apart_give_a_reference_in_which_nothing_is_new(texts_: list[str]) -> None:
    alike = replace(rows(1, 60), texts={"prompt": tuple(texts_)})

    assert {score.state for score in judged(alike, prepared(alike)).values()} == {"ok"}


def test_no_words_are_shown_that_one_person_alone_has() -> None:
    def told(own: Rows) -> Rows:
        texts_ = [*own.texts["prompt"][:-4], *["I am hongkildong of seocho with leukaemia"] * 4]
        return replace(own, texts={"prompt": tuple(texts_)}, groups=(*own.groups[:-4], *["one person"] * 4))

    found = judged(told(rows(2, 100)), prepared(rows(1, 600)))["novelty"].details.finding
    assert isinstance(found, NovelTexts)
    assert found.novel_ratio > 0.03
    assert not {change.word for change in found.words} & {"hongkildong", "seocho", "leukaemia"}

    apart = np.eye(24, dtype=np.float16)[[0] * 296 + [1] * 4]
    far = replace(told(rows(1, 300)), vectors={"prompt": apart})
    named = prepared(far).features["names"]
    assert not [name for name in named if "hongkildong" in name or "seocho" in name]


def test_vectors_of_another_length_are_not_compared() -> None:
    short = rows(2, 100, vectors=True)
    short = replace(short, vectors={"prompt": short.vectors["prompt"][:, :8]})

    assert judged(short, prepared(rows(1, 300, vectors=True))) == {}


@pytest.mark.parametrize("vectors", [False, True])
def test_more_of_one_known_topic_moves_the_mix_and_is_nothing_new(vectors: bool) -> None:
    known = prepared(rows(3, 900, vectors=vectors))
    found = judged(rows(4, 300, known=texts.SUPPORT[:1], vectors=vectors), known)

    assert found["novelty"].state == "ok"
    assert found["mix"].state == "suspect"
    assert found["energy"].state == "suspect"
    finding = found["mix"].details.finding
    assert isinstance(finding, ClusterChanges)
    assert finding.clusters[0].current_share > finding.clusters[0].reference_share
    assert finding.table("prompt") is not None


def test_blocks_of_the_reference_are_compared_as_windows_are() -> None:
    reference = rows(5, 800)
    known = prepared(reference)
    blocks = calibration.blocks(MONITOR, known, "calls", "prompt", 200)
    assert len(blocks) == 4
    # Nothing in it changes, so that no feature needs a larger threshold than chance alone does, or hardly.
    assert all(factor < 1.5 for factor in MONITOR.learn(blocks).values())


def test_a_new_text_is_not_closer_to_the_reference_than_its_own_texts_are() -> None:
    """Ranks of unchanged rows are uniform: in 40 windows of 100 a share of 5 % stays near it."""
    known = prepared(rows(6, 500))
    shares = []
    for seed in range(40):
        finding = judged(rows(100 + seed, 100), known)["novelty"].details.finding
        assert isinstance(finding, NovelTexts)
        shares.append(finding.novel_ratio)
    assert 0.02 < np.mean(shares) < 0.09


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000), st.integers(2, 30), st.integers(2, 30))
def test_energy_is_the_distance_of_its_definition(seed: int, count: int, others: int) -> None:
    random = np.random.default_rng(seed)
    one, other = (random.normal(size=(size, 3)).astype(np.float32) for size in (count, others))
    one, other = (part / np.linalg.norm(part, axis=1, keepdims=True) for part in (one, other))

    def mean(a: np.ndarray[tuple[int, int]], b: np.ndarray[tuple[int, int]]) -> float:
        return float(np.linalg.norm(a[:, None] - b[None], axis=2).mean())

    groups = tuple(map(str, range(count))), tuple(map(str, range(others)))
    found = energy((one, other), groups, (np.ones(count), np.ones(others)), alpha=0.05, seed=0)
    assert found.distance == pytest.approx(2 * mean(one, other) - mean(one, one) - mean(other, other), abs=2e-3)
    assert 0 < found.p_value <= 1


def test_rows_of_one_group_do_not_make_each_other_known() -> None:
    vectors = np.eye(8, dtype=np.float32)[[0, 0, 1, 1, 2, 3, 4, 5]]
    groups = np.array([0, 0, 1, 2, 3, 4, 5, 6])
    found = nearest.distances(vectors @ vectors.T, groups)
    # The first two are alone with each other; the next two know each other across groups.
    assert found[0] == found[1] > found[2] == found[3]


def test_many_rows_of_few_conversations_are_few_opinions() -> None:
    """Clusters of ten texts, ten times each: what is beyond all ten is no rarity, as it would be by rows."""
    random = np.random.default_rng(630_000)
    groups = np.repeat(np.arange(200), 10)
    known = np.repeat(random.random(200), 10).astype(np.float32)
    clusters = np.repeat(np.arange(200) % 20, 10)
    new = random.random(4000).astype(np.float32)
    own = random.integers(0, 20, 4000)
    ranks = nearest.ranks(new, own, known, clusters, groups, is_own=False)
    assert np.mean(ranks <= 0.01) <= 0.02
    assert 0.02 <= np.mean(ranks <= 0.05) <= 0.09
