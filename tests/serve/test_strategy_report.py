"Accounts of strategies and what is told of them: sums, honesty, holes, files."

import csv
import dataclasses
import json
import math
from datetime import date, datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from nifty_research.core.clock import IST
from nifty_research.core.errors import CorruptStateError, MissingDataError, UsageError
from nifty_research.core.settings import Settings
from nifty_research.data.bars import Bars
from nifty_research.data.synthetic import synthetic_bars
from nifty_research.data.synthetic_daily import adjusted_bars, synthetic_daily
from nifty_research.market.calendar import sessions
from nifty_research.serve.report_bars import ReportBars, Wanted, report_bars
from nifty_research.serve.strategy_figures import (
    correlation_frame,
    figures_of,
    headline,
    period_frame,
    reason_frame,
    regime_frame,
    summary_frame,
)
from nifty_research.serve.strategy_pictures import report_pictures
from nifty_research.serve.strategy_report import (
    kept_results,
    last_results,
    report_page,
    report_record,
    trades_frame,
    write_strategy_report,
)
from nifty_research.serve.strategy_results import keep_results
from nifty_research.serve.strategy_runs import StrategyRuns, strategy_runs, trial_settings
from nifty_research.serve.strategy_text import report_tables, report_text
from nifty_research.strategies.registry import load_strategy

SYMBOLS = ("HDFCBANK", "INFY", "ITC", "LT", "ONGC", "RELIANCE", "SBIN", "TCS")
NAMES = ("moving_average", "rsi_reversion", "ensemble")
FRAMES = (period_frame, regime_frame, reason_frame)


def market_of(bars: Bars, start: int = 0) -> ReportBars:
    return ReportBars(bars, start, "a test", ("made for a test",))


@pytest.fixture(scope="module")
def settings() -> Settings:
    return trial_settings()


@pytest.fixture(scope="module")
def quarters(settings: Settings) -> StrategyRuns:
    days = sessions(date(2026, 8, 25), date(2026, 9, 15))
    bars = synthetic_bars(SYMBOLS, days, interval_minutes=15, seed=7)
    return strategy_runs(market_of(bars, 25), settings, NAMES)


@pytest.fixture(scope="module")
def years() -> StrategyRuns:
    days = sessions(date(2023, 1, 1), date(2024, 12, 31))
    bars = adjusted_bars(synthetic_daily(SYMBOLS, days, seed=7))
    return strategy_runs(market_of(bars), trial_settings(daily=True), NAMES)


def test_every_table_adds_up_to_the_account(quarters: StrategyRuns) -> None:
    summary = summary_frame(quarters)
    for run in quarters.runs:
        assert summary.loc[run.name, "net_inr"] == run.net / 100
        assert int(run.trips["net"].sum()) == run.net  # nothing is held overnight
        assert summary.loc[run.name, "gross_inr"] == pytest.approx((run.net + run.charges) / 100)
        for frame in (make(quarters) for make in FRAMES):
            own = frame[frame["strategy"] == run.name]
            assert own["net_inr"].sum() == pytest.approx(run.net / 100)
            assert own["trades"].sum() == len(run.trips)


def test_days_begin_at_the_first_traded_one(quarters: StrategyRuns) -> None:
    for run in quarters.runs:
        assert len(run.days) == len(run.returns) == len(quarters.held) == len(run.invested)
        assert run.days[0] == quarters.market.bars.days()[1]
        assert run.trips["opened"].min().date() >= run.days[0]


def test_delivery_holds_overnight_and_pays_the_depository(years: StrategyRuns) -> None:
    for run in years.runs:
        assert (run.trips["quantity"] > 0).all() and run.trips["bars"].max() > 3
        assert run.depository > 0 and run.charges > run.depository
        unrealised = run.result.positions
        held = unrealised["quantity"] != 0
        assert run.open_positions == held.sum()
    periods = period_frame(years)
    assert set(periods["period"]) == {"2023", "2024"}


def test_the_first_line_calls_a_loss_a_loss(quarters: StrategyRuns) -> None:
    poorest = min(quarters.runs, key=lambda run: run.net)
    assert poorest.net < 0  # 40 basis points a round trip leave no other way on made-up bars
    lost = sum(run.net < 0 for run in quarters.runs if run.name != "ensemble")

    first = report_text(quarters).splitlines()[0]

    assert first == headline(quarters) and f"{lost} of 2 strategies lost money" in first
    if quarters["ensemble"].net < 0:
        assert first.startswith("The ensemble lost ₹")


