"""Corners of data.bars: what it refuses, and what survives cutting, joining and filing."""

from datetime import date, datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nifty_research.core.errors import DataError, MissingDataError
from nifty_research.data.bars import COLUMNS, ZONE, Bars

SYMBOLS = ("RELIANCE", "TCS", "INFY")


def make_index(
    rows: int = 4, start: str = "2026-09-15 09:15", minutes: int = 1
) -> pd.DatetimeIndex:
    return pd.date_range(start, periods=rows, freq=f"{minutes}min", tz=ZONE, unit="ns")


def make_bars(
    rows: int = 4, symbols: tuple[str, ...] = SYMBOLS, start: str = "2026-09-15 09:15"
) -> Bars:
    close = 1000.0 + np.arange(rows * len(symbols), dtype=np.float64).reshape(rows, len(symbols))
    return Bars(
        make_index(rows, start),
        symbols,
        open=close - 0.5,
        high=close + 1.0,
        low=close - 1.0,
        close=close,
        volume=np.full_like(close, 100.0),
        interval_minutes=1,
    )


def parts(bars: Bars) -> dict[str, object]:
    "The arguments that would make `bars` again, with writable arrays."
    arrays = {name: getattr(bars, name).copy() for name in COLUMNS}
    return {
        "index": bars.index,
        "symbols": bars.symbols,
        "interval_minutes": bars.interval_minutes,
        **arrays,
    }


@st.composite
def rectangles(draw: st.DrawFn) -> Bars:
    "Random bars with holes, steps of a minute or more, and an extra column."
    steps = draw(st.lists(st.integers(1, 3000), min_size=1, max_size=12))
    symbols = tuple(draw(st.lists(st.sampled_from("ABCDEFG"), min_size=1, max_size=4, unique=True)))
    start = pd.Timestamp("2026-09-14 09:15", tz=ZONE)
    index = pd.DatetimeIndex([start + timedelta(minutes=m) for m in np.cumsum(steps).tolist()])
    seed = np.random.default_rng(draw(st.integers(0, 2**32)))
    shape = (len(index), len(symbols))
    open_, close = (np.round(seed.uniform(50, 5000, shape), 2) for _ in range(2))
    high, low = np.maximum(open_, close) + 0.05, np.minimum(open_, close) - 0.05
    volume = seed.integers(0, 10**6, shape).astype(np.float64)
    hole = seed.random(shape) < draw(st.sampled_from([0.0, 0.3, 1.0]))
    arrays = [np.where(hole, np.nan, a) for a in (open_, high, low, close, volume)]
    interest = np.where(seed.random(shape) < 0.5, np.nan, seed.integers(0, 999, shape))
    return Bars(index, symbols, *arrays, 1, {"open_interest": interest})


@given(rectangles())
def test_a_file_gives_back_the_same_bars(
    tmp_path_factory: pytest.TempPathFactory, bars: Bars
) -> None:
    again = Bars.load(bars.save(tmp_path_factory.mktemp("bars") / "b.parquet"))
    assert again.equals(bars)
    assert again.fingerprint() == bars.fingerprint()
    assert again.index.unit == bars.index.unit


@given(rectangles())
def test_lines_and_rectangle_say_the_same(bars: Bars) -> None:
    again = Bars.from_frame(bars.to_frame(), bars.symbols, interval_minutes=1)
    kept = bars.present.any(axis=1)
    for name in COLUMNS:
        assert np.array_equal(getattr(again, name), getattr(bars, name)[kept], equal_nan=True)


@given(rectangles(), st.data())
def test_parts_in_order_make_the_whole(bars: Bars, data: st.DataObject) -> None:
    cut = data.draw(st.integers(0, bars.shape[0]))
    joined = bars.rows(0, cut).concat(bars.rows(cut, bars.shape[0]))
    assert joined.equals(bars)
    assert joined.fingerprint() == bars.fingerprint()


@given(rectangles(), st.sampled_from(["low", "high", "volume"]), st.data())
def test_any_changed_number_changes_the_fingerprint(
    bars: Bars, column: str, data: st.DataObject
) -> None:
    cells = np.argwhere(bars.present)
    if cells.size:
        row, symbol = data.draw(st.sampled_from(cells.tolist()))
        changed = parts(bars)
        changed[column][row, symbol] += -0.01 if column == "low" else 0.01  # type: ignore[index]
        other = Bars(**changed, extra=bars.extra)  # type: ignore[arg-type]
        assert other.fingerprint() != bars.fingerprint()
        assert not other.equals(bars)


