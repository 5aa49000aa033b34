"""Windows of the browser that look at one site, each watched."""

from playwright.sync_api import Browser, BrowserContext, Page, ViewportSize

from core.people.roles import Role
from tests.browser.login import logged_in
from tests.browser.site import Site
from tests.browser.watch import Watch

PATIENCE_MS = 10_000
WIDE = ViewportSize(width=1280, height=860)


class Windows:
    """Opens windows that share nothing with each other, and knows what went wrong in any."""

    def __init__(self, browser: Browser, site: Site) -> None:
        self._browser = browser
        self._site = site
        self._opened: list[tuple[BrowserContext, Watch]] = []

    def open(self, role: Role | None = None, *, java_script_enabled: bool = True) -> Page:
        """Open a window of nobody, or of somebody with that role who has logged in."""
        session = logged_in(self._browser, self._site, role) if role else None
        context = self._browser.new_context(
            base_url=self._site.origin,
            viewport=WIDE,
            storage_state=session,
            locale="en-GB",
            java_script_enabled=java_script_enabled,
        )
        context.set_default_timeout(PATIENCE_MS)
        self._opened.append((context, Watch(context, self._site.origin)))
        return context.new_page()

    def watch(self, page: Page) -> Watch:
        """Return what watches a window."""
        return next(watch for context, watch in self._opened if context == page.context)

    def close(self) -> list[str]:
        """Close all and return what went wrong in any of them."""
        for context, _ in self._opened:
            context.close()
        return [problem for _, watch in self._opened for problem in watch.problems]
