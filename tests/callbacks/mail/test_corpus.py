"""How well real mails are understood: measured against the labels of those who collected them.

The figures stand in docs/mail.md. The collections mean two things by "hard". Sisimai's says it of
an address that is no good, as we do. That of flufl.bounce says "permanent" of every bounce that
is final, a full mailbox too, and "temporary" of a delay: that is what we call kind and action.
"""

import csv
from collections import defaultdict
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from time import process_time

import pytest

from callbacks.mail.understanding import understand
from callbacks.mail.verdict import Action, Recipient, Understood
from tests.support.data import shared_data

KINDS = {
    "bounce": {"bounce", "delay"},
    "feedback": {"feedback"},
    "auto-reply": {"auto_reply"},
    "success-dsn": {"success"},
    "not-a-bounce": {"ordinary", "auto_reply"},
    "ordinary": {"ordinary"},
    # Made for MIME readers: reports in form alone, and one whose sender did not label it.
    "multipart-report": {"bounce", "ordinary"},
    "unlabelled": {"bounce", "ordinary"},
}


@dataclass(frozen=True)
class Labelled:
    """A mail, what its collectors say of it, and what we say."""

    path: str
    rows: list[dict[str, str]]
    found: Understood
    seconds: float

    @property
    def is_bounce(self) -> bool:
        return self.rows[0]["kind"] == "bounce"


@cache
def corpus(folder: Path) -> list[Labelled]:
    rows = defaultdict(list)
    with (folder / "mail" / "expected.csv").open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            rows[row["file"]].append(row)
    found = []
    for path, labels in rows.items():
        raw = (folder / path).read_bytes()
        began = process_time()
        understood = understand(raw)
        found.append(Labelled(path, labels, understood, process_time() - began))
    return found


@pytest.fixture(scope="module")
def mails() -> list[Labelled]:
    return corpus(shared_data())


def share(right: list[bool]) -> float:
    return sum(right) / len(right)


def firm(mail: Labelled, collection: str) -> list[bool]:
    """Tell for each recipient of a bounce whether hard or soft is as the label has it."""
    left = list(mail.found.recipients)
    right = []
    for row in mail.rows:
        wanted = row["hard_bounce"] == "true"
        same = next(
            (one for one in left if is_meant(one, row) and is_hard(one, collection) is wanted), None
        )
        right.append(same is not None)
        if same is not None:
            left.remove(same)
    return right


def is_meant(one: Recipient, row: dict[str, str]) -> bool:
    return not row["failed_address"] or one.address.lower() == row["failed_address"].lower()


def is_hard(one: Recipient, collection: str) -> bool:
    if collection == "flufl-bounce":
        return one.action is Action.FAILED
    return one.verdict == "hard"


def test_at_least_98_percent_are_of_the_right_kind(mails: list[Labelled]) -> None:
    right = [str(mail.found.kind) in KINDS[mail.rows[0]["kind"]] for mail in mails]

    assert share(right) >= 0.99


def test_no_ordinary_mail_is_a_bounce(mails: list[Labelled]) -> None:
    ordinary = [mail for mail in mails if mail.rows[0]["kind"] in {"ordinary", "not-a-bounce"}]

    assert len(ordinary) >= 28
    assert [mail.path for mail in ordinary if mail.found.kind in {"bounce", "delay"}] == []


def test_the_failed_addresses_are_found(mails: list[Labelled]) -> None:
    wanted = [
        row["failed_address"].lower() in {one.address.lower() for one in mail.found.recipients}
        for mail in mails
        for row in mail.rows
        if row["failed_address"]
    ]

    assert share(wanted) >= 0.99


def test_hard_and_soft_are_told_apart(mails: list[Labelled]) -> None:
    right: dict[str, list[bool]] = defaultdict(list)
    for mail in mails:
        if mail.is_bounce:
            collection = mail.rows[0]["set"]
            right[collection.removesuffix("-extra")] += firm(mail, collection)

    assert share(right["sisimai"]) >= 0.945
    assert share(right["flufl-bounce"]) == 1.0
    assert share(right["sisimai"] + right["flufl-bounce"]) >= 0.955


def test_each_takes_less_than_50_ms(mails: list[Labelled]) -> None:
    slowest = sorted(((mail.seconds, mail.path) for mail in mails), reverse=True)

    # The first ones also pay for what is only done once.
    assert slowest[3][0] < 0.05
    assert slowest[0][0] < 0.5