def test_a_gain_and_a_standstill_are_told_as_such(quarters: StrategyRuns) -> None:
    run = quarters["ensemble"]
    for factor, word in ((1.2, "The ensemble made ₹"), (1.0, "neither made nor lost")):
        equity = np.linspace(run.capital, run.capital * factor, len(run.equity)).astype(np.int64)
        other = dataclasses.replace(run, equity=equity)
        assert word in headline(dataclasses.replace(quarters, runs=(other,)))


def test_the_halt_is_told_on_the_day_it_would_have_come(quarters: StrategyRuns) -> None:
    run = quarters["ensemble"]
    equity = np.full(len(run.equity), run.capital)
    equity[3:] = run.capital * 88 // 100

    fallen = dataclasses.replace(run, equity=equity)

    assert fallen.halted_on(0.10) == run.days[3] and fallen.halted_on(0.15) is None


def test_sharpe_ratios_stand_beside_their_error(years: StrategyRuns) -> None:
    table = report_tables(years)["Accounts"]
    row = dict(zip(table.columns, table.rows[0], strict=True))
    days, _ = figures_of(years.runs[0])

    assert row["Sharpe"] == f"{days.sharpe:.2f}" and row["±"] == f"{days.sharpe_error:.2f}"
    assert days.sharpe_error == pytest.approx(1 / math.sqrt(days.years), rel=0.2)


def test_holding_all_shares_is_the_mean_of_their_returns(quarters: StrategyRuns) -> None:
    bars = quarters.market.traded
    expected = np.mean(bars.close[-1] / bars.open[0]) - 1

    assert np.prod(1 + quarters.held) - 1 == pytest.approx(expected)
    assert correlation_frame(quarters).loc["all shares, held", "all shares, held"] == 1.0


def test_the_page_is_one_file_that_asks_for_nothing(quarters: StrategyRuns) -> None:
    page = report_page(quarters)
    before_script = page.split("<script>")[0]

    assert "src=" not in before_script and 'href="data:,"' in before_script
    for name in report_pictures(quarters):
        assert f'id="figure-{name}"' in page
    assert f'data-rows="{len(NAMES) + 1}"' in page


def test_the_record_is_plain_json(quarters: StrategyRuns) -> None:
    record = json.loads(json.dumps(report_record(quarters), allow_nan=False))

    assert [one["strategy"] for one in record["accounts"]] == [*NAMES, "all shares, held"]
    assert record["diversification"]["effective"] > 0
    assert record["fingerprint"] == quarters.market.traded.fingerprint()


def test_trades_are_written_beside_the_page(quarters: StrategyRuns, tmp_path: Path) -> None:
    files = write_strategy_report(quarters, tmp_path / "weekly.html")
    rows = list(csv.DictReader(files.trades.open(encoding="utf-8")))

    assert files.trades.name == "weekly-trades.csv" and len(rows) == len(trades_frame(quarters))
    total = sum(round(float(row["net_inr"]) * 100) for row in rows)
    assert total == sum(run.net for run in quarters.runs)
    assert {row["side"] for row in rows} == {"long", "short"}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["weekly-trades.csv", "weekly.html"]


def test_results_are_kept_until_the_next_report(quarters: StrategyRuns, tmp_path: Path) -> None:
    assert last_results(tmp_path) == {}
    made = datetime(2026, 9, 15, 16, tzinfo=IST)
    for profile in ("exploratory", "conservative"):
        keep_results(tmp_path, kept_results(quarters, profile, made))

    kept = last_results(tmp_path)

    assert set(kept) == set(NAMES) and kept["ensemble"].profile == "conservative"
    own = load_strategy("moving_average", quarters.settings.parameters("moving_average"))
    assert kept["moving_average"].parameters == dataclasses.asdict(own)  # type: ignore[call-overload]
    assert kept["moving_average"].figures["net_inr"] == quarters["moving_average"].net / 100


def test_results_of_another_version_are_left_out_and_broken_ones_named(tmp_path: Path) -> None:
    folder = tmp_path / "reports"
    folder.mkdir()
    (folder / "macd.json").write_text('{"version": 99}')
    assert last_results(tmp_path) == {}

    (folder / "macd.json").write_text("[]")
    with pytest.raises(CorruptStateError, match="macd"):
        last_results(tmp_path)


