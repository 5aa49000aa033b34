"""How a page looks: readable for everybody, fits a telephone, and its pictures."""

import base64
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page

Look = Callable[[Page, str], None]
Scheme = Literal["light", "dark"]
SCHEMES: tuple[Scheme, ...] = ("light", "dark")
WIDE, NARROW = (1280, 860), (390, 844)
QUALITY = 38
GALLERY = frozenset(
    {
        "home",
        "invoice",
        "invoice-details",
        "callback-details",
        "delivery-details",
        "report",
        "retention-runs",
        "schedule",
        "schedule-details",
        "schedule-edit",
        "source-two-editors",
        "provider-details",
        "subscription-details",
        "user",
        "audit",
        "legal-holds",
        "letter",
        "letter-new",
        "mail-rule-details",
        "report-mail",
        "suppression",
        "suppression-details",
        "forgot-password",
        "login",
    }
)
"""Pages of which pictures are in the documentation; as PNG, for looking at, all are taken."""

GRAVE = frozenset({"serious", "critical"})
_AXE = Axe()
_OPTIONS = {"resultTypes": ["violations"], "elementRef": False}
_IS_SETTLED = "document.fonts.ready.then(() => document.getAnimations().length === 0)"
_WIDTHS = "[document.documentElement.scrollWidth, window.innerWidth]"
_TOO_WIDE = """() => [...document.querySelectorAll('body *')]
  .filter((one) => one.getBoundingClientRect().right > window.innerWidth + 1)
  .slice(0, 5).map((one) => one.outerHTML.slice(0, 120))"""

# What choosing nothing means is in our words; names of sources and the like may be long.
_CUT = """() => {
  const pen = document.createElement('canvas').getContext('2d');
  return [...document.querySelectorAll('select:not([multiple])')]
    .filter((one) => one.offsetWidth && one.options.length && one.options[0].value === '')
    .filter((one) => {
      const style = getComputedStyle(one);
      pen.font = `${style.fontWeight} ${style.fontSize} ${style.fontFamily}`;
      const arrow = 16;
      const room = one.clientWidth - parseFloat(style.paddingLeft)
        - parseFloat(style.paddingRight) - arrow;
      return pen.measureText(one.options[0].text).width > room;
    })
    .map((one) => `${one.name}: ${one.options[0].text}`);
}"""


def assert_accessible(page: Page) -> None:
    """Fail with what axe-core finds serious or critical.

    Its script is evaluated by the browser's debugger, which no policy of the page forbids; so
    this runs in the very page whose policy the watch looks after.
    """
    found = _AXE.run(page, options=_OPTIONS).response["violations"]
    grave = [
        f"{one['id']} ({one['impact']}): {one['help']}: {node['html'][:300]} {_why(node)}"
        for one in found
        if one["impact"] in GRAVE
        for node in one["nodes"][:5]
    ]
    assert not grave, f"{page.url} ({_scheme(page)}):\n" + "\n".join(grave)


def assert_fits(page: Page) -> None:
    """Fail when a telephone's reader would have to scroll sideways, or choices are cut off."""
    with size(page, NARROW):
        needed, there = page.evaluate(_WIDTHS)
        assert needed <= there, (
            f"{page.url} needs {needed} px of {there}: {page.evaluate(_TOO_WIDE)}"
        )
        assert page.evaluate(_CUT) == [], page.url
    assert page.evaluate(_CUT) == [], page.url


def assert_good_looks(page: Page) -> None:
    """Look at a page in light and dark with axe-core, and at 390 px; leaves it light and wide."""
    for scheme in reversed(SCHEMES):
        page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
        assert_accessible(page)
    assert_fits(page)


def looking(folder: Path | None, kind: str) -> Look:
    """Return what looks at a page, and takes its pictures where there is a folder for them."""

    taken: set[str] = set()

    def look(page: Page, name: str) -> None:
        assert_good_looks(page)
        if folder is not None and name not in taken and (kind == "png" or name in GALLERY):
            taken.add(name)
            take_pictures(page, folder, name, kind)

    return look


def take_pictures(page: Page, folder: Path, name: str, kind: str = "webp") -> None:
    """Write `NAME-light-1280.webp` and its three siblings; `kind` may also be png."""
    folder.mkdir(parents=True, exist_ok=True)
    for scheme in reversed(SCHEMES):
        page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
        for extent in (NARROW, WIDE):
            with size(page, extent):
                page.evaluate(_IS_SETTLED)
                place = folder / f"{name}-{scheme}-{extent[0]}.{kind}"
                place.write_bytes(_picture(page, kind))


@contextmanager
def size(page: Page, extent: tuple[int, int]) -> Iterator[None]:
    """Give the page another size for the length of the block."""
    before = page.viewport_size
    page.set_viewport_size({"width": extent[0], "height": extent[1]})
    try:
        yield
    finally:
        if before:
            page.set_viewport_size(before)


def _picture(page: Page, kind: str) -> bytes:
    """Return the picture: of the whole page as PNG, of the window as WebP, for the gallery.

    Playwright itself knows no WebP.
    """
    if kind == "png":
        return page.screenshot(full_page=True)
    session = page.context.new_cdp_session(page)
    asked = {"format": kind, "quality": QUALITY}
    try:
        return base64.b64decode(session.send("Page.captureScreenshot", asked)["data"])
    finally:
        session.detach()


def _why(node: dict[str, list[dict[str, str]]]) -> str:
    return "; ".join(check["message"] for check in [*node["any"], *node["all"], *node["none"]])


def _scheme(page: Page) -> str:
    is_dark = page.evaluate("matchMedia('(prefers-color-scheme: dark)').matches")
    return "dark" if is_dark else "light"
