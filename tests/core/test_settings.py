"""Precedence of the sources, honest messages, and a settings file that documents itself."""

import re
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nifty_research.core.errors import SettingsError
from nifty_research.core.settings import (
    SECTIONS,
    Settings,
    find_settings,
    load_settings,
    profiles,
)

FILE = Path(__file__).resolve().parents[2] / "settings.ini"
LINES = FILE.read_text("utf-8").splitlines()


def load(path: Path = FILE, **arguments: object) -> Settings:
    return load_settings(path, **{"environ": {}, **arguments})  # type: ignore[arg-type]


def changed(tmp_path: Path, pattern: str, replacement: str) -> Path:
    text, count = re.subn(pattern, replacement, FILE.read_text("utf-8"), count=1, flags=re.M)
    assert count == 1, pattern
    path = tmp_path / "settings.ini"
    path.write_text(text, "utf-8")
    return path


def refusal(path: Path = FILE, **arguments: object) -> str:
    with pytest.raises(SettingsError) as caught:
        load(path, **arguments)
    return str(caught.value)


# --- the file of the repository -------------------------------------------------------------


def test_file_describes_each_key_as_its_model_does() -> None:
    section, described = "", set()
    for before, line in pairwise(LINES):
        if line.startswith("["):
            section = line.strip("[]")
        elif section in SECTIONS and " = " in line and not line.startswith("#"):
            key = line.split(" = ")[0]
            assert before == f"# {SECTIONS[section].model_fields[key].description}"
            described.add((section, key))
    assert described == {(n, k) for n, kind in SECTIONS.items() for k in kind.model_fields}


def test_every_field_has_a_description() -> None:
    for name, kind in SECTIONS.items():
        for key, field in kind.model_fields.items():
            assert field.description, f"{name}.{key}"
            assert field.is_required(), f"{name}.{key} has a default hidden in the code"


TABLE = [
    ("conservative", ("5", "15"), (0.40, 0.30, 0.05, 0.15, 0.005, 0.02, 0.10)),
    ("exploratory", ("3", "10"), (0.40, 0.30, 0.10, 0.20, 0.018, 0.03, 0.15)),
    ("aggressive", ("3", "10"), (0.10, 0.20, 0.10, 0.30, 0.018, 0.05, 0.20)),
]


@pytest.mark.parametrize(("profile", "averages", "numbers"), TABLE)
def test_profiles_hold_the_agreed_numbers(
    profile: str, averages: tuple[str, str], numbers: tuple[float, ...]
) -> None:
    settings = load(profile=profile)
    crossover = settings.parameters("moving_average")
    assert (crossover["fast"], crossover["slow"]) == averages
    risk, ensemble = settings.risk, settings.ensemble
    assert numbers == (
        ensemble.minimum_agreement,
        ensemble.exit_threshold,
        risk.minimum_share,
        risk.maximum_share,
        risk.risk_per_trade,
        risk.daily_loss,
        risk.drawdown,
    )
    assert (risk.stop_atr, risk.target_atr, risk.trail_from_atr, risk.trail_by_atr) == (
        2.0,
        3.0,
        1.5,
        0.8,
    )


def test_profiles_are_listed_in_the_order_of_the_file() -> None:
    assert profiles(FILE) == [row[0] for row in TABLE]


# --- precedence -----------------------------------------------------------------------------

SOURCES = ("file", "profile", "environment", "argument")
KEYS = st.sampled_from(["trades_per_day", "open_positions", "positions_per_sector"])


@given(KEYS, st.sets(st.sampled_from(SOURCES)), st.lists(st.integers(0, 400), min_size=4))
def test_strongest_source_wins_and_is_named(
    tmp_path_factory: pytest.TempPathFactory, key: str, given_by: set[str], numbers: list[int]
) -> None:
    values = dict(zip(SOURCES, numbers, strict=False))
    path = changed(
        tmp_path_factory.mktemp("settings"), rf"^{key} = .*$", f"{key} = {values['file']}"
    )
    if "profile" in given_by:
        text = path.read_text("utf-8")
        head = "[profile conservative]\n"
        path.write_text(text.replace(head, f"{head}risk.{key} = {values['profile']}\n"), "utf-8")
    variable = f"NIFTY_RISK__{key.upper()}"

    settings = load(
        path,
        environ={variable: str(values["environment"])} if "environment" in given_by else {},
        overrides={f"risk.{key}": str(values["argument"])} if "argument" in given_by else {},
    )

    winner = [source for source in SOURCES if source in {*given_by, "file"}][-1]
    assert getattr(settings.risk, key) == values[winner]
    assert (
        settings.origin(f"risk.{key}")
        == {
            "file": "settings.ini",
            "profile": "profile conservative",
            "environment": f"environment {variable}",
            "argument": "argument",
        }[winner]
    )


def test_environment_reaches_strategies_with_and_without_a_section() -> None:
    environ = {"NIFTY_STRATEGY_MOVING_AVERAGE__FAST": "4", "NIFTY_STRATEGY_MY_IDEA__DEPTH": "9"}
    settings = load(environ=environ)
    assert settings.parameters("moving_average")["fast"] == "4"
    assert settings.parameters("my_idea") == {"depth": "9"}
    assert settings.strategy.name == "moving_average"


def test_environment_of_others_is_left_alone() -> None:
    others = {"NIFTY_DATA": "x", "NIFTY_CACHE": "y", "PATH__X": "z", "HOME": "/"}
    assert load(environ=others).fingerprint() == load(environ={}).fingerprint()