def test_fingerprint_does_not_change_between_versions() -> None:
    # Written down once: a changed value means that stored fingerprints no longer compare.
    assert make_bars().fingerprint().startswith("d6c2ed89c56203a1")


def test_the_sign_of_zero_means_nothing() -> None:
    negative = parts(make_bars())
    positive = parts(make_bars())
    negative["volume"][0, 0], positive["volume"][0, 0] = -0.0, 0.0  # type: ignore[index]
    assert Bars(**negative).fingerprint() == Bars(**positive).fingerprint()  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("index", "message"),
    [
        (make_index().tz_localize(None), "zone"),
        (make_index().tz_convert("UTC"), "zone"),
        (make_index()[::-1], "rise"),
        (make_index()[[0, 1, 1, 2]], "rise"),
        (make_index(4, minutes=1).shift(0)[[0, 1, 2, 2]], "rise"),
        (pd.DatetimeIndex([*make_index(3), pd.NaT]), "rise"),
        (list(make_index()), "DatetimeIndex"),
    ],
)
def test_unsound_index_is_refused(index: object, message: str) -> None:
    with pytest.raises(DataError, match=message):
        Bars(**{**parts(make_bars()), "index": index})  # type: ignore[arg-type]


def test_bars_closer_than_their_length_are_refused() -> None:
    with pytest.raises(DataError, match="5 min"):
        Bars(**{**parts(make_bars()), "interval_minutes": 5})  # type: ignore[arg-type]


@pytest.mark.parametrize("symbols", [(), ("A", "A", "B"), ("A", "", "B"), "ABC", ("A", 3, "B")])
def test_unsound_symbols_are_refused(symbols: object) -> None:
    with pytest.raises(DataError, match="symbol"):
        Bars(**{**parts(make_bars()), "symbols": symbols})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "values",
    [
        np.ones((4, 2)),
        np.ones(12),
        np.ones((4, 3), dtype=np.float32),
        np.ones((4, 3), dtype=np.int64),
        [[1.0] * 3] * 4,
        None,
    ],
)
def test_arrays_of_another_shape_or_type_are_refused(values: object) -> None:
    with pytest.raises(DataError, match=r"Bars\.volume"):
        Bars(**{**parts(make_bars()), "volume": values})  # type: ignore[arg-type]


@pytest.mark.parametrize("interval", [0, -1, 1.5, "1", True, None])
def test_unsound_interval_is_refused(interval: object) -> None:
    with pytest.raises(DataError, match="minutes"):
        Bars(**{**parts(make_bars()), "interval_minutes": interval})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("column", "value", "message"),
    [
        ("open", np.nan, "missing in some columns"),
        ("close", np.nan, "missing in some columns"),
        ("volume", np.nan, "missing in some columns"),
        ("low", 0.0, "zero, negative"),
        ("low", -5.0, "zero, negative"),
        ("high", np.inf, "infinite"),
        ("high", 900.0, "does not lie"),
        ("open", 5000.0, "does not lie"),
        ("close", 900.0, "does not lie"),
        ("volume", -1.0, "volume is negative"),
        ("volume", np.inf, "volume is negative or infinite"),
    ],
)
def test_impossible_bar_is_refused_by_name(column: str, value: float, message: str) -> None:
    given_parts = parts(make_bars())
    given_parts[column][2, 1] = value  # type: ignore[index]
    with pytest.raises(DataError, match=message) as refused:
        Bars(**given_parts)  # type: ignore[arg-type]
    assert "TCS at 2026-09-15 09:17" in str(refused.value)


def test_arrays_are_frozen_and_row_major_and_the_caller_keeps_his() -> None:
    mine = parts(make_bars())
    mine["close"] = np.asfortranarray(mine["close"])  # type: ignore[call-overload]
    bars = Bars(**mine)  # type: ignore[arg-type]
    assert bars.close.flags.c_contiguous
    with pytest.raises(ValueError, match="read-only"):
        bars.close[0, 0] = 1.0
    mine["volume"][0, 0] = 7.0  # type: ignore[index]


