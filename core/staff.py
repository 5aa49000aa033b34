"""Who is at the command line, as histories name them."""

import os
import pwd


def command_line_user() -> str:
    """Return `command line, NAME` with the login name that the process runs under."""
    return f"command line, {login_name()}"


def login_name() -> str:
    """Return the login name that the process runs under."""
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:  # a container may run under a number that has no name
        return f"user {os.getuid()}"
