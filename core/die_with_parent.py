"""Runs a command that is told to end when its parent dies, even by kill -9.

Called as `die_with_parent.py PARENT_PID COMMAND…`. On Linux the kernel then sends SIGTERM to the
command (PR_SET_PDEATHSIG, prctl(2)); elsewhere the command simply runs. This is a program of its
own because the setting outlives execve but not fork, and Python code between fork and exec
(preexec_fn) can deadlock where there are threads. SIGTERM and not SIGKILL, so that a worker can
take its own children down with it.
"""

import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1
_NOT_STARTED = 127


def main() -> None:
    """Become the command."""
    parent, command = int(sys.argv[1]), sys.argv[2:]
    if sys.platform == "linux":
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.prctl(_PR_SET_PDEATHSIG, int(signal.SIGTERM), 0, 0, 0) != 0:
            sys.exit(f"prctl: {os.strerror(ctypes.get_errno())}")
        if os.getppid() != parent:
            sys.exit("the parent died before the start")
    try:
        os.execvp(command[0], command)  # noqa: S606 - the command comes from our own code
    except OSError as error:
        sys.stderr.write(f"cannot run {command[0]}: {error.strerror}\n")
        sys.exit(_NOT_STARTED)


if __name__ == "__main__":
    main()
