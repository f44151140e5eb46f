"""Become another program, bound to die with the process that asked for it: `launch.py PARENT COMMAND…`.

A program of its own, because the kernel's request (`PR_SET_PDEATHSIG`) is made by the child before it becomes the
command; doing that between fork and exec inside a threaded parent could deadlock.
"""

import ctypes
import os
import signal
import sys
from collections.abc import Sequence

PR_SET_PDEATHSIG = 1


def bound(command: Sequence[str]) -> list[str]:
    """The command line that runs `command` as a child bound to die with this process's calling thread."""
    return [sys.executable, "-S", "-E", os.path.abspath(__file__), str(os.getpid()), *command]


def main() -> None:
    parent, command = int(sys.argv[1]), sys.argv[2:]
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
    if os.getppid() != parent:
        raise SystemExit("the supervisor ended before its child began")
    try:
        os.execvp(command[0], command)  # noqa: S606 - the command is the supervisor's own
    except OSError as error:
        raise SystemExit(f"{command[0]}: {error.strerror}") from error


if __name__ == "__main__":
    main()
