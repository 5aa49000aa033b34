"""The currencies of ISO 4217 and how finely each is divided.

A table of our own: CLDR, which most libraries ship, lists what shops display (no decimals for
RSD or IQD) and every currency there ever was, while an invoice follows the standard.
"""

import difflib
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

_CODES: Final = """
    AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BHD BIF BMD BND BOB BOV BRL BSD BTN BWP BYN
    BZD CAD CDF CHE CHF CHW CLF CLP CNY COP COU CRC CUP CVE CZK DJF DKK DOP DZD EGP ERN ETB EUR
    FJD FKP GBP GEL GHS GIP GMD GNF GTQ GYD HKD HNL HTG HUF IDR ILS INR IQD IRR ISK JMD JOD JPY
    KES KGS KHR KMF KPW KRW KWD KYD KZT LAK LBP LKR LRD LSL LYD MAD MDL MGA MKD MMK MNT MOP MRU
    MUR MVR MWK MXN MXV MYR MZN NAD NGN NIO NOK NPR NZD OMR PAB PEN PGK PHP PKR PLN PYG QAR RON
    RSD RUB RWF SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP STN SVC SYP SZL THB TJS TMT TND TOP
    TRY TTD TWD TZS UAH UGX USD USN UYI UYU UYW UZS VED VES VND VUV WST XAF XCD XCG XOF XPF YER
    ZAR ZMW ZWG
"""
# Withdrawn in this decade; invoices and corrections from before still come in.
_WITHDRAWN: Final = "ANG BGN CUC HRK SLL ZWL"
# XXX (no currency), XTS (tests), the metals and the baskets have no minor unit: nothing is
# invoiced in them, so they are left out.

_DECIMALS_OTHER_THAN_TWO: Final = {
    0: "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF",
    3: "BHD IQD JOD KWD LYD OMR TND",
    4: "CLF UYW",
}


@dataclass(frozen=True, slots=True)
class Currency:
    """A currency; `decimals` is its number of decimals, `minor_unit` its smallest amount."""

    code: str
    decimals: int
    minor_unit: Decimal


def find(code: str) -> Currency | None:
    """Return the currency of exactly this code; None when ISO 4217 has none in use."""
    return _currencies.get(code)


def get(code: str) -> Currency:
    """Return the currency of a code that has been checked; KeyError otherwise."""
    return _currencies[code]


def written(value: Decimal, code: str) -> str:
    """Write an amount for people, grouped, with at least its currency's decimals: `1,234.50`."""
    known = find(code)
    least = known.decimals if known else 2
    whole, _, decimals = f"{value + 0:,f}".partition(".")  # + 0 takes the sign off a zero
    decimals = decimals.rstrip("0").ljust(least, "0")
    return f"{whole}.{decimals}" if decimals else whole


def refusal_of(code: str) -> str:
    """Say in plain words why `code` is not accepted, with the likely right one if there is one."""
    upper = code.strip().upper()[:16]
    likely = [upper] if upper in _currencies else difflib.get_close_matches(upper, _currencies, 1)
    if likely:
        return f"not an ISO 4217 code: did you mean {likely[0]}?"
    return "not an ISO 4217 code that anything is paid in, such as EUR"


def _table() -> dict[str, Currency]:
    decimals = {code: n for n, codes in _DECIMALS_OTHER_THAN_TWO.items() for code in codes.split()}
    return {
        code: Currency(code, decimals.get(code, 2), Decimal(1).scaleb(-decimals.get(code, 2)))
        for code in f"{_CODES} {_WITHDRAWN}".split()
    }


_currencies: Final = _table()
