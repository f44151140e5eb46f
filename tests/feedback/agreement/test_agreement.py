"""Agreement against the libraries that everybody knows, the audit's estimate against traffic whose truth is known."""

from __future__ import annotations

import random
import warnings
from itertools import combinations
from math import isnan

import krippendorff
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import cohen_kappa_score

from feedback.agreement.alpha import LEAST_ITEMS, Scale, agreement
from feedback.agreement.kappa import Weights, kappa
from feedback.agreement.ratings import Item, pairs, raters
from telltale.quality import LEAST_LABELS, Labelled, estimate

PEOPLE = ("ann", "bo", "cho", "dae")
items = st.lists(st.dictionaries(st.sampled_from(PEOPLE), st.integers(0, 4)), min_size=1, max_size=40)


@pytest.mark.parametrize("scale", ["nominal", "ordinal", "interval"])
@settings(max_examples=150, deadline=None)
@given(items=items)
def test_alpha_is_krippendorffs(scale: Scale, items: list[Item]) -> None:
    table = np.full((len(PEOPLE), len(items)), np.nan)
    for column, item in enumerate(items):
        for name, value in item.items():
            table[PEOPLE.index(name), column] = value

    found = agreement(items, scale).alpha

    # Theirs looks at all labels, ours at those of items that can disagree: only these carry alpha, but the ranks of an
    # ordinal scale are counted over what is looked at.
    counted = table[:, (~np.isnan(table)).sum(axis=0) > 1]
    told = np.unique(counted[~np.isnan(counted)])
    if told.size < 2:
        assert found is None
    else:
        theirs = krippendorff.alpha(counted, level_of_measurement=scale, value_domain=told)
        assert found == pytest.approx(theirs, abs=1e-12)


@pytest.mark.parametrize("weights", ["none", "linear", "quadratic"])
@settings(max_examples=150, deadline=None)
@given(labels=st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=1, max_size=60))
def test_kappa_is_scikit_learns(weights: Weights, labels: list[tuple[int, int]]) -> None:
    ours = kappa(labels, range(4), weights)
    one, other = zip(*labels, strict=True)
    with warnings.catch_warnings(action="ignore"):  # of labels that are all the same theirs is not a number
        theirs = cohen_kappa_score(one, other, labels=range(4), weights=None if weights == "none" else weights)
    if ours is None:
        assert isnan(theirs)
    else:
        assert ours == pytest.approx(theirs, abs=1e-12)


@settings(max_examples=60, deadline=None)
@given(items=items, shuffled=st.randoms())
def test_neither_order_nor_names_matter(items: list[Item], shuffled: random.Random) -> None:
    renamed = [{f"x{name}": value for name, value in item.items()} for item in items]
    shuffled.shuffle(renamed)

    assert agreement(renamed, "ordinal") == pytest.approx(agreement(items, "ordinal"), nan_ok=True)


def test_one_number_alone_would_deceive() -> None:
    items = [*[{"ann": "good", "bo": "good"}] * 94, *[{"ann": "good", "bo": "bad"}] * 3, *[{"ann": "bad", "bo": "bad"}]]
    found = agreement(items)

    assert found.raw == pytest.approx(0.969, abs=1e-3)
    assert found.alpha is not None
    assert found.alpha < 0.5
    assert found.verdict == "unclear"


def test_few_items_have_no_verdict() -> None:
    few = [{"ann": place % 2, "bo": place % 2} for place in range(LEAST_ITEMS - 1)]
    found = agreement([*few, *[{"ann": 1}] * 100])

    assert found.alpha == 1.0
    assert (found.items, found.lower, found.verdict) == (LEAST_ITEMS - 1, None, "not_enough_data")


def test_nothing_that_varies_is_no_agreement() -> None:
    found = agreement([{"ann": "good", "bo": "good"}] * 100)
    assert (found.raw, found.alpha, found.verdict) == (1.0, None, "not_enough_data")
    assert agreement([]) == (0, None, None, None, None)


def test_the_interval_holds_the_truth_as_often_as_it_says() -> None:
    truth = _alpha_of_many()
    held = 0
    for seed in range(120):
        found = agreement(_labelled(150, random.Random(1000 + seed)), seed=seed)
        assert found.lower is not None
        assert found.upper is not None
        held += found.lower <= truth <= found.upper
    # 114 are expected; of a rate of 93 % fewer than 105 would come once in a hundred times.
    assert held >= 105


