"""Who stands behind rows of a data set, and the limits on how many one person or API key may."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from feedback.support import Limits, Support, backing, select
from telltale.feedback import caller_hash, subject_hash
from telltale.records import Feedback, Sample

KEY = b"secret"
TRACE = "1" * 32
VOTE = Feedback(0.0, "shop", TRACE, None, "thumb", "helpful", 1.0, "user", "k", None, None, key_id="aaaa")
CALL = Sample(TRACE, "1" * 16, 0.0, "shop", "chat", "chat-1", "client", "chat", "ok", "p", "r", 1.0)


def said(who: str | None, asked: str | None = None, **fields: object) -> Support:
    """`who` voted on a call that `asked` had made."""
    event = replace(VOTE, subject=subject_hash(KEY, "shop", who) if who else None, **fields)  # type: ignore[arg-type]
    return Support(event, CALL._replace(user=caller_hash(KEY, "shop", asked) if asked else None))


def test_a_row_says_who_backs_it() -> None:
    assert backing([said("mina", "mina")]) == "own"
    assert backing([said("mina", "mina"), said("mina", "mina", kind="correction")]) == "own"
    assert backing([said("mina", "jun")]) == "other"
    assert backing([said("mina", "mina"), said("jun", "mina")]) == "several"
    assert backing([said("mina", "mina"), said("mina", "mina", source="reviewer")]) == "reviewer"
    assert backing([]) == "none"


def test_what_nobody_knows_is_not_called_own_or_another_s() -> None:
    assert backing([said(None, "mina")]) == "unknown"
    assert backing([said("mina", None)]) == "unknown"
    assert backing([said("mina", "mina"), said(None, "mina")]) == "unknown"
    # The gateway named the tenant of the call, the application's key names none: the same person has another hash.
    gateway = said("mina", "mina", tenant="unknown")
    assert backing([gateway]) == "unknown"
    # Hashes that older versions made of another secret.
    older = Support(said("mina").event, CALL._replace(user="ab" * 16))
    assert backing([older]) == "unknown"


def test_one_person_supports_so_many_rows() -> None:
    rows = [(number, [said("mina", "mina")]) for number in range(5)] + [(9, [said("jun", "mina")])]
    chosen = select(rows, Limits(per_subject=2))

    assert chosen.kept == [(0, "own"), (1, "own"), (9, "other")]
    assert chosen.left_out == [(2, "per_subject"), (3, "per_subject"), (4, "per_subject")]
    assert chosen.backing == {"own": 2, "other": 1}


def test_who_does_not_say_who_they_are_supports_no_more_than_whom_the_call_served() -> None:
    rows = [(0, [said("mina", "mina")])] + [(number, [said(None, "mina")]) for number in range(1, 4)]
    others = [(7, [said(None, "jun")]), (8, [said(None)]), (9, [said(None)])]
    chosen = select(rows + others, Limits(per_subject=2))

    # Of calls that name nobody, nobody knows whose they are.
    assert [row for row, _ in chosen.kept] == [0, 1, 7, 8, 9]
    assert chosen.left_out == [(2, "per_subject"), (3, "per_subject")]


def test_what_somebody_else_supports_too_stays_backed_by_them_alone() -> None:
    rows = [(0, [said("mina", "mina")]), (1, [said("mina", "mina"), said("jun", "mina")])]
    assert select(rows, Limits(per_subject=1)).kept == [(0, "own"), (1, "other")]


def test_one_key_supports_so_many_rows_whoever_it_names() -> None:
    puppets = [(number, [said(f"puppet {number}")]) for number in range(4)]
    anonymous = [(number, [said(None)]) for number in range(4, 6)]
    other = [(7, [said("jun", key_id="bbbb")])]
    chosen = select(puppets + anonymous + other, Limits(per_subject=10, per_key=3))

    assert [row for row, _ in chosen.kept] == [0, 1, 2, 7]
    assert chosen.left_out == [(3, "per_key"), (4, "per_key"), (5, "per_key")]


def test_reviewers_and_rows_that_need_no_support_are_not_limited() -> None:
    rows = [(number, [said("ann", source="reviewer", key_id=None)]) for number in range(3)]
    chosen = select([*rows, (3, []), (4, [])], Limits(per_subject=1, per_key=1))
    assert [row for row, _ in chosen.kept] == [0, 1, 2, 3, 4]


supporters = st.tuples(st.sampled_from(["a", "b", "c", None]), st.sampled_from(["k1", "k2", None]), st.booleans())


@given(st.lists(st.lists(supporters, max_size=3), max_size=20), st.integers(0, 3), st.integers(0, 3))
def test_nobody_supports_more_rows_than_they_may(
    made: list[list[tuple[str | None, str | None, bool]]], per_subject: int, per_key: int
) -> None:
    rows = [
        (number, [said(who, source="reviewer" if is_reviewer else "user", key_id=key) for who, key, is_reviewer in row])
        for number, row in enumerate(made)
    ]
    limits = Limits(per_subject, per_key)
    chosen = select(rows, limits)

    assert chosen == select(rows, limits)
    assert sorted([row for row, _ in chosen.kept] + [row for row, _ in chosen.left_out]) == list(range(len(rows)))
    sole = [row for row, _ in chosen.kept if len(made[row]) == 1 and not made[row][0][2]]
    for name, most, place in (("subject", per_subject, 0), ("key", per_key, 1)):
        for value in {made[row][0][place] for row in sole} - {None}:
            assert not most or sum(made[row][0][place] == value for row in sole) <= most, name
