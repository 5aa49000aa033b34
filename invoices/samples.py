"""Twelve sample invoices of invented companies, one or more for each turn the sandbox can take."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from invoices.sandbox.faults import DOMAIN, Fault

FOLDER: Final = Path(__file__).with_name("sample_data")

_PLACEHOLDER: Final = b"SAMPLE"
"""What every number in the files begins with; it stands nowhere else in them."""

_RUN: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]{0,39}")
_MEDIA_TYPES: Final = {".json": "application/json", ".xml": "application/xml"}
_FILES: Final = (
    ("furniture-sek.json", Fault.DELIVER, "Swedish kronor, one tax rate"),
    ("coffee-gbp.json", Fault.DELIVER, "pounds, zero-rated goods beside a taxed service"),
    ("bicycles-eur.json", Fault.BOUNCE, "euros; the mailbox turns it away later"),
    ("consulting-usd.json", Fault.REFUSE, "dollars; the provider refuses it for good"),
    ("tea-jpy.json", Fault.TIMEOUT, "yen without decimals; the provider never answers"),
    ("printing-chf.json", Fault.BUSY, "francs; the provider asks for patience once"),
    ("returned-goods-eur.json", Fault.DUPLICATE, "a credit note; reported twice"),
    ("wind-turbine-dkk.json", Fault.UNMAPPED, "Danish kroner; reported with an unknown status"),
    ("ceramics-pln.json", Fault.SLOW, "złoty; answered late"),
    ("garden-ubl-invoice.xml", Fault.DELIVER, "UBL invoice, two tax rates"),
    ("lighting-ubl-credit-note.xml", Fault.EARLY, "UBL credit note; reported before the answer"),
    ("honey-cii-invoice.xml", Fault.SILENT, "CII invoice; accepted and never reported"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One invoice to send, and what there is to see in it."""

    name: str
    document: bytes
    media_type: str
    recipient: str
    note: str


def samples(run: str) -> list[Sample]:
    """Return the samples with `run` put before every number: `20261122-1` gives `20261122-1-1001`.

    JSON documents name their recipient themselves; for XML it is to be given beside the document.

    Raises:
        ValueError: `run` is not 1 to 40 letters, digits and hyphens, beginning with no hyphen.
    """
    if not _RUN.fullmatch(run):
        raise ValueError("a run is 1 to 40 letters, digits and hyphens")
    return [_read(name, fault, note, run.encode()) for name, fault, note in _FILES]


def _read(name: str, fault: Fault, note: str, run: bytes) -> Sample:
    """Read one file and put the run into its number."""
    path = FOLDER / name
    return Sample(
        name=name,
        document=path.read_bytes().replace(_PLACEHOLDER, run),
        media_type=_MEDIA_TYPES[path.suffix],
        recipient=f"{fault}@{DOMAIN}",
        note=note,
    )
