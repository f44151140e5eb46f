#!/bin/sh
# Installs Telltale with some extras into a new environment: `build.sh EXTRAS TARGET`, run in the project's root.
# Every package comes at the version and with the hash that requirements.lock pins, and only those that EXTRAS need.
set -eu
export UV_PYTHON_DOWNLOADS=never
extras=$1
target=$2
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# The collector's per-span path is compiled where a compiler is: four times less CPU a span.
case $extras in *traces*) command -v gcc >/dev/null && export TELLTALE_COMPILE=1 ;; esac
uv build --quiet --wheel --require-hashes --build-constraints requirements.lock --out-dir "$work" .
wheel=$(echo "$work"/*.whl)
hash=$(sha256sum "$wheel" | cut -d' ' -f1)
echo "telltale-llm[$extras] @ file://$wheel --hash=sha256:$hash" >"$work/part.txt"

uv venv --quiet --no-project --python python3 "$target"
uv pip install --quiet --python "$target/bin/python" --link-mode copy --compile-bytecode \
  --require-hashes --constraints requirements.lock --requirements "$work/part.txt"

# Our folders have generic names: no other distribution may bring one of them.
"$target/bin/python" - <<'PYTHON'
from importlib.metadata import packages_distributions

owners = packages_distributions()
for name in ("telltale", "exporters", "monitors", "alerting", "dashboards", "feedback"):
    if owners[name] != ["telltale-llm"]:
        raise SystemExit(f"{name} comes from {owners[name]}")
PYTHON
