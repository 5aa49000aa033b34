"""Invoices out of files: one in each JSON or XML file, or one in each row.

Rows are the lines of an NDJSON file or the elements of a JSON array. Only one document is held
at a time, so that a file of lines may be of any size.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO, Final

from core import strict_json
from core.errors import KuvertError, TooLargeError, UnreadableError
from invoices.documents import read_xml_invoice
from invoices.schemas import QueryOptions, read_json_invoice
from invoices.values import NewInvoice

LARGEST: Final = 10 * 1024 * 1024
"""Bytes of one document, and of a JSON file; the API takes no more either."""

_MOST_ELEMENTS: Final = 100_000
_LINES: Final = frozenset({".ndjson", ".jsonl"})
_BOM: Final = b"\xef\xbb\xbf"
_SPACES: Final = b" \t\r\n"


@dataclass(frozen=True, slots=True)
class Item:
    """One invoice of a file, or why it is none; `row` counts from 1, None where there are none.

    `size` is its length in the file, in bytes.
    """

    path: Path
    row: int | None
    size: int
    read: NewInvoice | KuvertError


def read_files(paths: Iterable[Path], options: QueryOptions) -> Iterator[Item]:
    """Read files one after the other; what `options` name goes before what the documents name."""
    for path in paths:
        for item in _read_file(path):
            if isinstance(item.read, NewInvoice):
                yield replace(item, read=_directed(item.read, options))
            else:
                yield item


def _directed(new: NewInvoice, options: QueryOptions) -> NewInvoice:
    return replace(
        new,
        provider_code=options.provider or new.provider_code,
        recipient=options.to or new.recipient,
    )


def _read_file(path: Path) -> Iterator[Item]:
    with path.open("rb") as stream:
        if path.suffix.lower() in _LINES:
            yield from _read_lines(path, stream)
            return
        body = stream.read(LARGEST + 1)
    content = body.removeprefix(_BOM).lstrip(_SPACES)
    if len(body) > LARGEST:
        error = TooLargeError("larger than 10 MB; write many invoices one per line, as .ndjson")
        yield Item(path, None, path.stat().st_size, error)
    elif not content:
        yield Item(path, None, len(body), UnreadableError("the file is empty"))
    elif content.startswith(b"["):
        yield from _read_elements(path, body)
    else:
        read = read_xml_invoice if content.startswith(b"<") else read_json_invoice
        yield Item(path, None, len(body), _try(read, body))


def _read_lines(path: Path, stream: BinaryIO) -> Iterator[Item]:
    """Read NDJSON; blank lines are passed over, but counted."""
    row, is_empty = 0, True
    while line := stream.readline(LARGEST + 1):
        row += 1
        if len(line) > LARGEST:
            size = len(line) + _skip_line(stream)
            is_empty = False
            yield Item(path, row, size, TooLargeError("the line is longer than 10 MB"))
            continue
        content = line.removeprefix(_BOM if row == 1 else b"").strip(_SPACES)
        if content:
            is_empty = False
            yield Item(path, row, len(line), _try(read_json_invoice, content))
    if is_empty:
        yield Item(path, None, 0, UnreadableError("the file is empty"))


def _skip_line(stream: BinaryIO) -> int:
    """Read to the end of a line, or of the file; return how many bytes that was."""
    skipped = 0
    while rest := stream.readline(LARGEST):
        skipped += len(rest)
        if rest.endswith(b"\n"):
            break
    return skipped


def _read_elements(path: Path, body: bytes) -> Iterator[Item]:
    try:
        elements = strict_json.split_array(body, limit=_MOST_ELEMENTS)
    except KuvertError as error:
        yield Item(path, None, len(body), error)
        return
    if not elements:
        yield Item(path, None, len(body), UnreadableError("the array is empty"))
    for row, element in enumerate(elements, 1):
        yield Item(path, row, len(element), _try(read_json_invoice, element))


def _try(read: Callable[[bytes], NewInvoice], body: bytes) -> NewInvoice | KuvertError:
    try:
        return read(body)
    except KuvertError as error:
        return error
