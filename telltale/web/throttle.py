"""How fast passwords may be guessed, so that whoever guesses keeps out nobody but themselves.

A stranger's attempts count against a name from one address, against the address, and, more patiently, against the name.
A browser in which the person signed in before has a bucket of its own that strangers cannot empty (OWASP, Slow Down
Online Guessing Attacks with Device Cookies).
"""

from __future__ import annotations

import ipaddress

from telltale.web.limits import Buckets

# (attempts a minute in the long run, attempts at once)
PER_NAME_AND_ADDRESS = (2, 10)
# Behind a proxy everybody comes from one address.
PER_ADDRESS = (60, 60)
# Wider than one address can fill: only guessing from many addresses reaches it.
PER_NAME = (10, 100)
PER_DEVICE = (10, 10)


class Throttle:
    """Decides whether an attempt to sign in is checked at all. Bounded memory; safe to use from several threads."""

    def __init__(self) -> None:
        self._pairs, self._addresses = _buckets(*PER_NAME_AND_ADDRESS), _buckets(*PER_ADDRESS)
        self._names, self._devices = _buckets(*PER_NAME), _buckets(*PER_DEVICE)

    def acquire(self, name: str, address: str, device: str | None, now: float) -> float:
        """0 when this attempt may be checked, else the seconds until one like it may be.

        `device`: what tells this known browser of the person from others; None for a stranger's. A refused attempt
        costs nothing in the other buckets, so that hammering on one name spends no more than its own.
        """
        if device is not None:
            return self._devices.acquire(device, now)
        network = network_of(address)
        keyed = ((self._pairs, f"{network} {name}"), (self._addresses, network), (self._names, name))
        if wait := max(buckets.wait(key, now) for buckets, key in keyed):
            return wait
        return max(buckets.acquire(key, now) for buckets, key in keyed)


def network_of(address: str) -> str:
    """The address, of IPv6 its /64: that much is given to one customer, who may use any address in it."""
    try:
        found = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if isinstance(found, ipaddress.IPv4Address):
        return str(found)
    if found.ipv4_mapped:
        return str(found.ipv4_mapped)
    return str(ipaddress.ip_network((found, 64), strict=False))


def _buckets(per_minute: float, at_once: int) -> Buckets:
    return Buckets(per_minute / 60, at_once)
