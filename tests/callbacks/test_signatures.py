"""The four ways in which a provider signs its callbacks."""

import base64
import hashlib
import hmac
import json
import logging
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

import pytest

from callbacks.signatures import SignatureProfile, check_options, check_secret, verify
from core.errors import InputError, UnauthenticatedError
from core.webhooks import Secret, signed_headers
from tests.support.data import shared_data

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
SECONDS = int(NOW.timestamp())
BODY = b'{"reference":"r-1","status":"delivered"}'
HMAC, BASIC, TOKEN = (
    SignatureProfile.HMAC_SHA256,
    SignatureProfile.BASIC,
    SignatureProfile.TOKEN,
)
STANDARD = SignatureProfile.STANDARD_WEBHOOKS
WHSEC = "whsec_" + base64.b64encode(b"k" * 32).decode()


def accept(
    profile: SignatureProfile,
    headers: Mapping[str, str],
    *secrets: str,
    **options: str,
) -> str | None:
    return verify(profile, secrets=secrets, headers=headers, body=BODY, now=NOW, options=options)


def refusal_of(
    profile: SignatureProfile, headers: Mapping[str, str], *secrets: str, **options: str
) -> str:
    with pytest.raises(UnauthenticatedError) as caught:
        accept(profile, headers, *secrets, **options)
    assert not any(secret and secret in caught.value.detail for secret in secrets)
    return caught.value.detail


def mac(secret: str, content: bytes = BODY) -> bytes:
    return hmac.digest(secret.encode(), content, hashlib.sha256)


def basic(text: str) -> dict[str, str]:
    return {"Authorization": "Basic " + base64.b64encode(text.encode()).decode()}


# standard-webhooks


def test_standard_webhooks_gives_the_event_id() -> None:
    headers = dict(signed_headers([Secret.parse(WHSEC)], "evt_1", SECONDS, BODY))

    assert accept(STANDARD, headers, WHSEC) == "evt_1"


def test_a_secret_that_cannot_be_read_does_not_stand_in_the_way_of_the_other(
    caplog: pytest.LogCaptureFixture,
) -> None:
    headers = dict(signed_headers([Secret.parse(WHSEC)], "evt_1", SECONDS, BODY))

    with caplog.at_level(logging.ERROR):
        assert accept(STANDARD, headers, "whsec_broken", WHSEC) == "evt_1"
        reason = refusal_of(STANDARD, headers, "whsec_broken")

    assert reason == "no usable secret is set for this provider"
    assert "whsec_broken" not in caplog.text


# hmac-sha256


@pytest.mark.parametrize(
    "written",
    [
        mac("s3cret").hex(),
        mac("s3cret").hex().upper(),
        "sha256=" + mac("s3cret").hex(),
        base64.b64encode(mac("s3cret")).decode(),
        "sha256=" + base64.b64encode(mac("s3cret")).decode(),
        f"  {mac('s3cret').hex()} ",
    ],
)
def test_an_hmac_is_read_in_hex_and_base64(written: str) -> None:
    assert accept(HMAC, {"X-Signature": written}, "other", "s3cret") is None
    assert accept(HMAC, {"x-hub": written}, "s3cret", header="X-Hub") is None


@pytest.mark.parametrize(
    "written",
    [
        *("word", "sha256=", "sha1=" + "a" * 40, "ä" * 64, "\udcff", "a" * 63, "a" * 65, "%" * 44),
        *(base64.b64encode(b"short").decode(), "=" * 44),
    ],
)
def test_an_hmac_that_cannot_be_read_is_refused(written: str) -> None:
    assert "malformed" in refusal_of(HMAC, {"X-Signature": written}, "s3cret")


def test_a_wrong_hmac_is_refused() -> None:
    headers = {"X-Signature": mac("other").hex()}

    assert refusal_of(HMAC, headers, "s3cret") == "the signature does not match"


@pytest.mark.parametrize("headers", [{}, {"X-Signature": ""}, {"X-Other": "a"}])
def test_a_missing_hmac_is_refused(headers: dict[str, str]) -> None:
    assert "signature missing" in refusal_of(HMAC, headers, "s3cret")


def timed(seconds: int, *, signed: int | None = None) -> dict[str, str]:
    content = b"%d.%b" % (signed or seconds, BODY)
    return {"X-Signature": mac("s3cret", content).hex(), "X-Time": str(seconds)}


