"""The ensemble: one member is itself, and votes obey their weights."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from nifty_research.core.errors import DataError, SettingsError
from nifty_research.strategies.contract import Scores
from nifty_research.strategies.ensemble import Member, combine, votes_at

SHAPE = (4, 3)
ENTRIES = arrays(
    np.float64, SHAPE, elements=st.one_of(st.floats(-1, 1), st.sampled_from([0.0, 0.7, np.nan]))
)
EXITS = arrays(np.float64, SHAPE, elements=st.one_of(st.floats(0, 1), st.just(np.nan)))
WEIGHTS = st.sampled_from([0.0, 0.5, 1.0, 2.0])


@st.composite
def ensembles(draw: st.DrawFn) -> list[Member]:
    members = [
        Member(f"s{n}", Scores(draw(ENTRIES), draw(EXITS)), draw(WEIGHTS), draw(st.floats(0.1, 1)))
        for n in range(draw(st.integers(0, 4)))
    ]
    return [*members, Member("last", Scores(draw(ENTRIES), draw(EXITS)), 1.0, 0.7)]


SHARES = st.floats(0, 1)


@given(ENTRIES, EXITS, st.floats(0.01, 1), st.sampled_from([0.3, 1.0, 7.0]), SHARES)
def test_one_member_gives_back_its_fired_scores(
    entry: np.ndarray, exit_: np.ndarray, threshold: float, weight: float, share: float
) -> None:
    alone = combine([Member("alone", Scores(entry, exit_), weight, threshold)], share)
    fired = np.abs(entry) >= threshold
    np.testing.assert_array_equal(alone.entry, np.where(fired | np.isnan(entry), entry, 0.0))
    np.testing.assert_array_equal(alone.exit, np.nan_to_num(exit_))


@given(ensembles(), SHARES)
def test_results_stay_in_range_and_wait_for_somebody_ready(
    members: list[Member], share: float
) -> None:
    scores = combine(members, share)
    voters = [m.scores.entry for m in members if m.weight > 0]
    assert not (np.abs(scores.entry) > 1).any()
    assert ((scores.exit >= 0) & (scores.exit <= 1)).all()
    np.testing.assert_array_equal(np.isnan(scores.entry), np.isnan(voters).all(axis=0))


@given(ensembles(), SHARES)
def test_passive_members_change_nothing(members: list[Member], share: float) -> None:
    everybody = combine(members, share)
    voters = combine([m for m in members if m.weight > 0], share)
    np.testing.assert_array_equal(everybody.entry, voters.entry)
    np.testing.assert_array_equal(everybody.exit, voters.exit)


@given(ensembles(), SHARES, SHARES)
def test_asking_for_more_agreement_only_removes_entries(
    members: list[Member], share: float, other: float
) -> None:
    loose, strict = (combine(members, s).entry for s in sorted((share, other)))
    kept = (strict != 0) & ~np.isnan(strict)
    np.testing.assert_array_equal(strict[kept], loose[kept])


@given(ensembles(), SHARES)
def test_mirrored_votes_give_the_mirrored_result(members: list[Member], share: float) -> None:
    mirrored = [
        Member(m.strategy_name, Scores(-m.scores.entry, m.scores.exit), m.weight, m.threshold)
        for m in members
    ]
    np.testing.assert_array_equal(combine(mirrored, share).entry, -combine(members, share).entry)


@given(ensembles(), SHARES)
def test_an_entry_that_counts_has_its_agreement_in_the_vote_table(
    members: list[Member], share: float
) -> None:
    entry = combine(members, share).entry
    for row, column in np.argwhere((entry != 0) & ~np.isnan(entry)).tolist():
        votes = votes_at(members, row, column)
        asked = sum(v.weight for v in votes if v.ready)
        side = sum(v.weight for v in votes if v.fired and v.entry * entry[row, column] > 0)
        assert side >= share * asked - 1e-9


def test_two_of_five_are_enough_for_forty_percent() -> None:
    sides = [0.8, 0.9, 0.0, 0.0, 0.0]
    members = [
        Member(str(n), Scores(np.full((1, 1), s), np.zeros((1, 1))), 0.1)
        for n, s in enumerate(sides)
    ]
    assert combine(members, 0.40).entry[0, 0] == pytest.approx((0.64 + 0.81) / 1.7)
    assert combine(members, 0.41).entry[0, 0] == 0.0


def test_impossible_ensembles_are_refused() -> None:
    scores = Scores(np.zeros((2, 2)), np.zeros((2, 2)))
    with pytest.raises(SettingsError, match="no member"):
        combine([], 0.4)
    with pytest.raises(SettingsError, match="minimum agreement"):
        combine([Member("a", scores)], 1.2)
    with pytest.raises(DataError, match="different shapes"):
        combine([Member("a", scores), Member("b", Scores(np.zeros((3, 2)), np.zeros((3, 2))))], 0.4)
    for weight in (-1.0, float("nan"), float("inf")):
        with pytest.raises(SettingsError, match="weight"):
            Member("a", scores, weight)
    with pytest.raises(SettingsError, match="threshold"):
        Member("a", scores, 1.0, 0.0)
