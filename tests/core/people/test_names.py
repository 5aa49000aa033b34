"""Addresses, passwords and roles by themselves."""

import re
from dataclasses import dataclass

import pytest

from core.errors import InputError
from core.people import emails, passwords
from core.people.roles import Role, may

COSTLY = passwords._hasher
"""As in production, which the other tests go without."""


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("Ann@Example.com", "ann@example.com"),
        (" ann.b+c@example.com\n", "ann.b+c@example.com"),
        ("admin@localhost", "admin@localhost"),
        ("ann@Bücher.example", "ann@xn--bcher-kva.example"),
    ],
)
def test_an_address_has_one_form(text: str, found: str) -> None:
    assert emails.normal(text) == found


@pytest.mark.parametrize(
    "text",
    [
        "",
        "ann",
        "@example.com",
        "ann@",
        "a b@example.com",
        "ann@exa mple.com",
        "ann@example..com",
        ".ann@example.com",
        "ann@-example.com",
        "änn@example.com",
        "\u0430nn@example.com",
        "ann@example.com\x00",
        "ann\n@example.com",
        "<ann@example.com>",
        "ann@[127.0.0.1]",
        f"{'x' * 65}@example.com",
        f"ann@{'x' * 64}.com",
        f"ann@{'x.' * 130}com",
        "x" * 100_000,
        "\ud800@example.com",
    ],
)
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="not a mail address"):
        emails.normal(text)


@pytest.mark.parametrize(
    "password",
    [
        "a heron waits by the weir",
        "48392093118799",
        "Sommerregen auf Zinkdach",
        "пароль никто не знает",
        "cz7mf-zpxjf-y8v79-8cqt7",
    ],
)
def test_a_good_password_is_taken(password: str) -> None:
    assert passwords.weakness(password, "ann@example.com") is None


@pytest.mark.parametrize(
    ("password", "why"),
    [
        ("", "at least 12"),
        ("elevenchars", "at least 12"),
        ("aaaaaaaaaaaaaaaa", "repeats itself"),
        ("abcabcabcabcabc", "repeats itself"),
        ("password1234", "first passwords"),
        ("Password2026!", "first passwords"),
        ("Kuvert-2026-Kuvert", "first passwords"),
        ("qwertyuiop123", "first passwords"),
        ("123456789012", "first passwords"),
        ("abcdefghijklmnop", "first passwords"),
        ("changemechangeme!", "first passwords"),
        ("my name is johnson", "your mail address"),
        ("x" * 1001, "repeats itself|at most"),
    ],
)
def test_a_weak_password_is_refused(password: str, why: str) -> None:
    assert re.search(why, passwords.weakness(password, "johnson@example.com") or "taken")


def test_passwords_that_are_made_are_good_and_different() -> None:
    made = {passwords.made() for _ in range(200)}

    assert len(made) == 200
    assert not [one for one in made if passwords.weakness(one, "ann@example.com")]


def test_a_password_is_kept_as_argon2id(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(passwords, "_hasher", COSTLY)
    kept = passwords.hashed("a heron waits by the weir")

    assert kept.startswith("$argon2id$v=19$m=19456,t=2,p=1$")
    assert passwords.is_right("a heron waits by the weir", kept)
    assert not passwords.is_outdated(kept)


def test_different_keyboards_send_the_same_password() -> None:
    composed, decomposed = "caf\u00e9 am ersten eck", "cafe\u0301 am ersten eck"

    assert passwords.is_right(decomposed, passwords.hashed(composed))


@pytest.mark.parametrize("kept", ["", "x", "$argon2id$", "$2b$12$abc"])
def test_what_is_no_hash_is_no_password(kept: str) -> None:
    assert not passwords.is_right("a heron waits by the weir", kept)


@dataclass(frozen=True)
class Somebody:
    """Somebody with a role."""

    role: str
    is_active: bool = True


@pytest.mark.parametrize("has", Role)
@pytest.mark.parametrize("needs", Role)
def test_a_role_includes_those_before_it(has: Role, needs: Role) -> None:
    order = ["viewer", "operator", "approver", "admin"]

    assert may(Somebody(has), needs) is (order.index(has) >= order.index(needs))


def test_nobody_may_anything() -> None:
    assert not may(None, Role.VIEWER)
    assert not may(Somebody("admin", is_active=False), Role.VIEWER)