def test_a_share_that_lists_late_or_is_halted_trades_only_while_it_has_bars(
    settings: Settings,
) -> None:
    days = sessions(date(2026, 9, 1), date(2026, 9, 8))
    bars = synthetic_bars(SYMBOLS[:4], days, interval_minutes=15, seed=9)
    columns = [getattr(bars, name).copy() for name in ("open", "high", "low", "close", "volume")]
    for column in columns:
        column[:60, 0] = np.nan  # lists on the third day
        column[70:80, 1] = np.nan  # is halted
    holed = Bars(bars.index, bars.symbols, *columns, 15)

    run = strategy_runs(market_of(holed), settings, ("moving_average",)).runs[0]

    late = run.trips[run.trips["symbol"] == SYMBOLS[0]]
    assert (late["opened"] >= bars.index[60]).all()
    fills = run.result.fills
    assert not ((fills["symbol"] == 1) & (fills["row"] >= 70) & (fills["row"] < 80)).any()


@pytest.mark.parametrize("rows", [1, 5])
def test_fewer_bars_than_the_warm_up_trade_nothing(settings: Settings, rows: int) -> None:
    bars = synthetic_bars(SYMBOLS[:2], [date(2026, 9, 15)], interval_minutes=15, seed=9)

    runs = strategy_runs(market_of(bars.rows(0, rows)), settings, NAMES)

    assert all(run.net == 0 and len(run.trips) == 0 for run in runs.runs)
    assert "Sharpe" not in headline(runs) and len(report_page(runs)) > 1000


def test_prices_that_never_move_lose_nothing_but_charges(settings: Settings) -> None:
    days = sessions(date(2026, 9, 1), date(2026, 9, 4))
    bars = synthetic_bars(SYMBOLS[:2], days, interval_minutes=15, seed=9)
    flat = np.full(bars.shape, 100.0)
    still = Bars(bars.index, bars.symbols, flat, flat, flat, flat, np.zeros(bars.shape), 15)

    runs = strategy_runs(market_of(still), settings, NAMES)

    assert all(run.net == 0 for run in runs.runs)
    assert report_record(runs)["diversification"]["strategies"] == []


def test_the_same_bars_give_the_same_report(quarters: StrategyRuns, settings: Settings) -> None:
    again = strategy_runs(quarters.market, settings, NAMES)

    assert report_text(again) == report_text(quarters)
    assert trades_frame(again).equals(trades_frame(quarters))


def test_unknown_names_and_days_are_refused(settings: Settings, quarters: StrategyRuns) -> None:
    with pytest.raises(UsageError, match="no such strategy"):
        strategy_runs(quarters.market, settings, ("momentun",))
    with pytest.raises(UsageError, match="charges"):
        report_bars(None, settings, Wanted(date(2009, 1, 1), None, 1440))


def test_a_store_without_prices_says_so(settings: Settings, tmp_path: Path) -> None:
    (tmp_path / "daily").mkdir()
    with pytest.raises(MissingDataError, match="no "):
        report_bars(tmp_path, settings, Wanted(minutes=1440))


def test_recorded_days_are_traded_after_the_splits_are_taken_out(nifty_data: Path) -> None:
    daily = trial_settings(daily=True)
    wanted = Wanted(
        date(2017, 1, 1), date(2018, 12, 31), None, ("BAJFINANCE", "INFY", "RELIANCE", "TCS"),
        nifty_data / "ref" / "corporate_actions.csv",
    )  # fmt: skip
    market = report_bars(nifty_data / "daily" / "nifty50_daily_raw.parquet", daily, wanted)

    runs = strategy_runs(market, daily, ("moving_average", "rsi_reversion"))

    moves = np.abs(market.traded.close[1:] / market.traded.close[:-1] - 1)
    assert np.nanmax(moves) < 0.2  # bonuses of RELIANCE 2017, INFY and TCS 2018 are out
    assert market.start == 500 and market.traded.days()[0] == date(2017, 1, 2)
    for run in runs.runs:
        assert len(run.trips) > 10 and run.days[-1] == date(2018, 12, 31)
        first = pd.Timestamp(date(2017, 1, 2), tz="Asia/Kolkata")
        assert (run.trips["opened"] >= first).all()
