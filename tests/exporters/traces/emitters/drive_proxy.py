"""LiteLLM's proxy with tracing, and an application without tracing in front of it: `drive_proxy.py`."""

from __future__ import annotations

import json
import os
import secrets
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import calls
import httpx
import openai
from support.fake_provider import UPSTREAM
from support.ports import free_port

KEY = f"sk-{secrets.token_hex(16)}"
LITELLM = Path(sys.executable).with_name("litellm")


def config() -> dict[str, object]:
    models = [
        {
            "model_name": case.name,
            "litellm_params": {
                "model": f"openai/{UPSTREAM}{case.name}",
                "api_base": f"{calls.provider_address()}/v1",
                "api_key": "none",
                "max_retries": 0,
            },
        }
        for case in calls.cases()
    ]
    return {
        "model_list": models,
        "litellm_settings": {"callbacks": ["otel"], "num_retries": 0},
        "general_settings": {"master_key": KEY},
        "router_settings": {"num_retries": 0, "disable_cooldowns": True},
    }


def wait_until_ready(address: str, proxy: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 90
    while proxy.poll() is None and time.monotonic() < deadline:
        try:
            if httpx.get(f"{address}/health/liveliness").status_code == 200:
                return
        except httpx.HTTPError:
            pass
        time.sleep(0.1)
    raise SystemExit("the proxy did not start")


def main() -> None:
    port = free_port()
    address = f"http://127.0.0.1:{port}"
    with tempfile.TemporaryDirectory() as folder:
        written = Path(folder) / "config.yaml"
        written.write_text(json.dumps(config()))
        command = [LITELLM, "--config", written, "--host", "127.0.0.1", "--port", str(port)]
        proxy = subprocess.Popen(command, stdout=sys.stderr, cwd=folder, env=os.environ)
        try:
            wait_until_ready(address, proxy)
            calls.openai_calls(openai.OpenAI(base_url=f"{address}/v1", api_key=KEY, max_retries=0))
        finally:
            proxy.send_signal(signal.SIGINT)
            proxy.wait(60)


if __name__ == "__main__":
    main()
