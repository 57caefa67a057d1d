"`nifty report`: what it prints, writes and keeps, and what it refuses."

import json
from pathlib import Path

import pandas as pd
import pytest

from nifty_research.cli.main import run
from nifty_research.core.errors import ExitCode
from nifty_research.data.store import BarStore
from nifty_research.data.synthetic_daily import synthetic_daily
from nifty_research.data.synthetic_store import action_table, daily_table
from nifty_research.market.calendar import sessions
from nifty_research.serve.strategy_results import last_results


def typed(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    "Exit code, standard output and standard error of a command."
    code = run(("report", *arguments))
    shown = capsys.readouterr()
    return int(code), shown.out, shown.err


def test_a_report_is_printed_written_and_kept(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    code, out, err = typed(
        capsys,
        *("--from", "2026-09-10", "--interval", "15m", "--strategies", "moving_average,ensemble"),
        *("--symbols", "INFY,TCS,SBIN", "--set", f"paths.store={tmp_path / 'store'}"),
        *("--out", str(tmp_path / "report.html")),
    )

    assert code == ExitCode.OK and "error" not in err
    first = out.splitlines()[0]
    assert first.startswith("The ensemble ") and "the same shares, held" in first
    assert "moving_average" in out and "±" in out and "made up" in out
    assert (tmp_path / "report.html").is_file() and (tmp_path / "report-trades.csv").is_file()
    kept = last_results(tmp_path / "store")
    assert set(kept) == {"moving_average", "ensemble"}
    assert kept["ensemble"].first == "2026-09-10" and kept["ensemble"].product == "MIS"


def test_days_of_a_store_are_traded_as_delivery(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    days = sessions(pd.Timestamp("2024-01-01").date(), pd.Timestamp("2024-12-31").date())
    made = synthetic_daily(("INFY", "TCS", "SBIN"), days, seed=3)
    store = BarStore(tmp_path / "store")
    store.append_daily(daily_table(made.bars))
    store.append_actions(action_table(made))

    code, out, _ = typed(
        capsys,
        *("--bars", str(store.root), "--symbols", "INFY,TCS,SBIN", "--from", "2024-03-01"),
        *("--strategies", "moving_average", "--json", "--set", f"paths.store={store.root}"),
    )

    record = json.loads(out)
    assert code == ExitCode.OK
    assert [one["strategy"] for one in record["accounts"]] == ["moving_average", "all shares, held"]
    told = " ".join(record["assumptions"])
    assert "CNC" in told and "2024-03-01" in told and "adjusted for splits" in told
    assert store.symbols() == ["INFY", "SBIN", "TCS"]  # what is kept there harms nobody
    assert last_results(store.root)["moving_average"].interval_minutes == 1440


@pytest.mark.parametrize(
    "arguments, said",
    [
        (("--strategies", "momentun"), "no such strategy"),
        (("--from", "2009-01-01"), "charges are not known"),
        (("--bars", "nowhere.parquet"), "no such file"),
        (("--interval", "soon"), "no length of a bar"),
        (("--out", "report.pdf"), "HTML"),
        (("--from", "2026-09-20", "--to", "2026-09-01"), "no session"),
        (("--set", "risk.stop_atr=-1"), "risk.stop_atr"),
    ],
)
def test_what_cannot_be_reported_is_refused_with_a_remedy(
    capsys: pytest.CaptureFixture[str], arguments: tuple[str, str], said: str
) -> None:
    code, out, err = typed(capsys, *arguments)

    assert code != ExitCode.OK and not out
    assert err.startswith("error:") and said in err and "  do " in err
