"""Clocks: waiting on a wall that moves, and two threads on one simulated clock."""

import threading
from datetime import UTC, datetime, timedelta

import pytest

from nifty_research.core.clock import IST, LockStepClock, SimulatedClock, WallClock, to_ist
from nifty_research.core.errors import DataError, SettingsError

OPENING = datetime(2026, 9, 15, 9, 15, tzinfo=IST)


class SteppedWall(WallClock):
    """A wall clock whose time passes by sleeping, at a rate of its own."""

    def __init__(self, bar_delay_s: float, rate: float) -> None:
        self.sleeps: list[float] = []
        self.moment = OPENING
        self.rate = rate
        super().__init__(bar_delay_s, sleep=self._pass)

    def _pass(self, seconds: float) -> None:
        self.sleeps.append(seconds)
        self.moment += timedelta(seconds=seconds * self.rate)

    def now(self) -> datetime:
        return self.moment


def test_wall_clock_waits_for_the_moment_and_the_delay() -> None:
    clock = SteppedWall(bar_delay_s=1.0, rate=1.0)
    clock.wait_until(OPENING + timedelta(seconds=10))
    assert clock.now() == OPENING + timedelta(seconds=11)


def test_wall_clock_sleeps_in_pieces_so_that_a_correction_is_noticed() -> None:
    clock = SteppedWall(bar_delay_s=0.0, rate=20.0)
    clock.wait_until(OPENING + timedelta(seconds=60))
    assert len(clock.sleeps) == 3
    assert max(clock.sleeps) <= 1.0


def test_wall_clock_does_not_sleep_for_a_moment_gone_by() -> None:
    clock = SteppedWall(bar_delay_s=1.0, rate=1.0)
    clock.wait_until(OPENING - timedelta(seconds=2))
    assert clock.sleeps == []


@pytest.mark.parametrize("delay", [-0.1, 60.0, float("nan"), float("inf")])
def test_impossible_delay_is_refused(delay: float) -> None:
    with pytest.raises(SettingsError, match="delay after a bar"):
        WallClock(delay)


def test_wall_clock_tells_indian_time() -> None:
    now = WallClock().now()
    assert now.tzinfo is IST
    assert abs(now - datetime.now(UTC)) < timedelta(minutes=1)


@pytest.mark.parametrize("use", ["start", "advance", "wait_until"])
def test_simulated_clock_refuses_a_time_without_zone(use: str) -> None:
    naive = OPENING.replace(tzinfo=None)
    with pytest.raises(DataError, match="without a zone"):
        SimulatedClock(naive) if use == "start" else getattr(SimulatedClock(OPENING), use)(naive)


def test_moments_of_other_zones_are_converted() -> None:
    clock = SimulatedClock(OPENING)
    clock.advance(datetime(2026, 9, 15, 4, 0, tzinfo=UTC))
    assert clock.now().isoformat() == "2026-09-15T09:30:00+05:30"
    assert to_ist(clock.now()) == clock.now()


def test_clock_that_was_refused_a_step_back_still_stands_where_it_was() -> None:
    clock = SimulatedClock(OPENING)
    with pytest.raises(DataError, match="cannot run backwards"):
        clock.advance(OPENING - timedelta(microseconds=1))
    assert clock.now() == OPENING


def test_waiting_threads_never_move_the_clock_back() -> None:
    clock = SimulatedClock(OPENING)
    moments = [OPENING + timedelta(seconds=n) for n in range(500)]

    def wait_for(part: list[datetime]) -> None:
        for moment in part:
            clock.wait_until(moment)

    threads = [threading.Thread(target=wait_for, args=(part,)) for part in (moments, moments[::-1])]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert clock.now() == moments[-1]


def test_only_the_lock_step_clock_answers_barriers() -> None:
    answers: list[int] = []
    WallClock().release(1)
    SimulatedClock(OPENING).release(2)
    LockStepClock(OPENING, answers.append).release(3)
    assert answers == [3]
