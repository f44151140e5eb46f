"""Attacks on the pages' port; the last ones are for any port with HTTP/1.1."""

from __future__ import annotations

from benchmarks.attacks.flood import Attack, Flood, always

GET = b"GET /sign-in HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
STYLE = b"GET /static/style.css HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
HALF = b"GET /sign-in HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Half: " + b"a" * 200
FEW_FILES = 256


def _web(flood: Flood, files: int | None = None) -> Attack:
    return Attack("web", (flood,), files)


ATTACKS = {
    "web: one pipelines and reads": _web(Flood("web", 1, repeat=always(GET * 1500))),
    "web: one pipelines, reads nothing": _web(Flood("web", 1, repeat=always(GET * 1500), read=0)),
    "web: 20 pipeline, read nothing": _web(Flood("web", 20, repeat=always(GET * 1500), read=0)),
    "web: 100 read a byte at a time": _web(Flood("web", 100, repeat=always(STYLE * 100), read=1)),
    "web: 2,500 half requests": _web(Flood("web", 2500, HALF)),
    "web: 2,500 half requests, ulimit -n 256": _web(Flood("web", 2500, HALF), FEW_FILES),
}
