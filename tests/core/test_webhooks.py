"""Standard Webhooks: secrets, signing, verifying."""

import base64
import json
from datetime import UTC, datetime, timedelta
from typing import TypedDict, cast

import pytest

from core import webhooks
from core.errors import InputError, UnauthenticatedError
from core.webhooks import Secret, derive_secret, sign, signed_headers, verify
from tests.support.data import shared_data

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
SECONDS = int(NOW.timestamp())
BODY = b'{"type":"invoice.sent"}'
OLD, NEW, FOREIGN = (Secret(bytes([n]) * 32) for n in (1, 2, 3))


class Vector(TypedDict):
    name: str
    scheme: str
    secret: str
    payload: str | None
    payload_repeat: dict[str, str | int] | None
    headers: dict[str, str]
    now: int
    valid: bool


def vectors(scheme: str) -> list[Vector]:
    text = (shared_data() / "webhooks" / "vectors.json").read_text(encoding="utf-8")
    return [
        vector for vector in cast("list[Vector]", json.loads(text)) if vector["scheme"] == scheme
    ]


def payload_of(vector: Vector) -> bytes:
    repeat = vector["payload_repeat"]
    if repeat is None:
        return (vector["payload"] or "").encode()
    return str(repeat["text"]).encode() * int(repeat["times"])


def headers_of(*secrets: Secret, moment: datetime = NOW, body: bytes = BODY) -> dict[str, str]:
    return dict(signed_headers(secrets, "msg_1", int(moment.timestamp()), body))


def refusal_of(headers: dict[str, str], *secrets: Secret, body: bytes = BODY) -> str:
    with pytest.raises(UnauthenticatedError) as caught:
        verify(secrets or (NEW,), headers, body, NOW)
    return caught.value.detail


# Secrets


@pytest.mark.parametrize("size", [24, 32, 64])
def test_a_secret_of_24_to_64_bytes_is_read(size: int) -> None:
    text = "whsec_" + base64.b64encode(b"\xfb" * size).decode()

    secret = Secret.parse(text)

    assert secret.key == b"\xfb" * size
    assert secret.text == text


def encoded(size: int, prefix: str = "whsec_") -> str:
    return prefix + base64.b64encode(b"k" * size).decode()


@pytest.mark.parametrize(
    "text",
    [
        *("", "w", "whsec_", "whsec_%", encoded(8), encoded(23), encoded(65), encoded(100)),
        *(encoded(8, ""), encoded(15, ""), encoded(65, ""), "whpk_" + encoded(32, "")),
        *("whsk_" + encoded(32, ""), "whsk_" + encoded(64, ""), "WHSEC_" + encoded(32, "")),
        *(encoded(24) + "===", encoded(32, "").replace("a", "-"), encoded(24) + "\n"),
        *("whsec_" + "ä" * 40, "whsec_" + "A" * 33),
    ],
)  # fmt: skip
def test_any_other_secret_is_refused_and_not_repeated(text: str) -> None:
    with pytest.raises(InputError) as caught:
        Secret.parse(text)

    assert caught.value.detail == "24 to 64 bytes, base64, whsec_"


def test_a_secret_stays_out_of_its_repr() -> None:
    assert "AQEB" not in repr(OLD)
    assert "\\x01" not in repr(OLD)


def test_a_derived_secret_depends_on_all_that_it_is_derived_from() -> None:
    first = derive_secret("key", "subscription:1", 1)
    others = [
        derive_secret("key", "subscription:1", 2),
        derive_secret("key", "subscription:2", 1),
        derive_secret("other", "subscription:1", 1),
    ]

    assert derive_secret("key", "subscription:1", 1) == first
    assert len({first, *others}) == 4
    assert len(first.key) == 32
    assert Secret.parse(first.text) == first


def test_a_derived_secret_never_changes_between_versions() -> None:
    assert derive_secret("key", "subscription:1", 1).text == (
        "whsec_7NIaTTqrqi08nQycwWvl+gHVUHt43Hknisyo2xqmVeo="
    )


# Signing and verifying


def test_the_published_example_is_signed_as_published() -> None:
    secret = Secret.parse("whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD")
    body = b'{"email":"test@example.com","username":"test_user"}'

    signature = sign(secret, "msg_27UH4WbU6Z5A5EzD8u03UvzRbpk", 1649367553, body)

    assert signature == "v1,tZ1I4/hDygAJgO5TYxiSd6Sd0kDW6hPenDe+bTa3Kkw="


def test_what_is_signed_is_verified_and_gives_its_id() -> None:
    assert verify([NEW], headers_of(NEW), BODY, NOW) == "msg_1"


def test_header_names_are_read_in_any_case() -> None:
    headers = {name.title(): value for name, value in headers_of(NEW).items()}

    assert verify([NEW], headers, BODY, NOW) == "msg_1"


@pytest.mark.parametrize("signer", [OLD, NEW])
def test_each_of_two_live_secrets_is_enough(signer: Secret) -> None:
    assert verify([OLD, NEW], headers_of(signer), BODY, NOW) == "msg_1"


