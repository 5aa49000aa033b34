"""The dialogs of acts: a button asks for one, and it goes with the page that comes after it."""

from playwright.sync_api import Locator, Page, expect


def ask(page: Page, act: str) -> Locator:
    """Press the button of an act by keyboard and return the dialog that comes."""
    page.get_by_role("button", name=act, exact=True).press("Enter")
    dialog = page.get_by_role("dialog")
    expect(dialog).to_be_visible()
    return dialog


def answer(dialog: Locator, act: str, **fields: str) -> None:
    """Fill a dialog in, by its labels, and press its button by keyboard."""
    for label, text in fields.items():
        dialog.get_by_label(label).fill(text)
    dialog.get_by_role("button", name=act, exact=True).press("Enter")


def finish(dialog: Locator, act: str, **fields: str) -> None:
    """Answer a dialog and wait for the page that comes then.

    Whoever goes elsewhere before it has come is overtaken by it, or calls the act off.
    """
    dialog.page.wait_for_load_state()
    with dialog.page.expect_event("load"):
        answer(dialog, act, **fields)


def confirm(page: Page, act: str, **fields: str) -> None:
    """Do an act from its button to the page that comes after it."""
    finish(ask(page, act), act, **fields)
