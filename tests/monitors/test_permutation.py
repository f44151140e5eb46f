"""max-T: false alarms at the stated rate, also when rows come in conversations; a real change is found."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

from monitors.permutation import MaxT, Weighted, effect
from monitors.permutation import max_t as compare


def max_t(
    current: object, reference: object, groups: tuple[str, ...], reference_groups: tuple[str, ...], **options: object
) -> MaxT:
    """Rows of equal weight."""
    sides = (current, groups), (reference, reference_groups)
    weighted = (Weighted(values, of, np.ones(len(of))) for values, of in sides)
    return compare(*weighted, **options)  # type: ignore[arg-type]  # options of max_t


def draw(seed: int, rows: int, group_size: int, shift: float = 0.0) -> tuple[np.ndarray, tuple[str, ...]]:
    """Rows of 6 features; rows of one group share most of their values."""
    random = np.random.default_rng(seed)
    groups = rows // group_size
    shared = np.repeat(random.normal(size=(groups, 6)), group_size, axis=0)
    values = 0.9 * shared + 0.1 * random.normal(size=(rows, 6))
    values[:, 0] += shift
    return values, tuple(str(index // group_size) for index in range(rows))


@pytest.mark.parametrize("group_size", [1, 3, 10])
def test_false_alarms_stay_at_the_stated_rate(group_size: int) -> None:
    """300 draws on seeds that nothing was tuned on: at 5 %, more than 28 alarms come once in a thousand times."""
    alarms = 0
    for seed in range(300):
        current, groups = draw(700_000 + 2 * seed, 120, group_size)
        reference, reference_groups = draw(700_001 + 2 * seed, 120, group_size)
        alarms += max_t(current, reference, groups, reference_groups, alpha=0.05, seed=seed).p_value <= 0.05
    assert alarms <= 28


@pytest.mark.parametrize("group_size", [1, 3])
def test_looking_at_all_features_together_costs_no_false_alarms(group_size: int) -> None:
    """As above: both statistics come from the same permutations, so the rate holds for the two together."""
    alarms = 0
    for seed in range(300):
        current, groups = draw(800_000 + 2 * seed, 120, group_size)
        reference, reference_groups = draw(800_001 + 2 * seed, 120, group_size)
        found = max_t(current, reference, groups, reference_groups, alpha=0.05, seed=seed, diffuse=True)
        alarms += found.largest > found.threshold
    assert alarms <= 28


def test_many_small_shifts_are_found_together_where_no_single_one_is() -> None:
    random = np.random.default_rng(5)
    current, reference = random.normal(0.12, 1, (300, 200)), random.normal(0, 1, (300, 200))
    groups = tuple(map(str, range(300)))
    alone = max_t(current, reference, groups, groups, alpha=0.001, seed=0)
    together = max_t(current, reference, groups, groups, alpha=0.001, seed=0, diffuse=True)
    assert alone.largest <= alone.threshold
    assert together.largest > together.threshold
    # Shifted by 0.12 standard deviations each: squared, 0.0144 of a variance beyond chance.
    assert 0.008 < together.excess < 0.022


def test_a_small_certain_shift_neither_alarms_nor_silences_a_large_one() -> None:
    random = np.random.default_rng(6)
    reference, current = np.zeros((2000, 2)), np.zeros((2000, 2))
    reference[:, 1], current[:, 1] = random.random(2000) < 0.5, random.random(2000) < 0.5
    current[:100, 0] = 1.0
    groups = tuple(map(str, range(2000)))
    floor = 0.08

    def seen() -> tuple[float, float]:
        found = max_t(current, reference, groups, groups, alpha=0.01, seed=0)
        assert found.largest > found.threshold
        assert int(np.argmax(np.abs(found.z))) == 0
        moved = current.mean(axis=0) - reference.mean(axis=0)
        return effect(found, np.abs(moved) >= floor), found.threshold

    # Five points in a feature that never occurred: certain, and too small to matter.
    size, threshold = seen()
    assert size <= threshold
    # Ten points more in the other one, whose z is smaller.
    current[:, 1] = random.random(2000) < 0.62
    size, threshold = seen()
    assert size > threshold


def test_a_shift_is_found_and_named() -> None:
    current, groups = draw(1, 200, 1, shift=0.8)
    reference, reference_groups = draw(2, 200, 1)
    found = max_t(current, reference, groups, reference_groups, alpha=0.001, seed=0)
    assert found.largest > found.threshold
    assert found.p_value <= 0.001
    assert int(np.argmax(np.abs(found.z))) == 0


def test_dense_and_sparse_agree() -> None:
    current, groups = draw(3, 60, 2)
    reference, reference_groups = draw(4, 90, 2)
    dense = max_t(current, reference, groups, reference_groups, alpha=0.05, seed=5)
    thin = max_t(sparse.csr_matrix(current), sparse.csr_matrix(reference), groups, reference_groups, alpha=0.05, seed=5)
    assert dense.largest == pytest.approx(thin.largest)
    assert dense.p_value == thin.p_value


@settings(max_examples=50, deadline=None)
@given(rows=st.integers(2, 40), other=st.integers(2, 40), seed=st.integers(0, 99), constant=st.booleans())
def test_never_nan_and_p_in_range(rows: int, other: int, seed: int, constant: bool) -> None:
    random = np.random.default_rng(seed)
    current = np.ones((rows, 3)) if constant else random.normal(size=(rows, 3))
    reference = np.ones((other, 3)) if constant else random.normal(size=(other, 3))
    groups = tuple(map(str, range(rows)))
    found = max_t(current, reference, groups, tuple(map(str, range(other))), alpha=0.05, seed=seed)
    assert np.isfinite(found.z).all()
    assert np.isfinite([found.largest, found.threshold]).all()
    assert 0 < found.p_value <= 1
    assert not constant or found.p_value == 1


def test_the_callers_random_generator_is_untouched() -> None:
    np.random.seed(7)
    before = np.random.get_state()[1].tolist()
    current, groups = draw(1, 60, 1)
    max_t(current, current, groups, groups, alpha=0.05, seed=1)
    assert np.random.get_state()[1].tolist() == before


def test_the_same_seed_gives_the_same_result() -> None:
    current, groups = draw(1, 60, 1)
    reference, reference_groups = draw(2, 60, 1)
    first, second = (max_t(current, reference, groups, reference_groups, alpha=0.01, seed=3) for _ in range(2))
    assert (first.p_value, first.threshold) == (second.p_value, second.threshold)


def test_weights_count_as_rows_do() -> None:
    """A row of weight 3 moves the means as three rows of one conversation do."""
    current, groups = draw(11, 60, 1)
    reference, reference_groups = draw(12, 90, 1)
    thrice = np.repeat(current, 3, axis=0)
    heavy = compare(
        Weighted(current, groups, np.full(60, 3.0)),
        Weighted(reference, reference_groups, np.ones(90)),
        alpha=0.05,
        seed=1,
    )
    many = compare(
        Weighted(thrice, tuple(np.repeat(groups, 3)), np.ones(180)),
        Weighted(reference, reference_groups, np.ones(90)),
        alpha=0.05,
        seed=1,
    )
    assert heavy.z == pytest.approx(many.z)
    alone = compare(
        Weighted(thrice, tuple(map(str, range(180))), np.ones(180)),
        Weighted(reference, reference_groups, np.ones(90)),
        alpha=0.05,
        seed=1,
    )
    assert np.abs(heavy.z).max() < np.abs(alone.z).max(), "rows of a weight are no more rows than they are"


@pytest.mark.parametrize("group_size", [3, 10])
def test_features_that_conversations_share_hide_no_other(group_size: int) -> None:
    """A small change of what each row has by itself is found beside features that all rows of a group share."""
    found = []
    for seed in range(20):
        sides = []
        for number, share in ((2 * seed, 0.30), (2 * seed + 1, 0.10)):
            random = np.random.default_rng(30_000 + number)
            groups = 240 // group_size
            shared = np.repeat(random.normal(size=(groups, 40)), group_size, axis=0)
            own = (random.random((240, 1)) < share).astype(float)
            sides.append(
                Weighted(np.hstack([shared, own]), tuple(str(i // group_size) for i in range(240)), np.ones(240))
            )
        one = compare(*sides, alpha=0.01, seed=seed)
        found.append(int(np.argmax(np.abs(one.z))) == 40 and one.largest > one.threshold)
    assert sum(found) >= 18


def test_unequal_weights_cost_no_false_alarms() -> None:
    """300 draws on seeds that nothing was tuned on, rows that stand for one to twenty calls."""
    alarms = 0
    for seed in range(300):
        random = np.random.default_rng(900_000 + seed)
        current, groups = draw(910_000 + 2 * seed, 120, 1)
        reference, reference_groups = draw(910_001 + 2 * seed, 120, 1)
        sides = [
            Weighted(current, groups, random.choice([1.0, 5.0, 20.0], 120)),
            Weighted(reference, reference_groups, random.choice([1.0, 5.0, 20.0], 120)),
        ]
        alarms += compare(*sides, alpha=0.05, seed=seed).p_value <= 0.05
    assert alarms <= 28


def test_a_restless_feature_hides_no_other() -> None:
    current, groups = draw(21, 200, 1, shift=0.8)
    reference, reference_groups = draw(22, 200, 1)
    current[:, 3] += 3.0
    sides = Weighted(current, groups, np.ones(200)), Weighted(reference, reference_groups, np.ones(200))
    factors = np.array([1.0, 1.0, 1.0, 20.0, 1.0, 1.0])
    found = compare(*sides, alpha=0.001, seed=0, factors=factors)
    assert int(np.argmax(np.abs(found.z))) == 0
    assert found.largest > found.threshold


def test_nothing_is_suspect_with_a_p_above_alpha() -> None:
    """Few conversations: the observed split is among the permutations, so rounding must not lift it over itself."""
    for seed in range(60):
        for current_groups, reference_groups in ((1, 1), (1, 2), (2, 5), (3, 15)):
            random = np.random.default_rng(seed)
            current = np.repeat(random.normal(size=(current_groups, 30)), 60 // current_groups, axis=0)
            reference = np.repeat(random.normal(size=(reference_groups, 30)), 300 // reference_groups, axis=0)
            names = [
                tuple(str(n * g // len(v)) for n in range(len(v)))
                for v, g in ((current, current_groups), (reference, reference_groups))
            ]
            found = max_t(current, reference, *names, alpha=0.01, seed=0)
            moved = current.mean(axis=0) - reference.mean(axis=0)
            assert effect(found, np.ones(len(moved), dtype=bool)) <= found.threshold or found.p_value <= 0.01
