"""The commands for subscriptions, as people type them."""

import pytest

from tests.support.command import Manage


@pytest.fixture(scope="module")
def manage(tmp_path_factory: pytest.TempPathFactory) -> Manage:
    command = Manage(tmp_path_factory.mktemp("home"), {"KUVERT_ALLOW_PRIVATE_TARGETS": "on"})
    assert command("db", "upgrade").returncode == 0
    assert command("source", "add", "erp").returncode == 0
    return command


def test_a_subscription_is_added_listed_and_gets_a_new_secret(manage: Manage) -> None:
    types = "invoice.sent,invoice.failed"
    made = manage.json("subscription", "add", "erp", "http://127.0.0.1:9/x", "--events", types)
    rotated = manage.json("subscription", "rotate", made["subscription"])
    [listed] = manage.json("subscription", "list")

    assert made["secret"].startswith("whsec_")
    assert rotated["secret"] not in {made["secret"], None}
    assert listed["id"] == made["subscription"]
    assert listed["source"] == "erp"
    assert listed["event_types"] == ["invoice.sent", "invoice.failed"]
    assert "secret" not in listed


def test_what_cannot_be_subscribed_is_refused(manage: Manage) -> None:
    url = "http://127.0.0.1:9/x"

    assert "No source is called nobody" in manage.refusal("subscription", "add", "nobody", url)
    assert "choose from" in manage.refusal("subscription", "add", "erp", url, "--events", "sent")
    assert "must begin with" in manage.refusal("subscription", "add", "erp", "ftp://x.example/")
    assert manage("subscription", "rotate", "abc").returncode == 2
