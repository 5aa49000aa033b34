"""The commands for sources, keys and providers, as people type them."""

from pathlib import Path

import pytest

from tests.support.command import Manage
from tests.support.mail_server import mail_server


@pytest.fixture(scope="module")
def manage(tmp_path_factory: pytest.TempPathFactory) -> Manage:
    command = Manage(tmp_path_factory.mktemp("home"), {})
    assert command("db", "upgrade").returncode == 0
    return command


def test_from_nothing_to_a_source_with_a_key(manage: Manage) -> None:
    provider = manage.json("provider", "add", "box", "--channel", "sandbox")
    made = manage.json("source", "add", "erp", "--provider", "box")
    [listed] = [row for row in manage.json("source", "list") if row["name"] == "erp"]

    assert provider == {"provider": "box", "state": "active", "reason": None}
    assert made["source"] == "erp"
    assert made["api_key"].startswith("kv_test_")
    assert (listed["environment"], listed["provider"]) == ("test", "box")


def test_a_key_is_added_listed_without_its_secret_and_revoked(manage: Manage) -> None:
    manage.json("source", "add", "shop", "--environment", "live")
    made = manage.json("key", "add", "shop", "--scope", "events:read", "--expires", "30")
    prefix, secret = made["api_key"].split("_")[2:]

    revoked = manage("key", "revoke", prefix)
    shown = manage("key", "list", "--json").stdout

    assert made["api_key"].startswith("kv_live_")
    assert revoked.returncode == 0
    assert prefix in shown
    assert secret not in shown


def test_what_cannot_be_is_refused_in_one_line(manage: Manage) -> None:
    manage("source", "add", "twice")

    assert manage.refusal("source", "add", "twice") == "Error: There is a source twice already"
    assert "No source is called nobody" in manage.refusal("key", "add", "nobody")
    assert "no scope 'all'" in manage.refusal("key", "add", "twice", "--scope", "all")
    assert "No provider has the code nobody" in manage.refusal("provider", "pause", "nobody")


def test_wrong_use_is_told(manage: Manage) -> None:
    assert manage("provider", "add", "x", "--channel", "fax").returncode == 2
    assert manage("key", "add").returncode == 2


def test_a_provider_over_http_is_checked_and_a_secret_not_repeated(manage: Manage) -> None:
    line = manage.refusal(
        "provider", "add", "acme", "--channel", "http",
        "--url", "http://10.0.0.1/", "--auth-ref", "hunter2",
    )  # fmt: skip

    assert "give a reference" in line
    assert "hunter2" not in line


def test_a_provider_is_paused_and_resumed(manage: Manage) -> None:
    manage("provider", "add", "mail", "--channel", "sandbox")
    manage("provider", "pause", "mail", "--reason", "moving")
    [paused] = [row for row in manage.json("provider", "list") if row["code"] == "mail"]
    resumed = manage("provider", "resume", "mail")

    assert (paused["state"], paused["state_reason"]) == ("paused", "moving")
    assert resumed.stdout == "mail is active\n"


def test_without_tables_the_next_step_is_named(tmp_path: Path) -> None:
    line = Manage(tmp_path, {}).refusal("source", "list")

    assert "run manage.py db upgrade" in line


def test_a_provider_is_changed_and_drained(manage: Manage) -> None:
    manage("provider", "add", "post", "--channel", "sandbox", "--setting", "timeout_seconds=9")
    changed = manage(
        "provider", "edit", "post", "--concurrency", "4", "--not-idempotent",
        "--setting", "timeout_seconds=", "--setting", "auth_header=X-Key",
    )  # fmt: skip
    same = manage("provider", "edit", "post", "--concurrency", "4")
    manage("provider", "drain", "post", "--reason", "moving")
    [row] = [row for row in manage.json("provider", "list") if row["code"] == "post"]

    assert changed.stdout == "post: concurrency, is_idempotent, settings changed\n"
    assert same.stdout == "post: nothing changed\n"
    assert (row["concurrency"], row["is_idempotent"], row["url"] is None) == (4, False, False)
    assert (row["state"], row["state_reason"]) == ("draining", "moving")
    assert row["updated_by"].startswith("command line, ")
    assert "at most 30" in manage.refusal(
        "provider", "edit", "post", "--setting", "timeout_seconds=99"
    )


def test_a_source_is_disabled_and_enabled(manage: Manage) -> None:
    manage("source", "add", "pos")
    manage("source", "disable", "pos")
    [off] = [row for row in manage.json("source", "list") if row["name"] == "pos"]
    manage("source", "enable", "pos")
    [on] = [row for row in manage.json("source", "list") if row["name"] == "pos"]

    assert (off["is_disabled"], on["is_disabled"]) == (True, False)


def test_letters_are_listed_shown_and_previewed(manage: Manage) -> None:
    manage("source", "add", "press")
    said = manage("source", "language", "press", "de")

    shown = manage.json("letter", "show", "--source", "press")
    plain = manage("letter", "show", "--language", "fr").stdout

    assert said.stdout == "the letters of press are in de\n"
    assert (shown["language"], shown["subject"][:14]) == ("de", "{{ document }}")
    assert plain.startswith("language: fr\nsubject: ")
    assert "\n\nBonjour,\n" in plain
    assert manage.json("letter", "list") == []
    assert "one of en, de" in manage.refusal("source", "language", "press", "xx")
    invented = manage.json("letter", "preview", "--source", "press")
    assert "Rechnung" in invented["subject"]
    assert "Invoice" in manage("letter", "preview").stdout
    assert "one of en, de" in manage.refusal("letter", "preview", "--language", "xx")
    assert "there is no invoice R-1" in manage.refusal("letter", "preview", "R-1")
    assert manage("letter", "preview", "R-1", "--source", "press").returncode == 2


def test_a_mail_provider_is_added_and_tested(manage: Manage) -> None:
    at_home = Manage(manage.home, {"KUVERT_ALLOW_PRIVATE_TARGETS": "on"})
    with mail_server() as outside:
        made = at_home.json(
            *("provider", "add", "letters", "--channel", "smtp", "--url", outside.url),
            *("--setting", "mail_from=billing@seller.example"),
        )
        nobody = at_home.refusal("provider", "test", "letters")
        tested = at_home.json("provider", "test", "letters", "--to", "me@x.example")

    assert made["state"] == "active"
    assert "a mail needs an address to go to" in nobody
    assert (tested["outcome"], tested["response"]) == ("accepted", "250 2.0.0 queued as 4711")
    [taken] = outside.taken
    message = taken.message
    assert message["Subject"].startswith("Test of the connection: KUVERT-TEST-")
    assert b"It is no invoice" in taken.content
    assert message["Kuvert-Test"] == "1"
    assert [part.get_content_type() for part in message.iter_attachments()] == ["application/json"]
