"""What a page of ours must never do, written down while it is open."""

from playwright.sync_api import BrowserContext, ConsoleMessage, Dialog, Request, Response, WebError

REPORT = "kuvert: policy violated:"
LISTENER = f"""
document.addEventListener("securitypolicyviolation", (event) => {{
  console.error("{REPORT}", event.effectiveDirective, event.blockedURI,
    `${{event.sourceFile || location.pathname}}:${{event.lineNumber}}`, event.sample);
}}, true);
"""
"""Runs before any script of a page; an init script is not subject to the page's policy."""

_OF_ANSWERS = "Failed to load resource"
_PARTS = frozenset({"stylesheet", "script", "image", "font", "media", "manifest"})
_FOREIGN_TO_NETWORK = ("data:", "blob:", "about:", "chrome-error:")


class Watch:
    """Everything wrong that was seen in one browser context.

    Console errors, errors of scripts, violations of the Content-Security-Policy, pages without
    one, requests to other sites, answers from 500 up, parts of pages that are not there, and the
    browser's own dialogs (`alert` is what injected scripts are proven with). Files that are only
    shown, such as the documentation, have no policy (`has_policy`).
    """

    def __init__(self, context: BrowserContext, origin: str, *, has_policy: bool = True) -> None:
        self.problems: list[str] = []
        self._origin = origin
        self._has_policy = has_policy
        context.add_init_script(LISTENER)
        context.on("console", self._hear)
        context.on("weberror", self._fail)
        context.on("request", self._see_request)
        context.on("response", self._see_answer)
        context.on("dialog", self._see_dialog)

    def take(self, words: str) -> list[str]:
        """Take out the problems in which `words` stand, for a test that provoked them."""
        taken = [problem for problem in self.problems if words in problem]
        self.problems = [problem for problem in self.problems if words not in problem]
        return taken

    def _add(self, kind: str, what: str) -> None:
        self.problems.append(f"{kind}: {what}")

    def _hear(self, message: ConsoleMessage) -> None:
        # Answers are looked at themselves; a 403 that a test asks for is no fault of the page.
        if message.type == "error" and not message.text.startswith(_OF_ANSWERS):
            kind = "policy" if REPORT in message.text else "console"
            self._add(kind, f"{message.text} (on {message.page and message.page.url})")

    def _fail(self, error: WebError) -> None:
        self._add("script", f"{error.error} (on {error.page and error.page.url})")

    def _see_request(self, request: Request) -> None:
        if not request.url.startswith((f"{self._origin}/", *_FOREIGN_TO_NETWORK)):
            self._add("another site", f"{request.url} (on {request.frame.url})")

    def _see_answer(self, response: Response) -> None:
        kind, status = response.request.resource_type, response.status
        if status >= 500 or (status >= 400 and kind in _PARTS):
            self._add("answer", f"{status} to {response.request.method} {response.url}")
        wants_policy = self._has_policy and kind == "document" and _is_page(response)
        if wants_policy and not _has_strict_policy(response):
            policy = response.headers.get("content-security-policy")
            self._add("policy", f"{response.url} has the policy {policy}")

    def _see_dialog(self, dialog: Dialog) -> None:
        if dialog.type == "beforeunload":
            dialog.accept()
            return
        self._add(
            "dialog", f"{dialog.type}: {dialog.message} (on {dialog.page and dialog.page.url})"
        )
        dialog.dismiss()


def _is_page(response: Response) -> bool:
    return response.headers.get("content-type", "").startswith("text/html")


def _has_strict_policy(response: Response) -> bool:
    """Whether scripts come from files or with a nonce alone, and no other site may frame it."""
    policy = response.headers.get("content-security-policy", "")
    directives = {part.split()[0]: part.split()[1:] for part in policy.split(";") if part.strip()}
    scripts = directives.get("script-src", directives.get("default-src", ["'unsafe-inline'"]))
    loose = {"'unsafe-inline'", "'unsafe-eval'", "*", "http:", "https:", "data:", "blob:"}
    return not loose.intersection(scripts) and "frame-ancestors" in directives
