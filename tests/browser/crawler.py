"""Walks from page to page by the links that somebody sees, and never presses a button."""

import re
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, urlsplit

from playwright.sync_api import Page

MOST_PAGES = 150
MOST_OF_A_KIND = 2
"""Pages of one kind that are opened: the second shows what the first one's rows did not."""

_IDS = re.compile(r"[0-9a-f]{8}-[0-9a-f-]{27}|\b\d+\b")
_ENDS_THE_SESSION = ("/logout",)
_LINKS = """() => [...document.querySelectorAll('a[href]')]
  .map((one) => [one.href, one.hasAttribute('download')])"""
_OF_LISTS = frozenset({"", "page", "page_size", "sort", "desc", "search", "status"})
_FILES = ("/export/", "/document/", "/pdf/", "/raw/")

Look = Callable[[Page, str], None]


@dataclass
class Walk:
    """What was found: an address for each template of pages, and the files that were fetched."""

    pages: dict[str, str] = field(default_factory=dict)
    files: dict[str, str] = field(default_factory=dict)


def crawl(page: Page, start: str, look: Look, most: int = MOST_PAGES) -> Walk:
    """Open what `start` leads to, `look` once at each kind of page; every answer must be 200."""
    origin = _origin(page, start)
    walk, opened = Walk(), 0
    seen = {start}
    counts: dict[str, int] = {}
    queue = deque([(start, False)])
    while queue and opened < most:
        address, is_file = queue.popleft()
        kind = kind_of(address)
        counts[kind] = counts.get(kind, 0) + 1
        if counts[kind] > MOST_OF_A_KIND:
            continue
        if is_file:
            _fetch(page, address)
            walk.files.setdefault(kind, address)
            continue
        opened += 1
        _open(page, address)
        template = template_of(kind)
        if template not in walk.pages:
            walk.pages[template] = address
            look(page, template)
        for link in _links(page, origin):
            if link[0] not in seen:
                seen.add(link[0])
                queue.append(link)
    return walk


def kind_of(address: str) -> str:
    """Return an address without what differs from row to row: `/admin/invoices/details/*?id`."""
    parts = urlsplit(address)
    names = sorted({name for name, _ in parse_qsl(parts.query, keep_blank_values=True)})
    path = _IDS.sub("*", parts.path)
    return f"{path}?{','.join(names)}" if names else path


def template_of(kind: str) -> str:
    """Return a kind without what only chooses the rows of a list: both look alike."""
    path, _, names = kind.partition("?")
    rest = ",".join(name for name in names.split(",") if name not in _OF_LISTS)
    return f"{path}?{rest}" if rest else path


def name_of(kind: str) -> str:
    """Return a name for the file of a picture: `invoices-details`."""
    words = re.findall(r"[a-z]+", kind.removeprefix("/admin").partition("?")[0].lower())
    return "-".join(words) or "home"


def _origin(page: Page, start: str) -> str:
    _open(page, start)
    parts = urlsplit(page.url)
    return f"{parts.scheme}://{parts.netloc}"


def _open(page: Page, address: str) -> None:
    answer = page.goto(address)
    assert answer is not None, address
    assert answer.status == 200, f"{answer.status} at {address}, linked from a page"


def _fetch(page: Page, address: str) -> None:
    answer = page.request.get(address)
    assert answer.status == 200, f"{answer.status} at {address}, linked from a page"
    shown = answer.headers.get("content-disposition", "")
    assert shown.startswith("attachment"), f"{address} would be rendered: {answer.headers}"
    assert answer.headers.get("x-content-type-options") == "nosniff"


def _links(page: Page, origin: str) -> Iterator[tuple[str, bool]]:
    for href, is_download in page.evaluate(_LINKS):
        parts = urlsplit(href)
        is_ours = href.startswith(f"{origin}/") and parts.path not in _ENDS_THE_SESSION
        if is_ours:
            address = parts._replace(scheme="", netloc="", fragment="").geturl()
            yield address, is_download or any(one in parts.path for one in _FILES)
