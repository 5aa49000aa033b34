"""Where the collections of labelled mails call the same hard and soft, and what we call it.

`python -m tests.callbacks.mail.contradictions` prints it, with the shares that follow from it.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence

from callbacks.mail.verdict import Recipient
from tests.callbacks.mail.labels import Labelled, corpus, firm, is_meant
from tests.support.data import shared_data

Said = tuple[str, str]
"""A reason in our words, and the status that was stated."""


def rows(mails: Sequence[Labelled]) -> Iterator[tuple[Labelled, dict[str, str], Recipient | None]]:
    """Yield each labelled recipient of a bounce, with what we say of it."""
    for mail in mails:
        if mail.is_bounce:
            left = list(mail.found.recipients)
            for row in mail.rows:
                one = next((one for one in left if is_meant(one, row)), None)
                if one is not None:
                    left.remove(one)
                yield mail, row, one


def by_what_is_said(mails: Sequence[Labelled]) -> Mapping[Said, Counter[str]]:
    """Count the labels of each reason and status."""
    found: dict[Said, Counter[str]] = defaultdict(Counter)
    for _, row, one in rows(mails):
        said = (one.reason, str(one.status)) if one else ("nothing is found", "None")
        found[said][row["hard_bounce"]] += 1
    return found


def main() -> None:
    """Print what the labels contradict themselves in, and what we have otherwise than they."""
    mails = corpus(shared_data())
    labels = by_what_is_said(mails)
    for (reason, status), found in sorted(labels.items()):
        if len(found) > 1:
            print(f"{found['true']:3} hard {found['false']:3} soft: {reason}, status {status}")
    print()
    bounces = [mail for mail in mails if mail.is_bounce]
    for mail in bounces:
        right = firm(mail, mail.rows[0]["set"])
        for row, is_right in zip(mail.rows, right, strict=True):
            if not is_right:
                print(f"{row['file']} {row['recipient_index']}: {row['reason']}")
    for name, ours in {
        "by the meaning of each collection": [firm(mail, mail.rows[0]["set"]) for mail in bounces],
        "in our sense": [firm(mail, "sisimai") for mail in bounces],
    }.items():
        single = [one for found in ours for one in found]
        whole = [all(found) for found in ours]
        print(
            f"{name}: {sum(single)} of {len(single)} recipients, {sum(whole)} of {len(whole)} mails"
        )
    best = sum(max(found.values()) for found in labels.values())
    print(f"the more frequent label of each reason and status: {best}")


if __name__ == "__main__":
    main()
