"""The weekly report as mail readers show it: wide and narrow, light and dark, without a network."""

from decimal import Decimal
from pathlib import Path
from typing import Any, Literal
from zoneinfo import ZoneInfo

import pytest
from playwright.sync_api import Browser

from core.clock import utcnow
from invoices.report import figures, rendering
from invoices.services.totals import Week

WEEK = Week.named("2026-W46", ZoneInfo("Europe/Berlin"))
SOURCES = ("erp-north", "Onlineshop Größe XXL with a name that takes a line of its own", "=SUM(A1)")
STATUSES = (
    *(("delivered", 61, "73420.15"), ("sent", 24, "18233.90"), ("retry_wait", 2, "410.00")),
    *(("undeliverable", 1, "1199.00"), ("held", 3, "8123456.78"), ("cancelled", 1, "-250.00")),
)
SIZES = {"narrow": (390, 844), "wide": (1000, 800)}


def _row(source: str, currency: str, status: str, count: int, amount: Decimal) -> dict[str, Any]:
    return {
        "source": source,
        "currency": currency,
        "status": status,
        "invoice_count": count,
        "payable_amount": amount,
        "tax_amount": amount / 5,
        "computed_at": utcnow(),
    }


def _rows(share: int) -> list[dict[str, Any]]:
    """Return totals; `share` in percent of those of the reported week."""
    found = [
        _row(source, "EUR", status, count * share // 100, Decimal(amount) * share / 100)
        for source in SOURCES
        for status, count, amount in STATUSES
    ]
    return [*found, _row("erp-north", "JPY", "delivered", share, Decimal(share * 12345))]


def page_of_mail() -> str:
    """Return the HTML of a report with much in it."""
    shares = dict(zip(figures.weeks_of(WEEK), (30, 0, 85, 60, 90, 100), strict=True))
    rows = {week.name: _rows(share) if share else [] for week, share in shares.items()}
    found = figures.put_together(WEEK, rows)
    link = "https://kuvert.example/admin/report/"
    page = rendering.Page(figures=found, environment="production", link=link)
    return rendering.html(page)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", sorted(SIZES))
def test_it_is_readable_where_no_script_runs(
    browser: Browser, request: pytest.FixtureRequest, scheme: Literal["light", "dark"], size: str
) -> None:
    width, height = SIZES[size]
    context = browser.new_context(
        viewport={"width": width, "height": height}, color_scheme=scheme, java_script_enabled=False
    )
    page = context.new_page()
    asked: list[str] = []
    page.on("request", lambda one: asked.append(one.url))

    page.set_content(page_of_mail())

    if folder := request.config.getoption("--pictures"):
        page.screenshot(path=Path(folder) / f"mail-{size}-{scheme}.png", full_page=True)
    bars = page.locator(".bar td[bgcolor]")
    widths = [box["width"] for one in bars.all() if (box := one.bounding_box())]
    whole = page.locator(".page").bounding_box()
    assert asked == []
    assert len(widths) == bars.count() >= 10
    assert min(widths) > 0
    assert whole is not None
    assert whole["width"] <= width
    context.close()
