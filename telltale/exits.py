"""Exit codes: what the command and every process of Telltale end with. Standard library only."""

from __future__ import annotations

OK = 0
FAILED = 1
USAGE = 2
STALE = 3
FOUND = 4
INTERRUPTED = 130

MEANINGS = {
    OK: "done, or stopped by SIGTERM or SIGINT with everything acknowledged stored",
    FAILED: "what was asked for could not be done; the same command may succeed later",
    USAGE: "the command line, the settings or an address cannot be used; no restart mends that",
    STALE: "something outside was replaced under the process, such as the GPU driver; start it anew",
    FOUND: "done, and what it looks for is there: `telltale rules burn-in` found that somebody would have been called",
    INTERRUPTED: "a one-time command was interrupted with Ctrl-C",
}


class UsageError(Exception):
    """Settings, an address or a store that cannot be used: the process ends with `USAGE` and prints the message.

    Each line of the message names the setting, its value and the remedy.
    """
