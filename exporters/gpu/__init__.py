"""GPU metrics from NVML: no driver call can hang the page, no GPU can blank the others."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from exporters.gpu.config import Config, dump

if TYPE_CHECKING:
    from telltale.settings import Settings

ROOT = Path(__file__).resolve().parents[2]


def main(settings: Settings, once: bool = False, simulate: int | None = None) -> int:
    """Become the exporter: this process is replaced by a lean one and never returns from here.

    The command has imported the settings' library by now, some 20 MiB that a process on every GPU node should not keep.
    """
    command = arguments(from_settings(settings, once, simulate))
    sys.stdout.flush()
    sys.stderr.flush()
    os.execve(command[0], command, environment())  # noqa: S606  # our own interpreter, by its full path


def from_settings(settings: Settings, once: bool = False, simulate: int | None = None) -> Config:
    """The `[gpu]` table as plain values."""
    gpu = settings.gpu
    return Config(
        listen=gpu.listen,
        interval=gpu.interval,
        watchdog=gpu.watchdog,
        simulate=gpu.simulate if simulate is None else simulate,
        library=gpu.library,
        pod_resources_socket=gpu.pod_resources_socket,
        container_logs=gpu.container_logs,
        owners={name: {str(key): value for key, value in who.items()} for name, who in gpu.owners.items()},
        web_config=str(gpu.web_config.absolute()) if gpu.web_config else "",
        allowed_hosts=tuple(sorted(settings.host_names)),
        kmsg=gpu.kmsg,
        mismatch_exit=gpu.mismatch_exit,
        log_level=settings.log_level,
        once=once,
    )


def arguments(config: Config) -> list[str]:
    """The command line of the lean process. Site packages are left out unless the web-config's YAML needs them."""
    lean = [] if config.web_config else ["-S"]
    return [sys.executable, *lean, "-m", "exporters.gpu", dump(config)]


def environment() -> dict[str, str]:
    """The environment, with this package findable."""
    paths = [str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}
