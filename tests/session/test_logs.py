"""The logs of a session's processes can be put together by its run, and hold no secret."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def lines_of(path: Path) -> list[dict[str, object]]:
    "The lines of a log."
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_three_processes_log_under_one_run(tmp_path: Path) -> None:
    text = (ROOT / "settings.ini").read_text()
    text = text.replace("nbs/session/notebook.ipynb", str(ROOT / "nbs/session/notebook.ipynb"))
    (tmp_path / "settings.ini").write_text(text)
    environment = os.environ | {"NIFTY_SETTINGS": str(tmp_path / "settings.ini")}
    program = str(Path(sys.executable).with_name("nifty"))

    done = subprocess.run(
        [program, "paper", "--interval", "30m", "--json"],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
    )

    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    stem = Path(told["notebook"]).with_suffix("")
    parent = lines_of(tmp_path / "runs" / "nifty.log")
    kernel = lines_of(stem.with_suffix(".kernel.jsonl"))
    exchange = lines_of(stem.with_suffix(".exchange.jsonl"))
    assert {line["run"] for line in parent + kernel} == {told["run"]}
    assert [line["event"] for line in parent][-1] == "session ended"
    events = [line["event"] for line in kernel]
    # Half hours of one day are too few to see whether a strategy can be given one bar at a time.
    assert events[:2] == ["reckoned on the whole window", "opened"]
    assert events[-1] == "session ended"
    assert sum(line["event"] == "fill" for line in kernel) == told["summary"]["fills"]
    assert exchange[0]["event"] == "ready"
    everything = "".join(path.read_text() for path in (tmp_path / "runs").rglob("*.jsonl"))
    assert "access_token" not in everything and "api_secret" not in everything
    shutil.rmtree(tmp_path / "runs")
