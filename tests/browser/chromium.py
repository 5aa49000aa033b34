"""Debian's Chromium, as the tests of pages drive it."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager

from playwright.sync_api import Browser, sync_playwright

from tests.support.data import missing

NO_OTHER_HOST = "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE localhost"
"""Requests elsewhere fail at once. Routing them would do too, but turns Chromium's cache off."""


@contextmanager
def chromium() -> Iterator[Browser]:
    """Start a browser without a window; skips the test in one line where there is none."""
    path = shutil.which("chromium")
    if path is None:
        missing("chromium", "make services")
    # Chromium refuses its sandbox to root, which containers of tests often are.
    as_root = ["--no-sandbox"] if os.geteuid() == 0 else []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=path, args=[*as_root, NO_OTHER_HOST, "--disable-lcd-text"]
        )
        try:
            yield browser
        finally:
            browser.close()
