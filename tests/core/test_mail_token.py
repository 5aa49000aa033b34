"""The token that proves that a mail speaks of a delivery of ours."""

import re

import pytest

from core import mail_token
from core.errors import InputError
from core.ids import new_id

KEY = "a-key-for-tests-and-nothing-else-0123"


def test_a_token_gives_its_dispatch_key_back() -> None:
    dispatch_key = new_id()

    token = mail_token.mint(KEY, dispatch_key)

    assert re.fullmatch("[a-z2-7]{42}", token)
    assert mail_token.verify(KEY, token) == dispatch_key


def test_a_token_is_the_same_for_each_attempt() -> None:
    dispatch_key = new_id()

    assert mail_token.mint(KEY, dispatch_key) == mail_token.mint(KEY, dispatch_key)


def test_a_change_of_any_letter_is_refused() -> None:
    token = mail_token.mint(KEY, new_id())
    changed = [
        token[:at] + ("a" if letter != "a" else "b") + token[at + 1 :]
        for at, letter in enumerate(token)
    ]

    assert [mail_token.verify(KEY, one) for one in changed] == [None] * 42


@pytest.mark.parametrize("other", ["", "a" * 42, "a" * 41, "é" * 42, "<>" * 21, "1" * 42])
def test_other_text_is_no_token(other: str) -> None:
    assert mail_token.verify(KEY, other) is None


def test_another_secret_key_does_not_know_it() -> None:
    token = mail_token.mint(KEY, new_id())

    assert mail_token.verify(f"{KEY}x", token) is None


def test_mail_systems_may_change_the_case() -> None:
    dispatch_key = new_id()

    assert mail_token.verify(KEY, mail_token.mint(KEY, dispatch_key).upper()) == dispatch_key


def test_it_is_found_in_the_envelope_sender_and_in_the_message_id() -> None:
    one, other = new_id(), new_id()
    sender = mail_token.envelope_sender(KEY, one, "billing@example.org")
    message_id = mail_token.message_id(KEY, other, "example.org")

    assert mail_token.find(KEY, [sender, message_id, sender]) == [one, other]
    assert sender.startswith("billing+")
    assert sender.endswith("@example.org")
    assert re.fullmatch(r"<kuvert\.[a-z2-7]{42}@example\.org>", message_id)


def test_text_around_it_must_end_there() -> None:
    token = mail_token.mint(KEY, new_id())

    assert mail_token.find(KEY, [f"x{token}", f"{token}x"]) == []


def test_an_envelope_sender_keeps_to_64_bytes() -> None:
    assert len(mail_token.envelope_sender(KEY, new_id(), "a" * 21 + "@x.org").split("@")[0]) == 64
    with pytest.raises(InputError, match="at most 21 characters may stand before the @"):
        mail_token.envelope_sender(KEY, new_id(), "a" * 22 + "@x.org")
