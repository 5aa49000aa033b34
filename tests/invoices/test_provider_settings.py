"""The settings of a provider."""

import pytest

from invoices.provider_settings import KNOWN, findings

RIGHT = {
    "timeout_seconds": "12.5",
    "auth_header": "X-Api-Key",
    "reference_pointer": "/data/id",
    "callback_reference_pointer": "/reference",
    "callback_status_pointer": "/event/status",
    "callback_occurred_at_pointer": "/at",
    "callback_detail_pointer": "",
    "callback_header": "X-Signature",
    "callback_timestamp_header": "X-Time",
    "callback_form": "stripe",
    "most_per_minute": "600",
}
MAIL = {
    "timeout_seconds": "20",
    "most_per_minute": "60",
    "mail_from": "billing@seller.example",
    "bounces_to": "returns@seller.example",
    "sender_name": "Blau & Söhne",
    "reply_to": "fragen@söhne.example",
    "attach_pdf": "no",
}


def test_every_known_setting_has_a_right_value() -> None:
    assert RIGHT.keys() | MAIL.keys() == KNOWN.keys()
    assert findings(RIGHT) == []
    assert findings(MAIL, "smtp") == []


def test_what_means_nothing_to_a_channel_is_refused() -> None:
    [http] = findings({"mail_from": "a@b.example"}, "http")
    [mail] = findings({"auth_header": "X-Key"}, "smtp")

    assert "there is no setting mail_from here" in http.message
    assert "there is no setting auth_header here" in mail.message


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("most_per_minute", "0"),
        ("most_per_minute", "1.5"),
        ("most_per_minute", "1000000"),
        ("mail_from", "Kuvert <a@b.example>"),
        ("mail_from", "a@b.example\r\nBcc: c@d.example"),
        ("mail_from", "żółw@b.example"),
        ("bounces_to", "a-local-part-of-22-chr@b.example"),
        ("sender_name", "two\nlines"),
        ("sender_name", "x" * 121),
        ("reply_to", "nobody"),
        ("attach_pdf", "perhaps"),
    ],
)
def test_a_wrong_one_of_mail_is_named(name: str, value: str) -> None:
    [finding] = findings({name: value}, "smtp")

    assert finding.where == f"/settings/{name}"
    assert name in finding.message


@pytest.mark.parametrize(
    ("channel", "name", "meant"),
    [
        ("smtp", "mail_form", "mail_from"),
        ("smtp", "replyto", "reply_to"),
        ("http", "auth-header", "auth_header"),
    ],
)
def test_a_misspelt_one_is_answered_with_the_nearest(channel: str, name: str, meant: str) -> None:
    [finding] = findings({name: "a@b.example"}, channel)

    assert f"there is no setting {name} here; did you mean {meant}?" in finding.message


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("timeout_seconds", "soon"),
        ("timeout_seconds", "0"),
        ("timeout_seconds", "31"),
        ("timeout_seconds", "nan"),
        ("auth_header", "X Key"),
        ("reference_pointer", "id"),
        ("callback_form", "paddle"),
        ("colour", "green"),
    ],
)
def test_a_wrong_one_is_named(name: str, value: str) -> None:
    [finding] = findings({name: value})

    assert finding.where == f"/settings/{name}"
    assert name in finding.message