@pytest.mark.parametrize("late", [-300, 0, 300])
def test_a_timestamp_is_part_of_what_is_signed(late: int) -> None:
    assert accept(HMAC, timed(SECONDS + late), "s3cret", timestamp_header="X-Time") is None


def test_a_timestamp_that_was_not_signed_is_refused() -> None:
    headers = timed(SECONDS, signed=SECONDS - 900)

    assert "does not match" in refusal_of(HMAC, headers, "s3cret", timestamp_header="X-Time")


@pytest.mark.parametrize("late", [-301, 301])
def test_a_timestamp_outside_5_minutes_is_refused(late: int) -> None:
    reason = refusal_of(HMAC, timed(SECONDS + late), "s3cret", timestamp_header="X-Time")

    assert reason == "timestamp outside 5 minutes"


@pytest.mark.parametrize("text", ["hello", "-1", "1.5", "9" * 30, "ä"])
def test_a_timestamp_that_is_no_number_is_refused(text: str) -> None:
    headers = timed(SECONDS) | {"X-Time": text}

    reason = refusal_of(HMAC, headers, "s3cret", timestamp_header="X-Time")

    assert reason == "the timestamp is not a number of seconds"


def stripe(moment: datetime = NOW, key: str = "whsec_s", prefix: str = "") -> dict[str, str]:
    seconds = int(moment.timestamp())
    digest = mac(key, b"%d.%b" % (seconds, BODY)).hex()
    return {"Stripe-Signature": f"t={seconds},{prefix}v1={digest},v0=abc"}


def test_the_stripe_form_is_read() -> None:
    assert accept(HMAC, stripe(), "whsec_old", "whsec_s", form="stripe") is None
    several = stripe(prefix=f"v1={'0' * 64},")
    assert accept(HMAC, several, "whsec_s", form="stripe") is None


@pytest.mark.parametrize(
    ("headers", "reason"),
    [
        (stripe(NOW + timedelta(seconds=301)), "timestamp outside"),
        (stripe(NOW - timedelta(seconds=301)), "timestamp outside"),
        (stripe(key="whsec_x"), "does not match"),
        ({"Stripe-Signature": "bad_header"}, "malformed"),
        ({"Stripe-Signature": f"t={SECONDS}"}, "malformed"),
        ({"Stripe-Signature": f"t={SECONDS},t=1,v1={'0' * 64}"}, "malformed"),
        ({"Stripe-Signature": f"v1={'0' * 64}"}, "malformed"),
        ({"Stripe-Signature": f"t=x,v1={'0' * 64}"}, "not a number"),
        ({"Stripe-Signature": f"t={SECONDS}" + f",v1={'0' * 64}" * 17}, "more than 16"),
        ({}, "signature missing"),
    ],
)
def test_a_bad_stripe_signature_is_refused(headers: dict[str, str], reason: str) -> None:
    assert reason in refusal_of(HMAC, headers, "whsec_s", form="stripe")


# basic


@pytest.mark.parametrize("scheme", ["Basic", "basic", "BASIC"])
def test_user_and_password_are_accepted(scheme: str) -> None:
    headers = {"authorization": basic("user:p:ä")["Authorization"].replace("Basic", scheme)}

    assert accept(BASIC, headers, "user:old", "user:p:ä") is None


@pytest.mark.parametrize(
    ("headers", "reason"),
    [
        (basic("user:other"), "wrong"),
        (basic("user"), "wrong"),
        (basic(""), "does not read Basic"),
        ({"Authorization": "Bearer abc"}, "does not read Basic"),
        ({"Authorization": "Basic"}, "does not read Basic"),
        ({"Authorization": "Basic %%%"}, "not base64"),
        ({"Authorization": "Basic ä"}, "not base64"),
        ({"Authorization": "Basic abc"}, "not base64"),
        ({}, "signature missing"),
    ],
)
def test_other_credentials_are_refused(headers: dict[str, str], reason: str) -> None:
    assert reason in refusal_of(BASIC, headers, "user:password")


# token


def test_a_token_is_accepted_as_bearer_and_in_a_header_of_its_own() -> None:
    assert accept(TOKEN, {"Authorization": "Bearer t0ken"}, "old", "t0ken") is None
    assert accept(TOKEN, {"x-token": "t0ken"}, "t0ken", header="X-Token") is None


def test_a_token_outside_ascii_is_compared_as_it_was_on_the_wire() -> None:
    as_wsgi_gives_it = "grüß".encode().decode("latin-1")

    assert accept(TOKEN, {"X-Token": as_wsgi_gives_it}, "grüß", header="X-Token") is None


