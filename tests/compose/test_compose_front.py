"""The OpenTelemetry Collector in front: its components exist, are used, and lead to Telltale's collector."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from telltale.settings import load

Json = dict[str, Any]
COMPOSE = Path(__file__).parents[2] / "compose"
# Components of the contrib distribution, at the version in the Containerfile.
COMPONENTS = {
    "receivers": {"otlp"},
    "processors": {"memory_limiter"},
    "exporters": {"otlp"},
    "extensions": {"health_check", "file_storage"},
}


@pytest.fixture(scope="module")
def otel_config() -> Json:
    found: Json = yaml.safe_load((COMPOSE / "otel-collector" / "config.yaml").read_text())
    return found


def test_components_are_real_and_each_is_used(otel_config: Json) -> None:
    assert set(otel_config) == {*COMPONENTS, "service"}
    for kind, known in COMPONENTS.items():
        used = (
            set(otel_config["service"]["extensions"])
            if kind == "extensions"
            else {name for pipeline in otel_config["service"]["pipelines"].values() for name in pipeline[kind]}
        )
        assert {name.partition("/")[0] for name in otel_config[kind]} <= known
        assert used == set(otel_config[kind])


def test_traces_go_to_telltales_collector(otel_config: Json, services: Json) -> None:
    assert otel_config["exporters"]["otlp"]["endpoint"] == load(COMPOSE / "telltale.toml").collector.grpc_listen
    assert set(services["otel-collector"]["networks"]) & set(services["collector"]["networks"])


def test_accepted_spans_stay_on_disk_until_they_are_stored(otel_config: Json, services: Json) -> None:
    exporter = otel_config["exporters"]["otlp"]
    assert exporter["sending_queue"]["storage"] == "file_storage"
    assert exporter["retry_on_failure"]["max_elapsed_time"] == "0s"
    assert otel_config["extensions"]["file_storage"]["fsync"] is True
    directory = otel_config["extensions"]["file_storage"]["directory"]
    assert f"queue:{directory}" in services["otel-collector"]["volumes"]
    # A batch that waits in memory would be lost though its sender was told that it was accepted.
    assert "batch" not in otel_config["processors"]


def test_ports_are_those_that_are_published_asked_and_scraped(otel_config: Json, services: Json) -> None:
    service = services["otel-collector"]
    protocols = otel_config["receivers"]["otlp"]["protocols"]
    taken = {protocol["endpoint"].rpartition(":")[2] for protocol in protocols.values()}
    assert taken == {port.rpartition(":")[2] for port in service["ports"]}
    health = otel_config["extensions"]["health_check"]["endpoint"].rpartition(":")[2]
    assert any(f":{health}/" in word for word in service["healthcheck"]["test"])
    reader = otel_config["service"]["telemetry"]["metrics"]["readers"][0]["pull"]["exporter"]["prometheus"]
    scraped = [target for entry in load(COMPOSE / "telltale.toml").prometheus.scrape for target in entry.targets]
    assert f"otel-collector:{reader['port']}" in scraped


def test_its_memory_stays_below_the_container_s(otel_config: Json, services: Json) -> None:
    assert otel_config["processors"]["memory_limiter"]["limit_mib"] < int(services["otel-collector"]["mem_limit"][:-1])


def test_its_configuration_is_mounted_where_it_looks(services: Json) -> None:
    service = services["otel-collector"]
    path = service["command"][0].removeprefix("--config=")
    assert f"./otel-collector/config.yaml:{path}:ro" in service["volumes"]
