"""The ensemble: one member is itself, votes obey weights, leaving is easier than entering."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from nifty_research.core.errors import DataError, SettingsError
from nifty_research.strategies.contract import Scores
from nifty_research.strategies.ensemble import REGIMES, Ensemble, Opinion, Seat
from nifty_research.strategies.votes import vote_table

SHAPE = (4, 3)
ENTRIES = arrays(
    np.float64, SHAPE, elements=st.one_of(st.floats(-1, 1), st.sampled_from([0.0, 0.7, np.nan]))
)
EXITS = arrays(np.float64, SHAPE, elements=st.one_of(st.floats(0, 1), st.just(np.nan)))
WEIGHTS = st.sampled_from([0.0, 0.5, 1.0, 2.0])
FACTORS = st.tuples(*[st.sampled_from([0.0, 0.5, 1.0, 1.0])] * REGIMES)
CODES = arrays(np.float64, SHAPE, elements=st.sampled_from([0.0, 1.0, 2.0, 3.0, 4.0, np.nan]))
SHARES = st.floats(0, 1)

Members = list[tuple[Seat, Scores]]


@st.composite
def ensembles(draw: st.DrawFn) -> Members:
    members = [
        (
            Seat(f"s{n}", draw(WEIGHTS), draw(st.floats(0.1, 1)), draw(FACTORS)),
            Scores(draw(ENTRIES), draw(EXITS)),
        )
        for n in range(draw(st.integers(0, 4)))
    ]
    return [*members, (Seat("last"), Scores(draw(ENTRIES), draw(EXITS)))]


def combine(members: Members, share: float, codes: np.ndarray | None = None) -> Opinion:
    ensemble = Ensemble(tuple(seat for seat, _ in members), share)
    return ensemble.combine([scores for _, scores in members], codes)


@given(ENTRIES, EXITS, st.floats(0.01, 1), st.sampled_from([0.3, 1.0, 7.0]), SHARES)
def test_one_member_gives_back_its_fired_scores(
    entry: np.ndarray, exit_: np.ndarray, threshold: float, weight: float, share: float
) -> None:
    alone = combine([(Seat("alone", weight, threshold), Scores(entry, exit_))], share)
    fired = np.abs(entry) >= threshold
    np.testing.assert_array_equal(alone.entry, np.where(fired | np.isnan(entry), entry, 0.0))
    np.testing.assert_array_equal(alone.exit, np.nan_to_num(exit_))
    np.testing.assert_array_equal(alone.lean, entry)


@given(ensembles(), SHARES, CODES)
def test_results_stay_in_range_and_wait_for_somebody_ready(
    members: Members, share: float, codes: np.ndarray
) -> None:
    said = combine(members, share, codes)
    voters = [scores.entry for seat, scores in members if seat.weight > 0]
    assert not (np.abs(said.entry) > 1).any() and not (np.abs(said.lean) > 1).any()
    assert ((said.exit >= 0) & (said.exit <= 1)).all()
    np.testing.assert_array_equal(np.isnan(said.entry), np.isnan(voters).all(axis=0))
    np.testing.assert_array_equal(np.isnan(said.lean), np.isnan(said.entry))


@given(ensembles(), SHARES, CODES)
def test_passive_members_change_nothing(members: Members, share: float, codes: np.ndarray) -> None:
    everybody = combine(members, share, codes)
    voters = combine([m for m in members if m[0].weight > 0], share, codes)
    for field in ("entry", "exit", "lean"):
        np.testing.assert_array_equal(getattr(everybody, field), getattr(voters, field))


@given(ensembles(), SHARES, SHARES)
def test_asking_for_more_agreement_only_removes_entries(
    members: Members, share: float, other: float
) -> None:
    loose, strict = (combine(members, s).entry for s in sorted((share, other)))
    kept = (strict != 0) & ~np.isnan(strict)
    np.testing.assert_array_equal(strict[kept], loose[kept])


@given(ensembles(), SHARES, CODES)
def test_mirrored_votes_give_the_mirrored_result(
    members: Members, share: float, codes: np.ndarray
) -> None:
    mirrored = [(seat, Scores(-scores.entry, scores.exit)) for seat, scores in members]
    one, other = combine(members, share, codes), combine(mirrored, share, codes)
    np.testing.assert_array_equal(other.entry, -one.entry)
    np.testing.assert_array_equal(other.lean, -one.lean)


@given(ensembles(), SHARES, CODES)
def test_a_regime_silences_who_would_enter_never_who_would_leave(
    members: Members, share: float, codes: np.ndarray
) -> None:
    plain = [(replace(seat, factors=(1.0,) * REGIMES), scores) for seat, scores in members]
    mute = [(replace(seat, factors=(0.0,) * REGIMES), scores) for seat, scores in members]
    np.testing.assert_array_equal(combine(members, share, codes).exit, combine(plain, share).exit)
    silent = combine(mute, share, codes)
    assert not np.nan_to_num(silent.entry).any()
    voices = [(replace(seat, threshold=1.0), scores) for seat, scores in plain]
    sure = np.max([np.abs(scores.entry) for _, scores in voices], axis=0) == 1.0
    soft = combine(voices, share)
    where = ~(sure | np.isnan(soft.lean)) & (soft.entry == 0.0)
    np.testing.assert_array_equal(silent.lean[where], soft.lean[where])


@given(ensembles(), SHARES)
def test_the_lean_is_the_score_or_else_what_is_thought(members: Members, share: float) -> None:
    said = combine(members, share)
    entered = ~np.isnan(said.entry) & (said.entry != 0.0)
    np.testing.assert_array_equal(said.lean[entered], said.entry[entered])
    views = [np.nan_to_num(scores.entry) for seat, scores in members if seat.weight > 0]
    lowest, highest = np.min(views, axis=0), np.max(views, axis=0)
    lean = np.nan_to_num(said.lean)
    assert (
        (lean >= np.minimum(lowest, 0) - 1e-12) & (lean <= np.maximum(highest, 0) + 1e-12)
    ).all()
    assert (lean[(lowest == 0) & (highest == 0)] == 0.0).all()


@given(ensembles(), SHARES, CODES)
def test_the_vote_table_tells_the_result_of_every_cell(
    members: Members, share: float, codes: np.ndarray
) -> None:
    ensemble = Ensemble(tuple(seat for seat, _ in members), share)
    scores = [one for _, one in members]
    said = ensemble.combine(scores, codes)
    for row, column in np.ndindex(SHAPE):
        table = vote_table(ensemble, scores, row, column, codes[row, column])
        pair = (table.entry, table.exit, table.lean)
        cell = tuple(getattr(said, field)[row, column] for field in ("entry", "exit", "lean"))
        np.testing.assert_array_equal(pair, cell)
        if table.entry and table.entry == table.entry:
            assert table.agreement >= share - 1e-9
            assert any(vote.fired and vote.entry * table.entry > 0 for vote in table.votes)
        record = table.record()
        assert record["why"] and len(record["votes"]) == len(members)
        assert len(table.lines()) == len(members) + 1


def constant(*entries: float) -> Members:
    return [
        (Seat(str(n), 0.1), Scores(np.full((1, 1), one), np.zeros((1, 1))))
        for n, one in enumerate(entries)
    ]


def test_two_of_five_are_enough_for_forty_percent() -> None:
    members = constant(0.8, 0.9, 0.0, 0.0, 0.0)
    assert combine(members, 0.40).entry[0, 0] == pytest.approx((0.64 + 0.81) / 1.7)
    assert combine(members, 0.41).entry[0, 0] == 0.0


def test_a_view_too_soft_to_enter_is_heard_by_who_holds() -> None:
    said = combine(constant(-0.5, 0.0, 0.0), 0.40)
    assert (said.entry[0, 0], said.lean[0, 0]) == (0.0, -0.5)
    opposed = combine(constant(-0.5, 0.6, 0.0), 0.40)
    assert opposed.lean[0, 0] == pytest.approx((0.36 - 0.25) / 1.1)


def test_impossible_ensembles_are_refused() -> None:
    scores = Scores(np.zeros((2, 2)), np.zeros((2, 2)))
    with pytest.raises(SettingsError, match="no member"):
        Ensemble((), 0.4)
    with pytest.raises(SettingsError, match="minimum agreement"):
        Ensemble((Seat("a"),), 1.2)
    pair = Ensemble((Seat("a"), Seat("b")), 0.4)
    with pytest.raises(DataError, match="different shapes"):
        pair.combine([scores, Scores(np.zeros((3, 2)), np.zeros((3, 2)))])
    with pytest.raises(DataError, match="one a seat"):
        pair.combine([scores])
    for weight in (-1.0, float("nan"), float("inf")):
        with pytest.raises(SettingsError, match="weight"):
            Seat("a", weight)
    with pytest.raises(SettingsError, match="threshold"):
        Seat("a", 1.0, 0.0)
    for factors in ((1.0,), (1.0, 1.0, 1.0, 1.0, -1.0), (1.0, 1.0, 1.0, 1.0, float("nan"))):
        with pytest.raises(SettingsError, match="regimes"):
            Seat("a", factors=factors)