def test_one_right_signature_among_several_is_enough() -> None:
    headers = headers_of(FOREIGN, NEW)
    headers["webhook-signature"] = "v1a,AAAA nonsense v9,x! " + headers["webhook-signature"]

    assert verify([NEW], headers, BODY, NOW) == "msg_1"


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("webhook-id", "webhook-id missing"),
        ("webhook-timestamp", "webhook-timestamp missing"),
        ("webhook-signature", "signature missing"),
    ],
)
@pytest.mark.parametrize("value", [None, "", "  "])
def test_a_missing_header_is_named(name: str, reason: str, value: str | None) -> None:
    headers = headers_of(NEW)
    del headers[name]
    if value is not None:
        headers[name] = value

    assert refusal_of(headers) == reason


@pytest.mark.parametrize(
    "text",
    ["word", "v1", "v1,", ",abc", "v1,%%%", "v1,ä", "\udcff", "v1 abc", "v1,abc=d", "☃,☃"],
)
def test_a_signature_that_cannot_be_read_is_refused(text: str) -> None:
    headers = headers_of(NEW) | {"webhook-signature": text}

    assert "malformed" in refusal_of(headers)


def test_too_many_signatures_are_refused() -> None:
    headers = headers_of(NEW) | {"webhook-signature": "v1,AAAA " * 17}

    assert "more than 16" in refusal_of(headers)


def test_the_wrong_secret_and_a_changed_body_look_alike() -> None:
    assert refusal_of(headers_of(FOREIGN)) == "the signature does not match"
    assert refusal_of(headers_of(NEW), body=BODY + b" ") == "the signature does not match"


def test_a_changed_id_does_not_match() -> None:
    assert "does not match" in refusal_of(headers_of(NEW) | {"webhook-id": "msg_2"})


def test_the_right_bytes_under_another_version_do_not_match() -> None:
    headers = headers_of(NEW)
    headers["webhook-signature"] = headers["webhook-signature"].replace("v1,", "v2,")

    assert "does not match" in refusal_of(headers)


def test_no_secrets_match_nothing() -> None:
    with pytest.raises(UnauthenticatedError):
        verify([], headers_of(NEW), BODY, NOW)


@pytest.mark.parametrize("seconds", [-301, 301, 600, -86_400])
def test_a_timestamp_too_old_or_too_new_is_refused(seconds: int) -> None:
    headers = headers_of(NEW, moment=NOW + timedelta(seconds=seconds))

    assert refusal_of(headers) == "timestamp outside 5 minutes"


@pytest.mark.parametrize("seconds", [-300, 0, 300])
def test_a_timestamp_within_5_minutes_is_accepted(seconds: int) -> None:
    headers = headers_of(NEW, moment=NOW + timedelta(seconds=seconds))

    assert verify([NEW], headers, BODY, NOW) == "msg_1"


@pytest.mark.parametrize(
    "text",
    ["hello", "-1", "1614265330.5", "1" + "0" * 30, "१२३", "0x10", "1e9", "+5", "nan", "1_0"],
)
def test_a_timestamp_that_is_no_number_of_seconds_is_refused(text: str) -> None:
    reason = refusal_of(headers_of(NEW) | {"webhook-timestamp": text})

    assert reason == "the timestamp is not a number of seconds"


@pytest.mark.parametrize("text", ["a b", "ä", "x" * 257, "a\nb", "\udcff"])
def test_an_id_that_cannot_be_read_is_refused(text: str) -> None:
    assert refusal_of(headers_of(NEW) | {"webhook-id": text}) == "webhook-id is malformed"


def test_an_ed25519_key_signs_and_verifies_v1a() -> None:
    secret = Secret.parse(ED25519)

    signature = sign(secret, "msg_1", SECONDS, BODY)
    headers = headers_of(secret)

    assert signature.startswith("v1a,")
    assert verify([NEW, secret], headers, BODY, NOW) == "msg_1"
    assert "does not match" in refusal_of(headers, secret, body=b"{}")
    assert "does not match" in refusal_of(headers_of(NEW), secret)
    assert secret.text == ED25519


ED25519 = (
    "whsk_6Xb/dCcHpPea21PS1N9VY/NZW723CEc77N4rJCubMbfVKIDij2HKpMKkioLlX0dRqSKJp4AJ6p9lMicMFs6Kvg=="
)


# The collections of others


def test_every_vector_gets_its_expected_answer() -> None:
    found = vectors("standard-webhooks")

    wrong = [vector["name"] for vector in found if is_accepted(vector) != vector["valid"]]

    assert found
    assert wrong == []


def is_accepted(vector: Vector) -> bool:
    now = datetime.fromtimestamp(vector["now"], UTC)
    try:
        secret = Secret.parse(vector["secret"])
        message_id = verify([secret], vector["headers"], payload_of(vector), now)
    except (InputError, UnauthenticatedError):
        return False
    return message_id == vector["headers"][webhooks.ID_HEADER]


def test_every_secret_of_the_vectors_is_read_or_refused_as_expected() -> None:
    found = vectors("secret-format")

    wrong = [vector["name"] for vector in found if is_secret(vector["secret"]) != vector["valid"]]

    assert found
    assert wrong == []


def is_secret(text: str) -> bool:
    try:
        Secret.parse(text)
    except InputError:
        return False
    return True
