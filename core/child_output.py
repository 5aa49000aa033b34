"""The output of child processes, cut into lines and written with their names in front."""

import os
import sys
from collections.abc import Callable, Iterable
from typing import IO, TextIO

# The name under which the supervisor itself speaks.
OWN_NAME = "up"
_LONGEST_LINE = 65_536
_COLOURS = (36, 33, 32, 35, 34, 31)

OnLine = Callable[[str, str], None]


class Printer:
    """Writes lines with the name of their child in front, in colour on a terminal."""

    def __init__(self, names: Iterable[str], stream: TextIO | None = None) -> None:
        self._stream = stream or sys.stdout
        self._names = [*names, OWN_NAME]
        self._width = max(map(len, self._names))

    def __call__(self, name: str, line: str) -> None:
        """Write one line and see it out."""
        head = f"{name:<{self._width}} |"
        if self._stream.isatty():
            colour = _COLOURS[self._names.index(name) % len(_COLOURS)]
            head = f"\x1b[{colour}m{head}\x1b[0m"
        self._stream.write(f"{head} {line}\n")
        self._stream.flush()


class Stream:
    """The output of one run of a child, cut into lines."""

    def __init__(self, name: str, pipe: IO[bytes]) -> None:
        self.name = name
        self._pipe = pipe
        self._rest = b""

    def fileno(self) -> int:
        """Return the descriptor, for a selector."""
        return self._pipe.fileno()

    def close(self) -> None:
        """Close the pipe."""
        self._pipe.close()

    def read(self) -> tuple[bool, list[str]]:
        """Return whether the output has ended, and the lines that are complete."""
        data = os.read(self.fileno(), _LONGEST_LINE)
        *lines, self._rest = (self._rest + data).split(b"\n")
        if self._rest and (not data or len(self._rest) >= _LONGEST_LINE):
            lines.append(self._rest)
            self._rest = b""
        return not data, [line.decode("utf-8", "replace") for line in lines]
