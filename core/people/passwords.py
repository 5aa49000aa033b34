"""Passwords: how they are kept (argon2id), made, and which are too weak."""

import re
import secrets
import unicodedata
from functools import cache

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from core.settings import current

SHORTEST = 12
LONGEST = 1000
TIME_COST = 2
PARALLELISM = 1
FEWEST_DIFFERENT = 5
# No letter or digit that is easily taken for another.
_ALPHABET = "abcdefghjkmnpqrstuvwxyz23456789"
_GROUPS = 4
_GROUP_LENGTH = 5
_COMMON = (
    "password passwort passwd passphrase welcome willkommen kuvert admin administrator qwerty"
    " qwertz qwertyuiop asdfgh asdfghjkl zxcvbnm letmein iloveyou changeme secret monkey dragon"
    " football baseball princess sunshine superman batman trustno master hello shadow michael"
    " jennifer computer internet login access default invoice invoices rechnung abc test user"
    " summer winter spring autumn january february march april june july august september october"
    " november december monday friday google"
)
_COMMON_PART = re.compile("|".join(sorted(_COMMON.split(), key=len, reverse=True)))
_LONG_ENOUGH_TO_TELL = 4
_YEAR = re.compile(r"(19|20)\d\d")
_RUNS = ("01234567890123456789", "abcdefghijklmnopqrstuvwxyz", "qwertyuiopasdfghjklzxcvbnm")


@cache
def _hasher() -> PasswordHasher:
    return PasswordHasher(
        time_cost=TIME_COST,
        memory_cost=current().password_memory_mib * 1024,
        parallelism=PARALLELISM,
    )


def normal(password: str) -> str:
    """Return one form of what different keyboards send for the same characters (NFKC)."""
    return unicodedata.normalize("NFKC", password)


def hashed(password: str) -> str:
    """Return what is kept of `password`: an argon2id string."""
    return _hasher().hash(normal(password))


def is_right(password: str, kept: str) -> bool:
    """Tell whether `kept` is of `password`."""
    try:
        return _hasher().verify(kept, normal(password))
    except (VerificationError, InvalidHashError):
        return False


def is_outdated(kept: str) -> bool:
    """Tell whether `kept` was made with other costs than today's."""
    return _hasher().check_needs_rehash(kept)


def made() -> str:
    """Return a new password of 99 bits, easy to type."""
    groups = (
        "".join(secrets.choice(_ALPHABET) for _ in range(_GROUP_LENGTH)) for _ in range(_GROUPS)
    )
    return "-".join(groups)


def weakness(password: str, email: str) -> str | None:
    """Say why `password` is refused for the account `email`; None when it is not."""
    if len(password) > LONGEST:
        return f"Use at most {LONGEST} characters"
    plain = normal(password).lower()
    if len(plain) < SHORTEST:
        return f"Use at least {SHORTEST} characters; a few words in a row are easy to remember"
    if len(set(plain)) < FEWEST_DIFFERENT or _is_repeated(plain):
        return "This repeats itself too much to be a password"
    if any(part in plain for part in _parts_of(email)):
        return "This contains your mail address; choose something nobody knows of you"
    if len(set(_without_the_obvious(plain))) < FEWEST_DIFFERENT:
        return "This is one of the first passwords that somebody would try"
    return None


def _is_repeated(text: str) -> bool:
    """Tell whether `text` is one piece over and over."""
    return text in (text + text)[1:-1]


def _parts_of(email: str) -> list[str]:
    local, _, domain = email.partition("@")
    return [part for part in (local, domain.partition(".")[0]) if len(part) >= _LONG_ENOUGH_TO_TELL]


def _without_the_obvious(text: str) -> str:
    """Return what is left without well-known words, years and runs of the keyboard."""
    rest = _YEAR.sub("", _COMMON_PART.sub("", text))
    for run in (*_RUNS, *(run[::-1] for run in _RUNS)):
        for start in range(len(run) - 3):
            rest = rest.replace(run[start : start + 4], "")
    return rest
