"""Blocks of `Name: value` lines, as delivery status and feedback reports have them."""

import re
from collections.abc import Iterator, Mapping

from callbacks.mail.opening import header_text

MOST_BLOCKS = 200
MOST_LINES = 5000

Fields = Mapping[str, str]

_FIELD = re.compile(r"([A-Za-z][A-Za-z0-9-]{0,60})[ \t]*:[ \t]*(.*)")
_NAME = r"^[ \t]*(?:Final-Recipient|Original-Recipient|Action|Status|Diagnostic-Code)[ \t]*:"
_REPORT_LINE = re.compile(_NAME, re.IGNORECASE | re.MULTILINE)


def blocks(text: str) -> Iterator[Fields]:
    """Return each block: names in lower case, of repeated ones the first; folded lines joined."""
    fields: dict[str, str] = {}
    name = ""
    count = 0
    for line in text.splitlines()[:MOST_LINES]:
        if not line.strip():
            if fields and count < MOST_BLOCKS:
                count += 1
                yield fields
            fields, name = {}, ""
            continue
        match = _FIELD.match(line)
        if match and not line[0].isspace():
            name = match[1].lower()
            if name not in fields:
                fields[name] = header_text(match[2])
            else:
                name = ""
        elif name and line[0].isspace() and len(fields[name]) < 2000:  # noqa: PLR2004 - enough for people
            fields[name] = f"{fields[name]} {header_text(line)}"
    if fields:
        yield fields


def has_report_lines(text: str) -> bool:
    """Tell whether a report stands in the text itself, as some servers write it."""
    names = {match[0].strip(" \t:").lower() for match in _REPORT_LINE.finditer(text)}
    return "final-recipient" in names and bool({"action", "status"} & names)
