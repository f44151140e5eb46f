"""Every attack by its name."""

from __future__ import annotations

from multiprocessing.connection import Connection

from benchmarks.attacks import flood, on_grpc, on_http, on_web

ATTACKS: dict[str, flood.Attack] = {
    "web: no attack": flood.Attack("web", ()),
    **on_web.ATTACKS,
    "collector: no attack": flood.Attack("collector", ()),
    **on_http.ATTACKS,
    **on_grpc.ATTACKS,
}


def run(name: str, ports: dict[str, int], seconds: float, main: Connection) -> None:
    """In a process of its own; `main` is the process that started it."""
    flood.run(ATTACKS[name].floods, ports, seconds, main)
