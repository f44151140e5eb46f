"""A collector for each test."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from support import receiver_in_process
from support.collector_process import Collector
from support.ports import free_address
from support.receiver_in_process import InProcess


@pytest.fixture
def in_process(tmp_path: Path) -> Iterator[InProcess]:
    made = receiver_in_process.make(tmp_path)
    yield made
    made.store.close()


@pytest.fixture
def make_collector(tmp_path: Path) -> Iterator[Callable[..., Collector]]:
    running: list[Collector] = []

    def make(**environment: str) -> Collector:
        http, grpc, metrics = free_address(), free_address(), free_address()
        url = f"sqlite:///{tmp_path / 'store.db'}"
        kept = {name: value for name, value in os.environ.items() if not name.startswith("TELLTALE_")}
        collector = Collector(
            http, grpc, metrics, url,
            {
                **kept,
                "TELLTALE_COLLECTOR__HTTP_LISTEN": http,
                "TELLTALE_COLLECTOR__GRPC_LISTEN": grpc,
                "TELLTALE_COLLECTOR__METRICS_LISTEN": metrics,
                "TELLTALE_STORE__URL": url,
                "TELLTALE_STORE__BUSY_TIMEOUT": "300ms",
                **environment,
            },
            log=tmp_path / "collector.log",
        )  # fmt: skip
        # Before it starts: one that is not ready in time must end, too.
        running.append(collector)
        collector.start()
        return collector

    yield make
    for collector in running:
        if collector.popen is not None and collector.popen.poll() is None:
            collector.popen.kill()
            collector.popen.wait()


@pytest.fixture
def collector(make_collector: Callable[..., Collector]) -> Collector:
    return make_collector()
