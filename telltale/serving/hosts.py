"""Which host names a port for machines is asked under: what keeps out a browser whose page was rebound.

A page's owner can have its name point at 127.0.0.1, or at a machine of the network that the browser is in; for the
browser our port then belongs to that page (DNS rebinding). Such a request carries the page's name in Host. Standard
library only. The pages for people are stricter still: see telltale/web/guard.py.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterable
from functools import lru_cache
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

STATUS: Final = 421
REFUSAL: Final = "this host name is not served here; name it in web.allowed_hosts"
CROSS_SITE: Final = "this request was sent by a page of another site"

# Nobody can have a name below these registered (RFC 6761, 6762, 8375, ICANN's .internal; the rest is never delegated).
PRIVATE: Final = frozenset(
    {"localhost", "local", "internal", "svc", "test", "lan", "home", "corp", "intranet", "private", "localdomain"}
)
HOME: Final = ".home.arpa"
# What browsers put into every request or none; no page can make them leave all of these out.
BROWSER_FIELDS: Final = ("origin", "referer", "sec-fetch-site", "sec-fetch-mode", "accept-language")


class Hosts:
    """The names that machines may use for us; `allowed` comes from the settings.

    For a request, call `refusal` once its header fields are here and answer with STATUS and its text if there is one.
    """

    def __init__(self, allowed: Iterable[str] = (), origins: Iterable[str] = ()) -> None:
        """`origins`: those of other sites whose pages may ask, as browsers write them; `*` for all."""
        self._origins = frozenset(origins)
        self._allowed = frozenset(name.lower().strip("[]").rstrip(".") for name in allowed)

    def refusal(self, field: Callable[[str], str | None], local: str) -> str | None:
        """Why a request is refused, or None.

        `field` returns a header field by its name in lower case, None if there is none; for HTTP/2 "host" is the
        :authority. `local` is our own address on the connection: `sock.getsockname()[0]`.

        Addresses, names without a dot and names that nobody can register are ours: compose's `collector`,
        Kubernetes' `collector.monitoring.svc`, localhost. So are this machine's own name and the `allowed`. Any other
        name may be ours too, as in `gpu01.example.com`; it is refused to browsers, and on loopback, where nobody needs
        it. A request that another site had a browser send is refused as well.
        """
        name = name_of(field("host") or "")
        if name is None:
            return REFUSAL
        origin = field("origin")
        if origin and (origin in self._origins or "*" in self._origins):
            # Whichever name the page knows us by: no page can pretend to another origin.
            return None
        if origin and not self._is_same_site(origin, name):
            return CROSS_SITE
        if not name or self._is_ours(name):
            return None
        if is_loopback(local) or _is_browser(field):
            return REFUSAL
        return None

    def _is_ours(self, name: str) -> bool:
        return name in self._allowed or is_private(name) or name in own_names()

    def _is_same_site(self, origin: str, name: str) -> bool:
        try:
            host = urlsplit(origin).hostname
        except ValueError:
            return False
        return host is not None and (host == name or host in self._allowed)


def name_of(host: str) -> str | None:
    """The name or address in a Host field, without port and brackets, in lower case; None for what is no host."""
    if not host:
        return ""
    try:
        split = urlsplit(f"//{host}")
        _ = split.port
    except ValueError:
        return None
    if split.netloc != host or "@" in host or split.path or not split.hostname:
        return None
    return split.hostname.rstrip(".")


def is_private(name: str) -> bool:
    """Whether it is an address, or a name that nobody can register."""
    return "." not in name or is_address(name) or name.rpartition(".")[2] in PRIVATE or name.endswith(HOME)


def is_address(name: str) -> bool:
    for family in (socket.AF_INET, socket.AF_INET6):
        try:
            socket.inet_pton(family, name)
        except (OSError, ValueError):
            continue
        return True
    return False


def is_loopback(address: str) -> bool:
    """Whether it is an address of the loopback interface."""
    return address == "::1" or address.removeprefix("::ffff:").startswith("127.")


@lru_cache(maxsize=1)
def own_names() -> frozenset[str]:
    """This machine's name, alone and in the domains that it searches; without asking any name server."""
    name = socket.gethostname().lower()
    try:
        lines = Path("/etc/resolv.conf").read_text(errors="replace").splitlines()
    except OSError:
        lines = []
    domains = {domain.strip(".").lower() for line in lines if line.startswith("search") for domain in line.split()[1:]}
    return frozenset({name, *(f"{name}.{domain}" for domain in domains if domain)})


def _is_browser(field: Callable[[str], str | None]) -> bool:
    # A field that is there counts, even if a page's script had it be empty.
    named = (field("user-agent") or "").startswith("Mozilla/")
    return named or any(field(name) is not None for name in BROWSER_FIELDS)
