r"""Reads `.env` files: NAME=value lines, quotes, comments; no interpolation.

Unquoted values end at ` #`; single quotes keep everything as it is; double quotes know
`\n`, `\t`, `\"` and `\\`. A leading `export` is allowed. The last of two equal names wins,
as in a shell.
"""

import re
from pathlib import Path

_ASSIGNMENT = re.compile(r"\s*(?:export\s+)?([A-Za-z_][A-Za-z0-9_]*)\s*=[ \t]*(.*)")
_SINGLE = re.compile(r"'([^']*)'\s*(?:#.*)?")
_DOUBLE = re.compile(r'"((?:[^"\\]|\\.)*)"\s*(?:#.*)?')
_ESCAPES = {"n": "\n", "t": "\t", '"': '"', "\\": "\\"}


class EnvFileError(ValueError):
    """A line that cannot be read; the message gives line and column, never the value."""


def read(path: Path) -> dict[str, str]:
    """Return the names and values of the file at `path`; nothing when there is no such file.

    Raises:
        EnvFileError: a line cannot be read, or the file is not UTF-8.
        OSError: the file is there and cannot be opened.
    """
    try:
        raw = path.read_bytes()
    except FileNotFoundError:
        return {}
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise EnvFileError(f"line {line}: not UTF-8; save the file as UTF-8") from error
    return parse(text)


def parse(text: str) -> dict[str, str]:
    """Return the names and values written in `text`.

    Raises:
        EnvFileError: a line cannot be read.
    """
    pairs = (
        _pair(number, line)
        for number, line in enumerate(text.split("\n"), start=1)
        if line.strip() and not line.lstrip().startswith("#")
    )
    return dict(pairs)


def _pair(number: int, line: str) -> tuple[str, str]:
    match = _ASSIGNMENT.fullmatch(line.rstrip())
    if match is None:
        column = len(line) - len(line.lstrip()) + 1
        raise EnvFileError(f"line {number}, column {column}: not NAME=value")
    name, value = match.groups()
    if value[:1] not in ("'", '"'):
        return name, re.split(r"(?:^|\s+)#", value, maxsplit=1)[0]
    quoted = (_SINGLE if value[0] == "'" else _DOUBLE).fullmatch(value)
    if quoted is None:
        column = match.start(2) + 1
        raise EnvFileError(
            f"line {number}, column {column}: the quote of {name} is not closed on this line,"
            " or something follows it"
        )
    return name, quoted[1] if value[0] == "'" else _unescape(quoted[1])


def _unescape(text: str) -> str:
    return re.sub(r"\\(.)", lambda match: _ESCAPES.get(match[1], match[0]), text)
