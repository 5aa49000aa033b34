"""Who is at the command line, as histories name them."""

import os
import pwd


def command_line_user() -> str:
    """Return `command line, NAME` with the login name that the process runs under."""
    try:
        name = pwd.getpwuid(os.getuid()).pw_name
    except KeyError:  # a container may run under a number that has no name
        name = f"user {os.getuid()}"
    return f"command line, {name}"
