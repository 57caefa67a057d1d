"""Makers of exchange files for the tests of importing: a market of a few shares, in each form."""

import gzip
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path

OLD_HEAD = (
    "SYMBOL,SERIES,OPEN,HIGH,LOW,CLOSE,LAST,PREVCLOSE,TOTTRDQTY,TOTTRDVAL,TIMESTAMP,"
    "TOTALTRADES,ISIN,"
)
FULL_HEAD = (
    "SYMBOL, SERIES, DATE1, PREV_CLOSE, OPEN_PRICE, HIGH_PRICE, LOW_PRICE, LAST_PRICE, "
    "CLOSE_PRICE, AVG_PRICE, TTL_TRD_QNTY, TURNOVER_LACS, NO_OF_TRADES, DELIV_QTY, DELIV_PER"
)
UDIFF_HEAD = (
    "TradDt,BizDt,Sgmt,Src,FinInstrmTp,FinInstrmId,ISIN,TckrSymb,SctySrs,XpryDt,"
    "FininstrmActlXpryDt,StrkPric,OptnTp,FinInstrmNm,OpnPric,HghPric,LwPric,ClsPric,LastPric,"
    "PrvsClsgPric,UndrlygPric,SttlmPric,OpnIntrst,ChngInOpnIntrst,TtlTradgVol,TtlTrfVal,"
    "TtlNbOfTxsExctd,SsnId,NewBrdLotQty,Rmks,Rsvd1,Rsvd2,Rsvd3,Rsvd4"
)


@dataclass(frozen=True)
class Share:
    "One share's day."

    symbol: str
    close: float
    series: str = "EQ"
    isin: str = "INE009A01021"
    volume: int = 1_000
    high: float | None = None
    low: float | None = None

    @property
    def top(self) -> float:
        return self.close + 2.0 if self.high is None else self.high

    @property
    def bottom(self) -> float:
        return self.close - 2.0 if self.low is None else self.low

    @property
    def turnover(self) -> float:
        return round(self.close * self.volume, 2)


def make_day(count: int = 40, close: float = 700.0) -> list[Share]:
    "Some shares, two of the small-company board, and two bonds."
    shares = [Share(f"SHARE{number:02}", close + number) for number in range(count)]
    bonds = [Share(f"BOND{number}", 1_000.0 + number, "GB", "IN0020190115") for number in range(2)]
    small = [Share("SMALL", 55.0, "SM", "INE0SM001011"), Share("SMALLT", 20.0, "ST")]
    return [*shares, *small, *bonds]


def old_line(share: Share, day: date) -> str:
    stamp = f"{day:%d-%b-%Y}".upper()
    return (
        f"{share.symbol},{share.series},{share.close},{share.top},{share.bottom},{share.close},"
        f"{share.close},{share.close},{share.volume},{share.turnover},{stamp},40,{share.isin},"
    )


def full_line(share: Share, day: date) -> str:
    return (
        f"{share.symbol}, {share.series}, {day:%d-%b-%Y}, {share.close}, {share.close}, "
        f"{share.top}, {share.bottom}, {share.close}, {share.close}, {share.close}, "
        f"{share.volume}, {share.turnover / 1e5:.2f}, 40, "
        + (f"{share.volume // 2}, 50.00" if share.series == "EQ" else "-, -")
    )


def udiff_line(share: Share, day: date, exchange: str = "NSE", segment: str = "CM") -> str:
    return (
        f"{day},{day},{segment},{exchange},STK,100,{share.isin},{share.symbol},{share.series},"
        f",,,,{share.symbol} LIMITED,{share.close},{share.top},{share.bottom},{share.close},"
        f"{share.close},{share.close},,{share.close},,,{share.volume},{share.turnover},40,F1,1,"
        ",,,,"
    )


def old_name(day: date) -> str:
    return f"cm{day:%d%b%Y}".upper().replace("CM", "cm") + "bhav.csv"


def udiff_name(day: date) -> str:
    return f"BhavCopy_NSE_CM_0_0_0_{day:%Y%m%d}_F_0000.csv"


def full_name(day: date) -> str:
    return f"sec_bhavdata_full_{day:%d%m%Y}.csv"


def write_old(folder: Path, day: date, shares: Sequence[Share]) -> Path:
    return _write(folder / old_name(day), OLD_HEAD, [old_line(s, day) for s in shares])


def write_full(folder: Path, day: date, shares: Sequence[Share]) -> Path:
    return _write(folder / full_name(day), FULL_HEAD, [full_line(s, day) for s in shares])


def write_udiff(folder: Path, day: date, shares: Sequence[Share]) -> Path:
    return _write(folder / udiff_name(day), UDIFF_HEAD, [udiff_line(s, day) for s in shares])


def _write(path: Path, head: str, lines: Sequence[str]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join([head, *lines, ""]))
    return path


def gzipped(path: Path) -> Path:
    "The file packed, in the place of the plain one."
    packed = path.with_name(path.name + ".gz")
    packed.write_bytes(gzip.compress(path.read_bytes()))
    path.unlink()
    return packed


def zipped(path: Path) -> Path:
    "The file packed, in the place of the plain one."
    packed = path.with_name(path.name + ".zip")
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.write(path, path.name)
    path.unlink()
    return packed


def changed(share: Share, **values: float) -> Share:
    return replace(share, **values)