def test_names_may_be_ranked() -> None:
    order = ("bad", "fair", "good")
    near = [{"ann": "bad", "bo": "fair"}, {"ann": "good", "bo": "good"}, {"ann": "fair", "bo": "fair"}] * 20
    far = [{"ann": "bad", "bo": "good"}, {"ann": "good", "bo": "good"}, {"ann": "fair", "bo": "fair"}] * 20

    assert _alpha(near, order) > _alpha(far, order)
    with pytest.raises(KeyError, match="awful"):
        agreement([{"ann": "awful", "bo": "good"}], "ordinal", order=order)
    with pytest.raises(ValueError, match="either names or numbers"):
        agreement([{"ann": "bad", "bo": 1}])


def test_pairs_of_people() -> None:
    items: list[Item] = [{"ann": 1, "bo": 1}, {"bo": 0, "cho": 1}, {"ann": 0}]
    assert raters(items) == ["ann", "bo", "cho"]
    assert [pairs(items, *two) for two in combinations(raters(items), 2)] == [[(1, 1)], [], [(0, 1)]]


def test_an_audit_finds_what_votes_hide() -> None:
    """Who is unhappy votes six times as often: of the votes about half are bad, of the answers a tenth."""
    held, ours, errors = 0, [], []
    for seed in range(300):
        calls = _traffic(random.Random(seed))
        truth = sum(good for _, good in calls) / len(calls)
        votes = [good for stratum, good in calls if stratum != "silent"]
        assert sum(votes) / len(votes) < 0.75
        found = estimate(_audited(calls, random.Random(9000 + seed)))
        assert found is not None
        held += found.lower <= truth <= found.upper
        ours.append(found.mean)
        errors.append(found.mean - truth)
    assert abs(sum(errors) / len(errors)) < 0.004
    assert held >= 275  # of 300; 285 are expected


def test_a_part_of_what_was_drawn_tells_no_more_than_it_is() -> None:
    """Nine tenths of the calls were drawn, and few are labelled yet: the interval is that of few."""
    few = [Labelled("silent", 0.9, float(place % 2)) for place in range(40)]
    found = estimate(few)
    assert found is not None
    assert found.upper - found.lower == pytest.approx(0.295, abs=0.01)  # Wilson's for 20 of 40


def test_too_few_labels_estimate_nothing() -> None:
    few = [Labelled("random", 0.5, 1.0)] * (LEAST_LABELS - 1)
    assert estimate(few) is None
    assert estimate([]) is None
    found = estimate([*few, Labelled("random", 0.5, 1.0)])
    assert found is not None
    assert found.mean == 1.0
    assert found.lower < 0.95  # thirty good answers do not say that all are
    with pytest.raises(ValueError, match=r"probability is in \(0, 1\]"):
        estimate([Labelled("random", 0.0, 1.0)])


def _alpha(items: list[Item], order: tuple[str, ...]) -> float:
    found = agreement(items, "ordinal", order=order).alpha
    assert found is not None
    return found


def _labelled(count: int, generator: random.Random) -> list[Item]:
    """Two people who see the truth with noise."""
    found: list[Item] = []
    for _ in range(count):
        truth = generator.random() < 0.7
        found.append({name: int(truth if generator.random() < 0.9 else not truth) for name in ("ann", "bo")})
    return found


def _alpha_of_many() -> float:
    found = agreement(_labelled(100_000, random.Random(7))).alpha
    assert found is not None
    return found


def _traffic(generator: random.Random) -> list[tuple[str, bool]]:
    calls = []
    for _ in range(20_000):
        good = generator.random() < 0.9
        votes = generator.random() < (0.05 if good else 0.3)
        calls.append((("up" if good else "down") if votes else "silent", good))
    return calls


def _audited(calls: list[tuple[str, bool]], generator: random.Random) -> list[Labelled]:
    """About 400 labels: some of each kind of vote, most of the silent."""
    found = []
    for stratum, wanted in (("up", 60), ("down", 60), ("silent", 280)):
        own = [good for kind, good in calls if kind == stratum]
        probability = min(1.0, wanted / len(own))
        found += [Labelled(stratum, probability, float(good)) for good in own if generator.random() < probability]
    return found
