"""How the weekly report looks: HTML and plain text for mail readers, CSV for spreadsheets.

The HTML needs nothing from elsewhere and no script: the chart is cells of tables with a
background, and every bar has its number beside it in text.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo
from decimal import Decimal
from functools import cache
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape

from core import spreadsheets
from invoices import currencies
from invoices.report.figures import STUCK, UNDERWAY, Currency, Figures, Line, Pair
from status.models import Status

TEMPLATES = Path(__file__).resolve().parents[2] / "templates"

LINES_SHOWN = 40
"""Groups that the mail lists; some readers cut a longer one off. The CSV has all."""

CURRENCIES_SHOWN = 8

TEXT_BAR = 24
"""The characters of the longest bar in plain text."""

MINUS = "\N{MINUS SIGN}"

CSV_HEAD = (
    *("week", "source", "currency", "status", "invoice_count", "payable_amount", "tax_amount"),
    *("week_before", "invoice_count_before", "payable_amount_before", "payable_amount_change"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """What the templates are given beside the figures."""

    figures: Figures
    environment: str
    link: str

    @property
    def label(self) -> str:
        """Return what stands before the title where this is no real installation."""
        return "" if self.environment == "production" else f"[{self.environment}] "


@dataclass(frozen=True, slots=True)
class Bar:
    """A bar of a chart: what it is of, how long in percent, the number, and how it is meant."""

    name: str
    share: int
    amount: str
    kind: str


def subject(page: Page) -> str:
    """Return the subject: which week, how many invoices, and how much where it is one currency."""
    figures = page.figures
    count = f"{figures.count:,} {'invoice' if figures.count == 1 else 'invoices'}"
    found = figures.currencies
    if len(found) == 1:
        count += f", {money(found[0].all.now.amount, found[0].code)}"
    elif found:
        count += f" in {len(found)} currencies"
    return f"{page.label}Kuvert {figures.week.name}: {count}"


def html(page: Page) -> str:
    """Return the report as one page of HTML."""
    return _templates().get_template("report.html").render(_words(page))


def text(page: Page) -> str:
    """Return the report as plain text."""
    return _templates().get_template("report.txt").render(_words(page))


def csv(figures: Figures) -> str:
    """Return every group as CSV, amounts with the decimals of their currency."""
    return spreadsheets.lines([CSV_HEAD, *(_cells(figures, line) for line in figures.lines)])


def _cells(figures: Figures, line: Line) -> list[object]:
    now, before = line.sums.now, line.sums.before
    amounts = [now.amount, line.tax, before.amount, line.sums.change]
    paid, tax, old, change = (_exact(value, line.currency) for value in amounts)
    groups = (figures.week.name, line.source, line.currency, line.status)
    own = [*map(spreadsheets.harmless, groups), now.count, paid, tax]
    return [*own, figures.before.name, before.count, old, change]


def _exact(amount: Decimal, code: str) -> Decimal:
    return Decimal(currencies.written(amount, code).replace(",", ""))


@cache
def _templates() -> Environment:
    loader = FileSystemLoader(TEMPLATES / "kuvert" / "mail")
    made = Environment(
        loader=loader,
        autoescape=select_autoescape(("html",)),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters |= {"moment": moment, "signed": signed, "kind": kind_of, "words": words_of}
    return made


def _words(page: Page) -> dict[str, object]:
    """Return the names that both templates use."""
    figures = page.figures
    return {
        "page": page,
        "figures": figures,
        "title": subject(page),
        "last_moment": figures.week.end - timedelta(seconds=1),
        "zone": figures.week.start.tzinfo,
        "currencies": figures.currencies[:CURRENCIES_SHOWN],
        "more_currencies": len(figures.currencies) - CURRENCIES_SHOWN,
        "lines": figures.lines[:LINES_SHOWN],
        "more_lines": len(figures.lines) - LINES_SHOWN,
        "money": money,
        "number": number,
        "weeks": week_bars,
        "statuses": status_bars,
        "compared": compared,
        "drawn": drawn,
    }


def moment(value: datetime, zone: tzinfo) -> str:
    """Write a time in the zone of the report, which is named: `2026-11-23 23:00 CET`."""
    return f"{value.astimezone(zone):%Y-%m-%d %H:%M %Z}"


def number(amount: Decimal, code: str) -> str:
    """Write an amount; the minus is one that is seen."""
    return currencies.written(amount, code).replace("-", MINUS)


def money(amount: Decimal, code: str) -> str:
    """Write an amount with its currency."""
    return f"{number(amount, code)} {code}"


def signed(amount: Decimal, code: str) -> str:
    """Write a difference with its sign, such as `+1,200.00`."""
    return f"{'+' if amount > 0 else ''}{number(amount, code)}"


def compared(pair: Pair, code: str) -> str:
    """Say how an amount compares with the week before."""
    if not pair.change:
        return "as the week before" if pair.before.count else "no change"
    if not pair.before.count:
        return f"{signed(pair.change, code)}, new"
    share = _percent(pair)
    return signed(pair.change, code) + (f" ({share})" if share else "")


def _percent(pair: Pair) -> str:
    """Return the growth in percent; nothing where it says nothing."""
    if pair.before.amount <= 0 or pair.now.amount < 0:
        return ""
    share = round(pair.change / pair.before.amount * 100)
    return f"{share:+,} %".replace("-", MINUS) if abs(share) < 1000 else ""  # noqa: PLR2004


def kind_of(status: str) -> str:
    """Return how a status is meant, as the word that colours it."""
    if status in STUCK:
        return "stuck"
    if status in UNDERWAY:
        return "underway"
    return status if status in {Status.SENT, Status.DELIVERED} else "plain"


def words_of(status: str) -> str:
    """Return a status as people read it."""
    return status.replace("_", " ")


def week_bars(currency: Currency, reported: str) -> list[Bar]:
    """Return the chart of the weeks; the reported one is told apart."""
    amounts = {name: found.amount for name, found in currency.weeks.items()}
    shares = _shares(list(amounts.values()))
    return [
        Bar(name, share, money(amount, currency.code), "week" if name == reported else "plain")
        for (name, amount), share in zip(amounts.items(), shares, strict=True)
    ]


def status_bars(currency: Currency) -> Iterator[tuple[Bar, Pair]]:
    """Yield the chart of this week's statuses, each with its sums."""
    shares = _shares([pair.now.amount for pair in currency.statuses.values()])
    for (status, pair), share in zip(currency.statuses.items(), shares, strict=True):
        yield Bar(words_of(status), share, "", kind_of(status)), pair


def _shares(amounts: Sequence[Decimal]) -> list[int]:
    """Return each amount in percent of the greatest; what there is at all is seen."""
    longest = max((abs(amount) for amount in amounts), default=Decimal(0)) or Decimal(1)
    return [max(1, round(abs(amount) / longest * 100)) if amount else 0 for amount in amounts]


def drawn(bar: Bar) -> str:
    """Return a bar in plain text."""
    return "#" * max(1 if bar.share else 0, round(bar.share * TEXT_BAR / 100))
