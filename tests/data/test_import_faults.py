"""Bad input and bad luck: broken files are refused by name and line, the store stays as it was."""

import gzip
import os
import signal
import subprocess
import sys
import textwrap
import zipfile
from collections.abc import Callable
from datetime import date
from pathlib import Path

import pytest
from bhavcopies import (
    OLD_HEAD,
    UDIFF_HEAD,
    Share,
    gzipped,
    make_day,
    old_line,
    old_name,
    udiff_line,
    write_full,
    write_old,
    write_udiff,
    zipped,
)
from hypothesis import given
from hypothesis import strategies as st

from nifty_research.core.errors import DataError, MissingDataError
from nifty_research.data.importing import ImportOptions, import_files
from nifty_research.data.importlog import only_import
from nifty_research.data.store import BarStore
from nifty_research.market.calendar import sessions

DAY = date(2024, 7, 2)
EVERYTHING = "select * from daily order by all"


@pytest.fixture
def store(tmp_path: Path) -> BarStore:
    "A store that holds a day already, and must hold just that after a refusal."
    found = BarStore(tmp_path / "store")
    import_files([write_old(tmp_path / "before", date(2024, 7, 1), make_day())], found)
    return found


def refused(store: BarStore, *paths: Path) -> DataError:
    "The error of an import that must leave the store alone."
    before = store.manifest()
    with pytest.raises(DataError) as caught:
        import_files(paths, store)
    assert store.manifest() == before
    assert caught.value.where and caught.value.remedy
    return caught.value


