#!/usr/bin/env python3
"""Command line of Kuvert: the table of commands, each imported only when it is called."""

import sys

# name → (package.module:object, one line of help), in the order of the help.
COMMANDS: dict[str, tuple[str, str]] = {}


def main() -> int:
    """Run the command line and return its exit code."""
    try:
        from core.cli import LazyGroup, run

        return run(LazyGroup(COMMANDS, about="Kuvert, a self-hosted invoice dispatch desk."))
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())