def test_extra_columns_ride_along() -> None:
    interest = np.arange(12, dtype=np.float64).reshape(4, 3)
    bars = Bars(**parts(make_bars()), extra={"oi": interest})  # type: ignore[arg-type]
    assert np.array_equal(bars.select(["INFY"]).rows(1, 3).extra["oi"], [[5.0], [8.0]])
    assert bars.fingerprint() != make_bars().fingerprint()
    with pytest.raises(DataError, match="extra columns"):
        bars.rows(0, 2).concat(make_bars().rows(2, 4))
    with pytest.raises(DataError, match="name of a column"):
        Bars(**parts(make_bars()), extra={"close": interest})  # type: ignore[arg-type]
    with pytest.raises(DataError, match="oi"):
        Bars(**parts(make_bars()), extra={"oi": interest[:2]})  # type: ignore[arg-type]


def test_rows_outside_are_refused() -> None:
    for start, stop in ((-1, 2), (0, 5), (3, 2)):
        with pytest.raises(ValueError, match="do not lie"):
            make_bars().rows(start, stop)


def test_between_takes_the_start_and_not_the_end_in_any_zone() -> None:
    bars = make_bars()
    utc = [moment.tz_convert("UTC") for moment in bars.index]
    assert bars.between(utc[1], utc[3]).equals(bars.rows(1, 3))
    assert bars.between(utc[3], utc[1]).shape == (0, 3)
    with pytest.raises(ValueError, match="time zone"):
        bars.between(datetime(2026, 9, 15), utc[1])  # noqa: DTZ001


def test_a_day_without_bars_is_refused_with_what_there_is() -> None:
    two = make_bars().concat(make_bars(start="2026-09-16 09:15"))
    assert two.days() == [date(2026, 9, 15), date(2026, 9, 16)]
    assert two.on(date(2026, 9, 16)).equals(two.rows(4, 8))
    with pytest.raises(MissingDataError, match="2026-09-15 to 2026-09-16"):
        two.on(date(2026, 9, 17))


def test_unknown_symbols_are_refused_by_name() -> None:
    with pytest.raises(MissingDataError, match="WIPRO"):
        make_bars().select(["TCS", "WIPRO"])


@pytest.mark.parametrize(
    "later",
    [
        make_bars(start="2026-09-16 09:15").select(["TCS", "RELIANCE", "INFY"]),
        make_bars(),
        make_bars(start="2026-09-14 09:15"),
    ],
)
def test_only_later_bars_of_the_same_symbols_follow(later: Bars) -> None:
    with pytest.raises(DataError):
        make_bars().concat(later)


@pytest.mark.parametrize("column", ["symbol", "timestamp", *COLUMNS])
def test_missing_column_is_named_with_those_that_are_there(column: str) -> None:
    with pytest.raises(DataError, match=f"no column {column}"):
        Bars.from_frame(make_bars().to_frame().drop(columns=column), interval_minutes=1)


def test_lines_in_any_order_and_zone_align_the_same() -> None:
    lines = make_bars().to_frame().sample(frac=1.0, random_state=1)
    lines["timestamp"] = lines["timestamp"].dt.tz_convert("UTC")
    assert Bars.from_frame(lines, SYMBOLS, interval_minutes=1).equals(make_bars())


def test_line_without_time_is_refused() -> None:
    lines = make_bars().to_frame()
    lines.loc[3, "timestamp"] = pd.NaT
    with pytest.raises(DataError, match="line 3"):
        Bars.from_frame(lines, interval_minutes=1)


def test_foreign_and_absent_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(MissingDataError, match="no such file"):
        Bars.load(tmp_path / "none.parquet")
    make_bars().to_frame().to_parquet(tmp_path / "plain.parquet")
    (tmp_path / "text.parquet").write_text("not parquet")
    for name in ("plain.parquet", "text.parquet"):
        with pytest.raises(DataError, match="read_bars"):
            Bars.load(tmp_path / name)


def test_saving_replaces_the_file_whole_and_leaves_no_draft(tmp_path: Path) -> None:
    target = tmp_path / "deep" / "bars.parquet"
    make_bars().save(target)
    make_bars(rows=2).save(target)
    assert Bars.load(target).shape == (2, 3)
    assert [p.name for p in target.parent.iterdir()] == ["bars.parquet"]
