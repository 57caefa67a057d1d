"""What all tests share: a bounded search for counter-examples, and the folder of real prices."""

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

ROOT = Path(__file__).resolve().parents[1]
DATA_VARIABLE = "NIFTY_DATA"  # Tests that skip for lack of data name it in their reason

settings.register_profile(
    "ci",
    derandomize=True,
    deadline=None,
    max_examples=50,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.register_profile(
    "thorough",
    deadline=None,
    max_examples=1000,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci"))


@pytest.fixture(scope="session")
def nifty_data() -> Path:
    "Folder of real prices; the test is skipped, and says so, where there is none."
    folder = Path(os.environ.get(DATA_VARIABLE) or ROOT.parent / "shared" / "data")
    if not folder.is_dir():
        pytest.skip(f"no real data at {folder}: set {DATA_VARIABLE} to its folder")
    return folder


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    "Say which tests did not run because no real prices are at hand."
    reasons: dict[str, list[str]] = {}
    for report in terminalreporter.stats.get("skipped", []):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
        if DATA_VARIABLE in reason:
            reasons.setdefault(reason.removeprefix("Skipped: "), []).append(report.nodeid)
    if reasons:
        terminalreporter.section("not run for lack of data")
    for reason, tests in sorted(reasons.items()):
        terminalreporter.write_line(f"{reason}: {len(tests)} tests")
        for test in sorted(tests):
            terminalreporter.write_line(f"  {test}")
