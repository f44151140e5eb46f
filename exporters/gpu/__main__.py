"""The exporter's own processes: `python -S -m exporters.gpu <settings as JSON>`. Standard library only."""

from __future__ import annotations

import sys

from exporters.gpu.config import parse
from exporters.gpu.exporter import run

if __name__ == "__main__":
    sys.exit(run(parse(sys.argv[1])))
