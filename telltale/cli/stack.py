"""The whole stack as a list of processes, and the configuration that they read."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import exporters
from telltale import private
from telltale.binaries import find, how_to_get
from telltale.cli import alertmanager
from telltale.serving import holders
from telltale.serving.listen import AddressError, listen, parse_address
from telltale.settings import Settings, SettingsError, consistency
from telltale.supervise import Process

GPU_RULES = Path(exporters.__file__).parent / "gpu" / "recording.yml"


def generated(settings: Settings) -> Path:
    """The folder of generated configuration."""
    return settings.data_dir / "generated"


def write_configuration(settings: Settings) -> None:
    """Write the files that Prometheus and Alertmanager read. Raises SettingsError where their own tools reject them."""
    import alerting.config.alertmanager
    import alerting.config.fragment
    import alerting.config.message
    import alerting.config.prometheus
    import alerting.rules

    fragment = alerting.config.fragment.read(settings.alertmanager.fragment_file)
    folder = generated(settings)
    private.make_folder(settings.data_dir)
    folder.mkdir(exist_ok=True)
    write_targets(settings)
    _write(folder / "rules.yml", alerting.rules.render(settings))
    _write(folder / "gpu.yml", GPU_RULES.read_text())
    rules = [folder / "rules.yml", folder / "gpu.yml"]
    _write(folder / "prometheus.yml", alerting.config.prometheus.render(settings, rules, folder / "targets"))
    _write(folder / "alertmanager.yml", alerting.config.alertmanager.render(settings, fragment))
    _write(folder / alerting.config.message.FILE, alerting.config.message.render(settings))
    if faults := [*alertmanager.too_old(settings)] or [*config_errors(settings)]:
        raise SettingsError("\n".join(faults))


def write_targets(settings: Settings) -> None:
    """Write the inference servers to scrape, one file each, as Prometheus' file service discovery reads them."""
    import alerting.config.prometheus

    folder = generated(settings) / "targets"
    folder.mkdir(parents=True, exist_ok=True)
    # Prometheus watches this folder, and `_write` renames: it never reads half a file.
    _write(folder / "inference.json", json.dumps(alerting.config.prometheus.targets(settings), indent=2) + "\n")


def config_errors(settings: Settings) -> Iterator[str]:
    """What promtool and amtool find wrong in the generated configuration; nothing where they are missing or too old."""
    folder = generated(settings)
    checks = (
        ("promtool", ["check", "config", str(folder / "prometheus.yml")]),
        ("amtool", ["check-config", str(folder / "alertmanager.yml")]),
    )
    for tool, arguments in checks:
        binary = find(settings, "promtool" if tool == "promtool" else "amtool")
        if binary is None or (tool == "amtool" and alertmanager.outdated_amtool(settings)):
            continue
        done = subprocess.run([binary, *arguments], capture_output=True, text=True, timeout=60, check=False)
        if done.returncode:
            yield f"{arguments[-1]}: {tool} refuses it: {(done.stdout + done.stderr).strip()}"


def processes(settings: Settings, config: Path | None) -> list[Process]:
    """What `telltale up` keeps running. Raises SettingsError when Prometheus or Alertmanager is missing."""
    command = [sys.executable, "-m", "telltale", *(["--config", str(config.absolute())] if config else [])]
    parts = [Process(part, [*command, part], listens=address) for part, address in part_addresses(settings).items()]
    return [*_alertmanager(settings), *parts, *_prometheus(settings), *_grafana(settings)]


def part_addresses(settings: Settings) -> dict[str, str]:
    """Where each part serves its health page."""
    return {
        "collect": settings.collector.metrics_listen,
        "gpu": settings.gpu.listen,
        "monitor": settings.monitor.listen,
        "tickets": settings.tickets.listen,
        "web": settings.web.listen,
    }


def addresses(settings: Settings) -> dict[str, str]:
    """Every address that the stack listens on, by setting."""
    grafana = {"grafana.listen": settings.grafana.listen} if find(settings, "grafana") else {}
    return consistency.addresses(settings) | grafana


def unusable(settings: Settings) -> list[str]:
    """One line for each of the stack's addresses that cannot be listened on now."""
    found = addresses(settings)
    lines = list(consistency.shared_ports(found))
    for key, address in found.items():
        if parse_address(address)[1] == 0:
            lines.append(f"{key} = {address}: Prometheus and people must know the port; name one")
            continue
        try:
            listen(key, address).close()
        except AddressError as error:
            holder = holders.of_port(parse_address(address)[1])
            lines.append(f"{error} (held by {holder})" if holder else str(error))
    return lines


def _prometheus(settings: Settings) -> list[Process]:
    if settings.prometheus.url:
        return []
    binary = find(settings, "prometheus")
    if binary is None:
        raise SettingsError(f"prometheus: not found; {how_to_get('prometheus')}, or set prometheus.url")
    return [
        Process(
            "prometheus",
            [
                str(binary.absolute()),
                f"--config.file={generated(settings).absolute() / 'prometheus.yml'}",
                f"--storage.tsdb.path={settings.data_dir.absolute() / 'prometheus'}",
                f"--storage.tsdb.retention.time={int(settings.prometheus.retention)}s",
                f"--web.listen-address={settings.prometheus.listen}",
                "--enable-feature=exemplar-storage",
                "--log.level=warn",
            ],
            exit_codes_blocked=frozenset(),
            listens=settings.prometheus.listen,
        )
    ]


def _alertmanager(settings: Settings) -> list[Process]:
    if settings.alertmanager.url:
        return []
    binary = find(settings, "alertmanager")
    if binary is None:
        raise SettingsError(f"alertmanager: not found; {how_to_get('alertmanager')}, or set alertmanager.url")
    return [
        Process(
            "alertmanager",
            [
                str(binary.absolute()),
                f"--config.file={generated(settings).absolute() / 'alertmanager.yml'}",
                f"--storage.path={settings.data_dir.absolute() / 'alertmanager'}",
                f"--web.listen-address={settings.alertmanager.listen}",
                # Empty: no gossip, which would listen on every interface.
                "--cluster.listen-address=",
                # The notification log is saved this often: a crash in between can lose a "resolved".
                "--data.maintenance-interval=15s",
                *_named_counters(settings),
                "--log.level=warn",
            ],
            exit_codes_blocked=frozenset(),
            listens=settings.alertmanager.listen,
        )
    ]


def _named_counters(settings: Settings) -> list[str]:
    """With their receiver's name Alertmanager's counters tell which of two of one kind failed."""
    found = alertmanager.version(settings) if settings.receivers else None
    return ["--enable-feature=receiver-name-in-metrics"] if found and found >= (0, 27) else []


def _grafana(settings: Settings) -> list[Process]:
    binary = find(settings, "grafana")
    if binary is None:
        return []
    import dashboards

    folder = settings.data_dir.absolute() / "grafana"
    environment = dashboards.provision(settings, folder)
    home = binary.resolve().parent.parent
    server = ["server"] if binary.name == "grafana" else []
    command = [str(binary.absolute()), *server, f"--homepath={home}"]
    return [Process("grafana", command, environment, exit_codes_blocked=frozenset(), listens=settings.grafana.listen)]


def _write(path: Path, text: str) -> None:
    temporary = path.with_name(path.name + ".new")
    with open(temporary, "w", opener=private.opener) as file:
        file.write(text)
    temporary.replace(path)
