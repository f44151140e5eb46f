"""All dashboards as JSON files: `python -m dashboards.build [--check]` writes, or compares, the committed ones."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from dashboards import collector, models, overview, slo, stack, tenants
from dashboards.gpu import board as gpu
from telltale import exits
from telltale.settings import Settings

FOLDER = Path(__file__).parent / "json"
PAGES = {
    "overview": overview.build,
    "slo": slo.build,
    "models": models.build,
    "tenants": tenants.build,
    "gpu": gpu.build,
    "collector": collector.build,
    "stack": stack.build,
}


def render(pages_url: str) -> dict[str, str]:
    """File name to JSON text of every dashboard; `pages_url` is where Telltale's own pages are."""
    return {
        f"{name}.json": json.dumps(build(pages_url), indent=2, ensure_ascii=False) + "\n"
        for name, build in PAGES.items()
    }


def main() -> int:
    """Returns 1 when `--check` finds a file that differs."""
    files = render(Settings().web_url)
    if "--check" in sys.argv[1:]:
        stale = [name for name, text in files.items() if not _same(FOLDER / name, text)]
        print("\n".join(f"{name}: run `python -m dashboards.build`" for name in stale), end="")
        return exits.FAILED if stale else exits.OK
    FOLDER.mkdir(exist_ok=True)
    for name, text in files.items():
        (FOLDER / name).write_text(text)
    return exits.OK


def _same(path: Path, text: str) -> bool:
    return path.is_file() and path.read_text() == text


if __name__ == "__main__":
    raise SystemExit(main())