@pytest.mark.parametrize(
    ("headers", "reason"),
    [
        ({"Authorization": "Bearer other"}, "wrong"),
        ({"Authorization": "t0ken"}, "does not read Bearer"),
        ({"Authorization": "Basic t0ken"}, "does not read Bearer"),
        ({"Authorization": "Bearer "}, "does not read Bearer"),
        ({"Authorization": "Bearer ☃"}, "no header can hold"),
        ({"Authorization": ""}, "signature missing"),
        ({}, "signature missing"),
    ],
)
def test_another_token_is_refused(headers: dict[str, str], reason: str) -> None:
    assert reason in refusal_of(TOKEN, headers, "t0ken")


def test_a_token_header_that_is_set_replaces_authorization() -> None:
    headers = {"Authorization": "Bearer t0ken"}

    assert "signature missing" in refusal_of(TOKEN, headers, "t0ken", header="X-Token")


# All profiles


@pytest.mark.parametrize("profile", list(SignatureProfile))
@pytest.mark.parametrize("secrets", [(), ("",)])
def test_without_a_secret_nothing_is_genuine(
    profile: SignatureProfile, secrets: tuple[str, ...]
) -> None:
    headers = {
        "X-Signature": mac("").hex(),
        "Authorization": "Bearer ",
        "webhook-signature": "v1,AAAA",
    }

    assert refusal_of(profile, headers, *secrets) == "no secret is set for this provider"


@pytest.mark.parametrize(
    ("profile", "good", "bad"),
    [
        (STANDARD, WHSEC, "whsec_%"),
        (STANDARD, WHSEC, ""),
        (HMAC, "s", ""),
        (BASIC, "user:password", "user"),
        (BASIC, "user:password", ":password"),
        (BASIC, "user:password", ""),
        (TOKEN, "t", ""),
    ],
)
def test_a_secret_that_no_callback_could_match_is_refused_when_saved(
    profile: SignatureProfile, good: str, bad: str
) -> None:
    check_secret(profile, good)

    with pytest.raises(InputError):
        check_secret(profile, bad)


@pytest.mark.parametrize(
    ("profile", "options", "where"),
    [
        (STANDARD, {"header": "X-A"}, "/options/header"),
        (HMAC, {"header": "X A"}, "/options/header"),
        (HMAC, {"header": ""}, "/options/header"),
        (HMAC, {"timestamp_header": "X-A\r\n"}, "/options/timestamp_header"),
        (HMAC, {"form": "github"}, "/options/form"),
        (TOKEN, {"form": "stripe"}, "/options/form"),
        (BASIC, {"realm": "a"}, "/options/realm"),
    ],
)
def test_an_option_that_means_nothing_is_refused_when_saved(
    profile: SignatureProfile, options: dict[str, str], where: str
) -> None:
    with pytest.raises(InputError) as caught:
        check_options(profile, options)

    assert caught.value.findings[0].where == where


def test_options_that_mean_something_are_accepted() -> None:
    check_options(HMAC, {"header": "X-Hub-Signature-256", "timestamp_header": "X-Time"})
    check_options(HMAC, {"form": "stripe"})
    check_options(TOKEN, {"header": "X-Token"})


# The collections of others


@pytest.mark.parametrize("scheme", ["standard-webhooks", "stripe"])
def test_every_vector_gets_its_expected_answer(scheme: str) -> None:
    text = (shared_data() / "webhooks" / "vectors.json").read_text(encoding="utf-8")
    vectors = [vector for vector in json.loads(text) if vector["scheme"] == scheme]

    wrong = [vector["name"] for vector in vectors if is_accepted(vector) != vector["valid"]]

    assert vectors
    assert wrong == []


def is_accepted(vector: dict[str, object]) -> bool:
    is_stripe = vector["scheme"] == "stripe"
    repeat = vector.get("payload_repeat")
    payload = vector["payload"]
    if isinstance(repeat, dict):
        payload = repeat["text"] * repeat["times"]
    headers = vector["headers"]
    assert isinstance(headers, dict)
    try:
        verify(
            HMAC if is_stripe else STANDARD,
            secrets=[str(vector["secret"])],
            headers=headers,
            body=str(payload).encode(),
            now=datetime.fromtimestamp(int(str(vector["now"])), UTC),
            options={"form": "stripe"} if is_stripe else {},
        )
    except UnauthenticatedError:
        return False
    return True