def with_text(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.write_text(text)
    return path


def damaged(path: Path, change: Callable[[bytes], bytes]) -> Path:
    path.write_bytes(change(path.read_bytes()))
    return path


def flipped(raw: bytes) -> bytes:
    "One byte in the middle changed."
    middle = len(raw) // 2
    return raw[:middle] + bytes([raw[middle] ^ 0xFF]) + raw[middle + 1 :]


# Files that are broken -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("pack", "change", "what"),
    [
        (gzipped, lambda raw: raw[:-20], "cut off"),
        (gzipped, lambda raw: raw[: len(raw) // 2], "cut off"),
        (gzipped, flipped, "corrupt"),
        (zipped, lambda raw: raw[: len(raw) // 2], "cut off or corrupt"),
        (zipped, flipped, "cut off or corrupt"),
        (zipped, lambda raw: raw[:3], "cut off or empty"),
        (gzipped, lambda raw: b"", "the file is empty"),
        (gzipped, lambda raw: gzip.compress(b"  \n"), "the file is empty"),
        (gzipped, lambda raw: b"<!DOCTYPE html><html>Access Denied</html>", "web page"),
        (gzipped, lambda raw: gzip.decompress(raw).decode().encode("utf-16"), "UTF-16"),
        (gzipped, lambda raw: bytes(range(256)) * 40, "neither text nor"),
        (gzipped, lambda raw: b"PAR1" + bytes(200), "Parquet file is cut off or corrupt"),
        (gzipped, lambda raw: gzip.decompress(raw)[:-30], "cut off: it ends in the middle"),
        (gzipped, lambda raw: OLD_HEAD.encode() + b"\n", "no rows after the header"),
    ],
)
def test_broken_file_is_refused(
    tmp_path: Path,
    store: BarStore,
    pack: Callable[[Path], Path],
    change: Callable[[bytes], bytes],
    what: str,
) -> None:
    path = damaged(pack(write_old(tmp_path / "in", DAY, make_day(300))), change)
    error = refused(store, path)
    assert what in error.what and path.name in error.where


def test_encrypted_archive_is_refused(tmp_path: Path, store: BarStore) -> None:
    path = zipped(write_old(tmp_path / "in", DAY, make_day()))
    raw = bytearray(path.read_bytes())
    raw[6] |= 1  # The flag of encryption, in the member's header
    raw[raw.index(b"PK\x01\x02") + 8] |= 1  # and in the directory
    path.write_bytes(raw)
    assert "encrypted" in refused(store, path).what


def test_line_at_which_a_file_breaks_off_is_named(tmp_path: Path, store: BarStore) -> None:
    path = damaged(write_old(tmp_path / "in", DAY, make_day(10)), lambda raw: raw[:-30])
    assert refused(store, path).where.endswith("line 15")


@pytest.mark.parametrize("delimiter", [";", "\t", "|"])
def test_other_delimiter_is_named(tmp_path: Path, store: BarStore, delimiter: str) -> None:
    path = write_old(tmp_path / "in", DAY, make_day())
    with_text(path.parent, path.name, path.read_text().replace(",", delimiter))
    error = refused(store, path)
    assert "the columns are separated by" in error.what
    assert "delimiter" in error.remedy and error.where.endswith("line 1")


@pytest.mark.parametrize("write", [write_old, write_udiff, write_full])
def test_renamed_or_missing_column_is_named(
    tmp_path: Path, store: BarStore, write: Callable[..., Path]
) -> None:
    path = write(tmp_path / "in", DAY, make_day())
    head, *lines = path.read_text().splitlines()
    volume = {"TOTTRDQTY": "TOT_TRD_QTY", "TtlTradgVol": "TtlTradedVol", "TTL_TRD_QNTY": "TTL_QNTY"}
    for old, new in volume.items():
        if old in head:
            with_text(path.parent, path.name, "\n".join([head.replace(old, new), *lines]))
            error = refused(store, path)
            assert f"no column {old} (is it '{new}'?)" in error.what
    without = [line.split(",", 1)[1] for line in (head, *lines)]
    with_text(path.parent, path.name, "\n".join(without))
    first = head.split(",", 1)[0]
    assert f"no column {first}" in refused(store, path).what


def test_columns_in_another_order_are_no_fault(tmp_path: Path, store: BarStore) -> None:
    path = write_old(tmp_path / "in", DAY, make_day())
    turned = [",".join(reversed(line.split(","))) for line in path.read_text().splitlines()]
    with_text(path.parent, path.name, "\n".join(turned) + "\n")
    assert import_files([path], store).stored == 42


def test_swapped_columns_are_refused_with_a_line(tmp_path: Path, store: BarStore) -> None:
    path = write_old(tmp_path / "in", DAY, make_day())
    swapped = path.read_text().replace("OPEN,HIGH,LOW", "OPEN,LOW,HIGH")
    with_text(path.parent, path.name, swapped)
    error = refused(store, path)
    assert "42 of 42 rows are unfit: 42 high is below low" in error.what
    assert "line 2" in error.where


def test_days_in_two_shapes_are_refused(tmp_path: Path, store: BarStore) -> None:
    rows = ["2024-07-02", "03-07-2024"]
    text = "\n".join(f"INFY,{day},10,11,9,10,100" for day in rows)
    head = "symbol,date,open,high,low,close,volume"
    error = refused(store, with_text(tmp_path, "prices.csv", f"{head}\n{text}\n"))
    assert "2 ways" in error.what and "date" in error.where


def test_days_that_cannot_be_read_are_refused(tmp_path: Path, store: BarStore) -> None:
    path = write_old(tmp_path / "in", DAY, make_day())
    with_text(path.parent, path.name, path.read_text().replace("02-JUL-2024", "07/02/24"))
    assert "no line has a day that can be read" in refused(store, path).what


# Files that are something else -----------------------------------------------------------------


def test_file_under_the_name_of_another_day_is_refused(tmp_path: Path, store: BarStore) -> None:
    path = write_old(tmp_path / "in", DAY, make_day())
    other = path.rename(path.with_name(old_name(date(2024, 7, 3))))
    error = refused(store, other)
    assert "the lines are of 2024-07-02, the name says 2024-07-03" in error.what


def test_file_of_a_day_without_a_session_is_refused(tmp_path: Path, store: BarStore) -> None:
    path = write_old(tmp_path / "in", date(2024, 7, 17), make_day())
    assert "a day without a session" in refused(store, path).what


def test_two_days_in_one_bhavcopy_are_refused(tmp_path: Path, store: BarStore) -> None:
    lines = [old_line(s, d) for d in (DAY, date(2024, 7, 3)) for s in make_day()]
    path = with_text(tmp_path, "bhav.csv", "\n".join([OLD_HEAD, *lines, ""]))
    assert "lines of 2 days" in refused(store, path).what


@pytest.mark.parametrize(
    ("exchange", "segment", "what"),
    [
        ("NSE", "CD", "currency and commodity derivatives are not kept"),
        ("NSE", "CO", "currency and commodity derivatives are not kept"),
        ("BSE", "CM", "shares of BSE"),
        ("NSE", "XX", "names no exchange and segment"),
        ("NYSE", "CM", "names no exchange and segment"),
    ],
)
def test_file_of_another_segment_is_refused(
    tmp_path: Path, store: BarStore, exchange: str, segment: str, what: str
) -> None:
    lines = [udiff_line(share, DAY, exchange, segment) for share in make_day()]
    path = with_text(tmp_path, "udiff.csv", "\n".join([UDIFF_HEAD, *lines, ""]))
    error = refused(store, path)
    assert what in error.what and "line 2" in error.where


def test_lines_of_two_segments_in_one_file_are_refused(tmp_path: Path, store: BarStore) -> None:
    lines = [udiff_line(share, DAY) for share in make_day(5)]
    lines.append(udiff_line(Share("USDINR", 83.5), DAY, "NSE", "CD"))
    path = with_text(tmp_path, "udiff.csv", "\n".join([UDIFF_HEAD, *lines, ""]))
    error = refused(store, path)
    assert "several segments" in error.what and error.where.endswith(f"line {len(lines) + 1}")


def test_table_without_prices_is_refused(nifty_data: Path, store: BarStore) -> None:
    error = refused(store, nifty_data / "fo/raw/fao_participant_oi_14112025.csv")
    assert "participant-wise positions, no prices" in error.what


def test_archive_without_prices_is_refused(tmp_path: Path, store: BarStore) -> None:
    path = tmp_path / "reports.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("readme.txt", "nothing\n")
        archive.writestr("summary.csv", "a,b\n1,2\n")
    assert "no member of the archive" in refused(store, path).what


def test_path_that_is_not_there_is_refused(tmp_path: Path, store: BarStore) -> None:
    assert isinstance(refused(store, tmp_path / "nothing.csv"), MissingDataError)
    (tmp_path / "empty").mkdir()
    assert "nothing to import here" in refused(store, tmp_path / "empty").what


# Days that come twice --------------------------------------------------------------------------


def test_same_day_under_two_names_is_stored_once(tmp_path: Path, store: BarStore) -> None:
    path = write_old(tmp_path / "in", DAY, make_day())
    (path.parent / "copy (1).csv").write_bytes(path.read_bytes())
    report = import_files([path.parent], store)
    assert (report.new, report.identical) == (42, 42)


def test_same_day_with_other_values_is_refused_with_both_lines(
    tmp_path: Path, store: BarStore
) -> None:
    path = write_old(tmp_path / "in", DAY, make_day())
    text = path.read_text().replace("SHARE03,EQ,703.0,705.0", "SHARE03,EQ,703.5,705.0")
    with_text(path.parent, "copy.csv", text)
    error = refused(store, path.parent)
    assert f"{old_name(DAY)}, line 5" in error.where and "copy.csv, line 5" in error.where
    assert "SHARE03" in error.where
    assert {name: set(pair) for name, pair in error.value.items()} == {"open": {703.0, 703.5}}


def test_day_that_contradicts_the_store_is_refused_until_it_may_replace(
    tmp_path: Path, store: BarStore
) -> None:
    day = date(2024, 7, 1)
    shares = make_day()
    shares[7] = Share("SHARE07", 707.0, volume=900)
    path = write_udiff(tmp_path / "in", day, shares)
    error = refused(store, path)
    assert f"{path.name}, line 9" in error.where and "--replace" in error.remedy
    report = import_files([path], store, ImportOptions(replace=True))
    assert (report.replaced, report.identical) == (1, 41)
    sql = "select volume from daily where symbol = 'SHARE07'"
    assert store.query(sql).to_pylist() == [{"volume": 900}]


# One broken file among good ones ---------------------------------------------------------------


def test_broken_file_stops_the_import_unless_good_ones_are_kept(
    tmp_path: Path, store: BarStore
) -> None:
    inbox = tmp_path / "in"
    for day in sessions(DAY, date(2024, 7, 5)):
        write_old(inbox, day, make_day())
    bad = damaged(gzipped(inbox / old_name(date(2024, 7, 3))), lambda raw: raw[:-9])
    (inbox / "notes.csv").write_text("bought, sold\n1,2\n")
    error = refused(store, inbox)
    assert "1 more are broken" in error.what and "Nothing was stored" in error.remedy
    report = import_files([inbox], store, ImportOptions(keep_good=True))
    assert report.stored == 3 * 42
    assert sorted(file.file for file in report.files if file.refused) == sorted(
        [str(bad), str(inbox / "notes.csv")]
    )
    assert "REFUSED" in report.summary() and "cut off" in report.summary()


def test_file_with_too_many_unfit_rows_is_left_out_whole(tmp_path: Path, store: BarStore) -> None:
    inbox = tmp_path / "in"
    write_old(inbox, DAY, make_day())
    shares = [Share(s.symbol, s.close, s.series, high=s.close - 3) for s in make_day()[:20]]
    write_old(inbox, date(2024, 7, 3), [*shares, *make_day()[20:]])
    assert "20 of 42 rows are unfit" in refused(store, inbox).what
    report = import_files([inbox], store, ImportOptions(keep_good=True))
    assert report.stored == 42 and report.quarantined == {}


@given(st.data())
def test_damage_anywhere_is_refused_or_accounted_for(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    folder = tmp_path_factory.mktemp("damage")
    write = data.draw(st.sampled_from([write_old, write_udiff, write_full]))
    path = write(folder, DAY, make_day())
    raw = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 6))):
        at = data.draw(st.integers(0, len(raw) - 1))
        raw[at] = data.draw(st.integers(0, 255))
    path.write_bytes(raw)
    found = BarStore(folder / "store")
    try:
        report = import_files([path], found)
    except DataError as error:
        assert error.where and not found.places.years("daily")
    else:
        ended = sum(report.quarantined.values()) + sum(report.aside.values())
        assert report.read == report.stored + report.identical + ended


# Bad luck --------------------------------------------------------------------------------------

CHILD = textwrap.dedent(
    """
    import resource, sys
    from pathlib import Path
    from nifty_research.data import importing
    from nifty_research.data.store import BarStore
    importing.BATCH_BYTES = 8_000
    limit = int(sys.argv[3])
    if limit:
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
    def tell(done, total, name):
        print(done, flush=True)
    try:
        files, store = [Path(sys.argv[1])], BarStore(sys.argv[2])
        options = importing.ImportOptions(wait_s=120)
        importing.import_files(files, store, options, on_progress=tell)
    except importing.DataError as error:
        print(f"refused: {error}", flush=True)
        raise SystemExit(4)
    """
)


def child(inbox: Path, root: Path, limit: int = 0) -> subprocess.Popen[str]:
    "An import in a process of its own, of two files a batch, that says when it opens a file."
    command = [sys.executable, "-c", CHILD, str(inbox), str(root), str(limit)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def many_days(folder: Path) -> Path:
    inbox = folder / "in"
    for number, day in enumerate(sessions(date(2024, 1, 1), date(2024, 2, 15))):
        write_old(inbox, day, make_day(close=700.0 + number))
    return inbox


@pytest.mark.parametrize("files", [2, 4, 13, 26])
def test_import_that_was_killed_ends_like_one_that_was_not(tmp_path: Path, files: int) -> None:
    inbox = many_days(tmp_path)
    whole = BarStore(tmp_path / "whole")
    import_files([inbox], whole)
    root = tmp_path / "killed"
    with child(inbox, root) as process:
        assert process.stdout is not None
        for _ in range(files):
            assert process.stdout.readline()
        process.send_signal(signal.SIGKILL)
        process.wait(timeout=60)
    killed = BarStore(root)
    report = import_files([inbox], killed)
    assert files < 4 or any(file.known for file in report.files)
    assert killed.query(EVERYTHING).equals(whole.query(EVERYTHING))
    assert not list(root.rglob("*.draft"))


def test_disk_that_fills_leaves_the_store_as_it_was(tmp_path: Path) -> None:
    inbox = many_days(tmp_path)
    root = tmp_path / "store"
    with child(inbox, root, limit=30_000) as process:
        out, _ = process.communicate(timeout=120)
    assert process.returncode == 4
    (told,) = [line for line in out.splitlines() if line.startswith("refused")]
    assert "there is no room" in told and "2024.parquet" in told
    store = BarStore(root)
    days = store.days("SHARE00")
    assert days and days == sessions(date(2024, 1, 1), days[-1])
    assert import_files([inbox], store).stored > 0
    assert store.days("SHARE00") == sessions(date(2024, 1, 1), date(2024, 2, 15))


def test_second_import_at_once_is_told_who_is_first(tmp_path: Path, store: BarStore) -> None:
    path = write_old(tmp_path / "in", DAY, make_day())
    with only_import(store.root, 1.0), pytest.raises(DataError) as caught:
        import_files([path], store, ImportOptions(wait_s=0.1))
    assert f"another import is being made by process {os.getpid()}" in caught.value.what
    assert import_files([path], store).stored == 42


def test_two_processes_importing_at_once_store_everything_once(tmp_path: Path) -> None:
    inbox, root = many_days(tmp_path), tmp_path / "store"
    with child(inbox, root) as one, child(inbox, root) as other:
        told = [process.communicate(timeout=180)[0] for process in (one, other)]
    assert [one.returncode, other.returncode] == [0, 0], told
    count = len(sessions(date(2024, 1, 1), date(2024, 2, 15)))
    assert BarStore(root).query("select count(*) as n from daily").to_pylist() == [
        {"n": 42 * count}
    ]


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting a small disk needs root")
def test_small_disk_that_is_full_is_told(tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(disk)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("this system does not let tests mount a disk")
    try:
        store, inbox = BarStore(disk / "store"), tmp_path / "in"
        import_files([write_old(inbox, DAY, make_day())], store)
        before = store.manifest()
        big = write_old(inbox, date(2024, 7, 3), [Share(f"S{n}", n + 10.0) for n in range(4_000)])
        with pytest.raises(DataError, match=r"no room|could not be written"):
            import_files([big], store)
        assert store.manifest() == before
    finally:
        subprocess.run(["umount", str(disk)], check=True)
