"""How fast feedback is imported from a file, and in how much memory.

`python -m benchmarks.imports [ROWS]` writes a CSV file of so many votes with comments (default: 200,000), imports it
into a new SQLite store in a process of its own, twice, and prints records a second and the process's largest memory.
"""

from __future__ import annotations

import random
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from telltale.store import open_store


def main(rows: int) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "telltale.toml").write_text(f'data_dir = "{folder}"\n')
        open_store(f"sqlite:///{folder / 'telltale.db'}").close()
        write(folder / "votes.csv", rows)
        size = (folder / "votes.csv").stat().st_size
        for what in ("new", "known"):
            began = time.perf_counter()
            run(folder)
            took = time.perf_counter() - began
            memory = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
            print(f"{what}: {rows:,} records ({size / 1e6:,.0f} MB), {rows / took:,.0f} a second, {memory:,.0f} MiB")


def write(path: Path, rows: int) -> None:
    made = random.Random(1)
    with path.open("w") as file:
        file.write("trace_id,kind,value,comment,subject,received_at\n")
        for number in range(rows):
            comment = f"the parcel came late, and the answer number {number} was not right"
            trace = f"{made.getrandbits(128):032x}"
            file.write(f'{trace},thumb,{number % 2},"{comment}",u{number % 1000},{1777636800 + number % 100_000}\n')


def run(folder: Path) -> None:
    command = [sys.executable, "-m", "telltale", "--config", str(folder / "telltale.toml"), "import", "feedback"]
    subprocess.run([*command, str(folder / "votes.csv"), "--from", "csv", "--tenant", "shop"], check=True)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 200_000)
