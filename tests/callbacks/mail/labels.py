"""The labelled mails of the shared data, and what we say of them."""

import csv
from collections import defaultdict
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from time import process_time

from callbacks.mail.understanding import understand
from callbacks.mail.verdict import Action, Recipient, Understood


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
