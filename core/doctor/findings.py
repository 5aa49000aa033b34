"""What a check finds, and the list of checks."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum

from flask import Flask

from core.settings import Settings


class State(StrEnum):
    """How a thing is. `skipped`: it is not set up, or nobody can tell from here."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True)
class Finding:
    """One line: how something is, what that means, and what to do about it, empty where nothing.

    `about` names the thing where a check looks at several: a queue, a provider.
    """

    state: State
    means: str
    remedy: str = ""
    about: str = ""


def ok(means: str, about: str = "") -> Finding:
    """Say that something is as it should be."""
    return Finding(State.OK, means, "", about)


def warn(means: str, remedy: str, about: str = "") -> Finding:
    """Say that somebody should look at something."""
    return Finding(State.WARN, means, remedy, about)


def fail(means: str, remedy: str, about: str = "") -> Finding:
    """Say that something does not work."""
    return Finding(State.FAIL, means, remedy, about)


def skipped(means: str, remedy: str = "", about: str = "") -> Finding:
    """Say that something was not looked at, and why."""
    return Finding(State.SKIPPED, means, remedy, about)


@dataclass(frozen=True, slots=True)
class Patient:
    """What is examined."""

    app: Flask
    settings: Settings


Check = Callable[[Patient], Iterable[Finding]]
"""Runs in a thread of its own, inside the application's context; bounds its own waits."""

_registered: dict[str, Check] = {}


def register(name: str, check: Check) -> None:
    """Have a check of a package asked too, after those of core."""
    _registered[name] = check


def registered() -> dict[str, Check]:
    """Return the checks that packages have registered."""
    return dict(_registered)
