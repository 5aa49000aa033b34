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
}


def test_every_known_setting_has_a_right_value() -> None:
    assert RIGHT.keys() == KNOWN.keys()
    assert findings(RIGHT) == []


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
