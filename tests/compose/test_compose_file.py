"""The compose files against the Compose specification, and against everything that they refer to."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from compose_spec import PyCompose

from telltale.cli import COMMANDS
from telltale.cli.healthy import PATHS
from telltale.settings import Settings, env_names

Json = dict[str, Any]
ROOT = Path(__file__).parents[2]
COMPOSE = ROOT / "compose"
ONE_SHOT = {"prepare"}
PUBLISHED = {"web": {"8080"}, "otel-collector": {"4317", "4318"}}


def parse(text: str) -> PyCompose:
    """Read strictly, with variables at their defaults: an unknown key or a wrong type is an error."""
    filled = re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", text)
    return PyCompose.from_yaml(yaml.safe_dump(yaml.safe_load(filled)))


def binds(service: Json) -> Iterator[tuple[str, str, str]]:
    """(source, target, mode) of each volume."""
    for volume in service.get("volumes") or []:
        source, target, *mode = volume.split(":")
        yield source, target, mode[0] if mode else "rw"


def test_the_file_follows_the_specification() -> None:
    found = parse((COMPOSE / "compose.yaml").read_text())
    found.validate_networks()
    found.validate_volumes()
    found.validate_secrets()
    found.validate_configs()


@pytest.mark.parametrize("name", ["compose.gpu.yaml", "compose.grafana.yaml", "compose.receivers.yaml"])
def test_an_addition_follows_the_specification_and_adds_to_known_services(name: str, services: Json) -> None:
    text = (COMPOSE / name).read_text()
    parse(text)
    added = yaml.safe_load(text)["services"]
    assert set(added) <= set(services)
    for service in added.values():
        assert set(service.get("networks") or []) <= {"edge", "inner", "store"}


def test_the_reader_refuses_what_the_specification_does_not_know() -> None:
    with pytest.raises(Exception, match="imagee"):
        parse("services: {a: {image: x, imagee: y}}")


def test_every_part_of_telltale_runs() -> None:
    commands = {
        service["command"][0]
        for service in yaml.safe_load((COMPOSE / "compose.yaml").read_text())["services"].values()
        if service.get("image", "").startswith("telltale-") and "entrypoint" not in service
    }
    assert {"collect", "gpu", "monitor", "web", "tickets"} <= commands


def test_commands_exist(services: Json) -> None:
    for name, service in services.items():
        if "build" not in service or service["build"]["target"] != "part":
            continue
        text = " ".join(service["command"])
        called = re.findall(r"telltale ([\w-]+)", text) if "entrypoint" in service else [service["command"][0]]
        assert called, name
        assert set(called) <= set(COMMANDS), name


def test_images_are_pinned(services: Json) -> None:
    for name, service in services.items():
        if "build" not in service:
            assert re.search(r":v?\d+\.\d+(\.\d+)?(-[a-z]+)?$", service["image"]), name


def test_extras_exist(services: Json) -> None:
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    for name, service in services.items():
        asked = (service.get("build") or {}).get("args", {}).get("EXTRAS", "")
        assert set(filter(None, asked.split(","))) <= set(extras), name
    assert services["gpu"]["build"]["args"]["EXTRAS"] == "gpu"


def test_builds_start_from_files_that_exist(services: Json) -> None:
    for name, service in services.items():
        if "build" in service:
            context = (COMPOSE / service["build"]["context"]).resolve()
            assert context == ROOT, name
            assert (context / service["build"]["dockerfile"]).is_file(), name


def test_everything_that_is_mounted_exists(compose: Json, services: Json) -> None:
    for name, service in services.items():
        for source, _, mode in binds(service):
            if source.startswith("."):
                assert (COMPOSE / source).is_file(), (name, source)
                assert mode == "ro", (name, source)
            else:
                assert source in compose["volumes"], (name, source)
    mounted = {source for service in services.values() for source, _, _ in binds(service)}
    assert set(compose["volumes"]) <= mounted
    asked = {secret for service in services.values() for secret in service.get("secrets") or []}
    assert asked == set(compose["secrets"])


def test_environment_names_settings_that_exist(services: Json) -> None:
    for name, service in services.items():
        for variable in service.get("environment") or {}:
            if variable.startswith("TELLTALE_"):
                assert variable in env_names(), name


def test_only_pages_and_otlp_are_published_on_loopback_by_default(services: Json) -> None:
    published = {
        name: {port.rpartition(":")[2] for port in service["ports"]}
        for name, service in services.items()
        if service.get("ports")
    }
    assert published == PUBLISHED
    for name in published:
        assert all(port.startswith("${BIND_ADDRESS:-127.0.0.1}:") for port in services[name]["ports"])
        assert "edge" in services[name]["networks"]


def test_every_service_is_hardened(services: Json) -> None:
    for name, service in services.items():
        assert service["read_only"] is True, name
        assert service["cap_drop"] == ["ALL"], name
        assert "no-new-privileges:true" in service["security_opt"], name
        assert "privileged" not in service, name
        assert "cap_add" not in service, name
        assert "mem_limit" in service, name
        assert any(mount.startswith("/tmp:") for mount in service["tmpfs"]), name
        assert not [source for source, _, _ in binds(service) if "docker.sock" in source], name


def test_every_long_running_service_has_a_health_check(services: Json) -> None:
    for name, service in services.items():
        if name in ONE_SHOT:
            assert not service["restart"].startswith(("always", "unless")), name
            continue
        test = service["healthcheck"]["test"]
        assert test[0] == "CMD", name
        if test[1] == "telltale":
            assert test[2] == "healthy", name
            assert test[3] == service["command"][0], name
            assert test[3] in PATHS, name


def test_dependencies_can_be_met(services: Json) -> None:
    for name, service in services.items():
        for other, need in (service.get("depends_on") or {}).items():
            if need["condition"] == "service_healthy":
                assert "healthcheck" in services[other], (name, other)
            else:
                assert other in ONE_SHOT, (name, other)


def test_only_who_needs_the_store_can_reach_it(services: Json) -> None:
    near = {name for name, service in services.items() if "store" in service["networks"]}
    holding = {name for name, service in services.items() if "store_url" in (service.get("secrets") or [])}
    assert near == holding | {"postgres"}


def test_no_secret_stands_in_a_file(services: Json) -> None:
    for service in services.values():
        for variable, value in (service.get("environment") or {}).items():
            if re.search(r"PASSWORD|TOKEN|SECRET|KEY", variable):
                assert str(value).startswith("/run/secrets/"), variable


def test_prometheus_keeps_data_as_long_as_the_settings_say(services: Json) -> None:
    days = int(Settings().prometheus.retention // 86400)
    assert f"--storage.tsdb.retention.time={days}d" in services["prometheus"]["command"]