# --- refusals -------------------------------------------------------------------------------


@pytest.mark.parametrize("key", [f"{n}.{k}" for n, s in SECTIONS.items() for k in s.model_fields])
def test_missing_key_is_named_with_what_to_write(key: str, tmp_path: Path) -> None:
    section, name = key.split(".")
    path = tmp_path / "settings.ini"
    head, tail = FILE.read_text("utf-8").split(f"[{section}]\n")
    path.write_text(f"{head}[{section}]\n" + re.sub(rf"(?m)^{name} = .*\n", "", tail, count=1))
    profile_free = re.sub(rf"(?m)^{re.escape(key)} = .*\n", "", path.read_text("utf-8"))
    path.write_text(profile_free, "utf-8")
    assert f"{key}: missing. Add it: {SECTIONS[section].model_fields[name].description}" in (
        refusal(path)
    )


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("risk.daily_loss", "2", "Allowed: number, above 0.0, to 0.5"),
        ("risk.daily_loss", "nan", "risk.daily_loss = nan (argument)"),
        ("risk.atr_period", "14.5", "Allowed: whole number, from 1, to 500"),
        ("risk.dayly_loss", "0.01", "Did you mean daily_loss?"),
        ("risk.bar_delay_s", "1", "it belongs to [session]"),
        ("risks.daily_loss", "0.01", "Did you mean risk?"),
        ("daily_loss", "0.01", "unknown section"),
        ("strategy my idea.x", "1", "unknown section"),
        ("account.product", "NRML", "Allowed: MIS or CNC"),
        ("account.id", "a b", "Allowed: text, like"),
        ("market.interval_minutes", "7", "must be one of 1, 3, 5"),
        ("market.synthetic_day", "15-09-2026", "Allowed: date YYYY-MM-DD"),
        ("kite.root", "ftp://x", "Allowed: text, like ^https?"),
        ("risk.minimum_share", "0.2", "minimum_share 0.2 is above maximum_share 0.15"),
        ("risk.daily_loss", "0.2", "daily_loss 0.2 is above drawdown 0.1"),
        ("risk.square_off_before_close_minutes", "45", "opened after the square-off"),
        ("risk.stop_moves", "25", "must be below execution.order_changes 25"),
    ],
)
def test_refusal_says_what_is_allowed(name: str, value: str, words: str) -> None:
    assert words in refusal(overrides={name: value})


def test_all_problems_are_reported_at_once() -> None:
    message = refusal(overrides={"risk.drawdown": "7", "execution.slippage_bps": "-1"})
    assert "2 settings cannot be used" in message
    assert "risk.drawdown = 7 (argument)" in message
    assert "execution.slippage_bps = -1 (argument)" in message


def test_key_of_a_profile_that_is_not_used_is_checked_too(tmp_path: Path) -> None:
    path = changed(tmp_path, r"(\[profile aggressive\]\n)", r"\1risk.drawdwon = 0.3\n")
    assert "risk.drawdwon = 0.3 (profile aggressive): unknown key" in refusal(path)


def test_empty_section_with_an_unknown_name_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "settings.ini"
    path.write_text(FILE.read_text("utf-8") + "\n[riks]\n", "utf-8")
    assert "[riks]: unknown section. Did you mean risk?" in refusal(path)


@pytest.mark.parametrize("text", ["[risk]\na = 1\na = 2\n", "a = 1\n", "[risk]\njust words\n"])
def test_file_that_cannot_be_parsed_is_refused(text: str, tmp_path: Path) -> None:
    path = tmp_path / "settings.ini"
    path.write_text(text)
    assert "cannot be read" in refusal(path)


def test_unknown_profile_lists_what_there_is() -> None:
    assert "Known: aggressive, conservative, exploratory" in refusal(profile="zzz")


# --- finding, paths, fingerprint ------------------------------------------------------------


def test_file_is_found_upwards_and_paths_start_at_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = changed(tmp_path, r"^runs = runs$", "runs = results")
    (tmp_path / "nbs" / "deep").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "nbs" / "deep")
    settings = load_settings(environ={})
    assert settings.file == path
    assert settings.paths.runs == tmp_path / "results"


def test_environment_names_the_file_and_a_missing_one_is_an_error(tmp_path: Path) -> None:
    assert find_settings(environ={"NIFTY_SETTINGS": str(FILE)}) == FILE
    with pytest.raises(SettingsError, match="was not found"):
        find_settings(environ={"NIFTY_SETTINGS": str(tmp_path / "none.ini")})


def test_fingerprint_follows_values_and_not_place_or_spelling(tmp_path: Path) -> None:
    here = load().fingerprint()
    moved = load(changed(tmp_path, r"^drawdown = 0.10$", "drawdown = 0.100")).fingerprint()
    assert here == moved
    assert here != load(overrides={"risk.drawdown": "0.11"}).fingerprint()
    assert here != load(overrides={"strategy moving_average.slow": "16"}).fingerprint()


def test_sections_cannot_be_changed() -> None:
    with pytest.raises(ValueError, match="frozen"):
        load().risk.daily_loss = 0.5


def test_unknown_origin_is_an_error() -> None:
    with pytest.raises(SettingsError, match=r"Did you mean risk\.daily_loss"):
        load().origin("risk.dayly_loss")


def test_rows_cover_every_setting() -> None:
    settings = load()
    rows = settings.rows()
    assert {f"{row.section}.{row.key}" for row in rows} == set(settings.origins)
    assert all(row.description for row in rows)
