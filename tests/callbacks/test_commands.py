"""`manage.py callback`: as staff use it."""

import json

import pytest
from flask.testing import FlaskClient

from callbacks.cli import callbacks as cli
from callbacks.models import CallbackState
from core.ids import new_id
from invoices.services.verdicts import VERDICTS
from tests.callbacks.calling import CALLBACKS, add_provider, call, said, stored, work
from tests.callbacks.conftest import Sent
from tests.support import desk
from tests.support.console import Console

pytestmark = pytest.mark.every_database


def listed(console: Console, *args: str) -> list[str]:
    rows = console("callback", "list", "--json", *args).json()
    return [row["state"] for row in rows]


def test_callbacks_are_listed_newest_first(
    client: FlaskClient, acme: str, sent: Sent, console: Console
) -> None:
    add_provider("other")
    call(client, acme, said(sent.delivery_id))
    call(client, "other", said("x"))
    work()
    call(client, acme, b"{")

    assert listed(console) == ["received", "orphan", "applied"]
    assert listed(console, "--state", "orphan") == ["orphan"]
    assert listed(console, "--provider", "acme") == ["received", "applied"]
    assert "orphan" in console("callback", "list").out
    assert console("callback", "list", "--provider", "nobody").code == 1


def test_conflicts_can_be_listed(client: FlaskClient, acme: str, console: Console) -> None:
    call(client, acme, said("x"))
    for status in ("sent", "delivered"):
        call(client, acme, said("y", status), event_id="evt_1")

    assert len(listed(console, "--state", "conflict")) == 1


def test_a_callback_is_shown_as_it_came(
    client: FlaskClient, acme: str, sent: Sent, console: Console
) -> None:
    call(client, acme, said(sent.delivery_id, "bounced", detail="\x1b[31m"))
    work()
    row = stored()

    shown = console("callback", "show", row.id, "--json").json()
    text = console("callback", "show", row.id).out

    assert json.loads(shown["body"]) == json.loads(row.body)
    assert (shown["state"], shown["provider"]) == ("applied", "acme")
    assert shown["delivery_id"] == str(sent.delivery_id)
    assert "webhook-id" in shown["headers"]
    assert "header webhook-id" in text
    assert "\x1b" not in text


def test_a_body_that_is_no_text_can_be_shown(
    client: FlaskClient, acme: str, console: Console
) -> None:
    call(client, acme, b"\xff\x00")

    assert console("callback", "show", stored().id, "--json").json()["body"] == "\\xff\x00"


def test_a_dry_run_says_what_would_happen_and_stores_nothing(
    client: FlaskClient, acme: str, sent: Sent, console: Console
) -> None:
    call(client, acme, said(sent.delivery_id))
    before = stored()

    shown = console("callback", "replay", before.id, "--dry-run", "--json").json()

    assert (shown["state"], shown["is_stored"]) == ("applied", False)
    assert stored() == before
    assert desk.status_of(sent.id) == "sent"


def test_a_replay_does_it(client: FlaskClient, acme: str, sent: Sent, console: Console) -> None:
    call(client, acme, said(sent.delivery_id))

    shown = console("callback", "replay", stored().id, "--json").json()

    assert (shown["state"], shown["is_stored"]) == ("applied", True)
    assert desk.status_of(sent.id) == "delivered"


def test_an_unmapped_word_is_mended(
    client: FlaskClient, acme: str, sent: Sent, console: Console
) -> None:
    call(client, acme, said(sent.delivery_id, "Teleported"))
    work()
    assert listed(console, "--state", "unmapped") == ["unmapped"]

    done = console("callback", "map", "acme", "Teleported", "delivered")
    work()

    assert done.out == "'Teleported' of acme means delivered\n"
    assert desk.status_of(sent.id) == "delivered"


def test_a_word_that_has_lost_its_meaning_waits_until_it_has_one_again(
    client: FlaskClient, acme: str, sent: Sent, console: Console
) -> None:
    done = console("callback", "unmap", "acme", "Delivered")
    call(client, acme, said(sent.delivery_id, "delivered"))
    work()
    assert listed(console) == ["unmapped"]
    console("callback", "map", "acme", "delivered", "delivered")
    work()

    assert done.out == "'Delivered' of acme means nothing now\n"
    assert desk.status_of(sent.id) == "delivered"


@pytest.mark.one_database
@pytest.mark.parametrize(
    ("args", "code"),
    [
        (["show", str(new_id())], 1),
        (["replay", str(new_id())], 1),
        (["replay", str(new_id()), "--dry-run"], 1),
        (["map", "nobody", "x", "sent"], 1),
        (["map", "acme", "x", "held"], 2),
        (["map", "acme", " ", "sent"], 1),
        (["unmap", "nobody", "sent"], 1),
        (["unmap", "acme", "teleported"], 1),
        (["list", "--state", "x"], 2),
    ],
)
def test_wrong_use_is_told(acme: str, console: Console, args: list[str], code: int) -> None:
    done = console("callback", *args)

    assert done.code == code
    assert "Error: " in done.err
    assert desk.rows(CALLBACKS) == []


def test_the_words_of_the_command_are_those_of_the_package() -> None:
    assert set(cli.STATES) == set(CallbackState)
    assert tuple(VERDICTS) == cli.MEANINGS
