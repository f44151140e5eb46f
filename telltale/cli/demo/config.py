"""The demo's settings file: what a real installation has, with short windows, a fast scrape and free ports."""

from __future__ import annotations

import shutil
import socket
from pathlib import Path

from telltale import private
from telltale.binaries import find, how_to_get
from telltale.settings import Settings, SettingsError

GPUS = 4


def write_settings(base: Settings, folder: Path) -> Path:
    """Empty the demo's folder and write its settings there. Raises SettingsError when a component is missing."""
    for component in ("prometheus", "alertmanager"):
        if find(base, component) is None:
            raise SettingsError(f"{component}: not found; {how_to_get(component)}")
    for entry in folder.iterdir():
        if entry.name == "up.lock":
            continue
        shutil.rmtree(entry) if entry.is_dir() else entry.unlink()
    file = folder / "telltale.toml"
    with open(file, "w", opener=private.opener) as written:
        written.write(settings_text(base, folder))
    return file


def settings_text(base: Settings, folder: Path) -> str:
    """The demo's settings: what a real installation has, with short windows, a fast scrape and free ports."""
    found = {name: find(base, name) for name in ("prometheus", "promtool", "alertmanager", "amtool")}
    ports = _Ports()
    binary = {name: f'"{path.absolute()}"' for name, path in found.items() if path}
    return f"""\
# Made by `telltale demo`. The path from span to ticket knows only these settings.
data_dir = "{folder.absolute()}"
log_level = "warning"

[collector]
http_listen = "{ports.free(base.collector.http_listen)}"
grpc_listen = "{ports.free(base.collector.grpc_listen)}"
metrics_listen = "{ports.free(base.collector.metrics_listen)}"
service_models = {{ support-vllm = "support" }}

[sampling]
per_minute = 600

[gpu]
listen = "{ports.free(base.gpu.listen)}"
simulate = {GPUS}

[monitor]
listen = "{ports.free(base.monitor.listen)}"
interval = "2s"
window = "10s"
min_rows = 40
reference_rows = 300
reference_span = "0s"
min_votes = 15
reference_votes = 60
alpha = 0.001
persistence = [2, 3]

[alerts]
hold = "4s"
keep = "60s"
group_wait = "1s"
group_interval = "5s"

[web]
listen = "{ports.free(base.web.listen)}"

[tickets]
listen = "{ports.free(base.tickets.listen)}"
reconcile = "10s"
close_hold = "60s"

[prometheus]
listen = "{ports.free(base.prometheus.listen)}"
scrape_interval = "1s"
binary = {binary["prometheus"]}
{f"promtool = {binary['promtool']}" if "promtool" in binary else ""}

[alertmanager]
listen = "{ports.free(base.alertmanager.listen)}"
binary = {binary["alertmanager"]}
{f"amtool = {binary['amtool']}" if "amtool" in binary else ""}

[grafana]
listen = "{ports.free(base.grafana.listen)}"

[[prices]]
model = "support*"
input = 0.10
output = 0.30

[[prices]]
model = "coder*"
input = 0.20
output = 0.60
"""


class _Ports:
    """Chooses the default port, or a free one where it is taken."""

    def __init__(self) -> None:
        self._given: set[int] = set()

    def free(self, address: str) -> str:
        port = int(address.rpartition(":")[2])
        while port in self._given or not _is_free(port):
            with socket.socket() as probe:
                probe.bind(("127.0.0.1", 0))
                port = probe.getsockname()[1]
        self._given.add(port)
        return f"127.0.0.1:{port}"


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
