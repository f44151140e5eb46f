"""`telltale demo`: the whole loop on this machine, with traffic of a small Model-as-a-Service.

Nothing between span and ticket knows that it is a demo: the demo is a settings file (short windows, fast scrape) and
traffic from outside.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from telltale import exits, private
from telltale.cli import stack
from telltale.cli.demo.config import GPUS, write_settings
from telltale.cli.up import only_one, prepare
from telltale.serving.listen import on_stop
from telltale.settings import Settings, load
from telltale.supervise import Supervisor

if TYPE_CHECKING:
    from telltale.cli.demo.story import Reading, Story
    from telltale.cli.demo.traffic import Traffic
    from telltale.store import Store

STORY_LIMIT = 180.0
TICK = 0.2
READ_EVERY = 1.0


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--exit", action="store_true", help="end when the story is over: 0 if it came true, else 1")
    parser.add_argument(
        "--no-drift", action="store_true", help="send the same healthy traffic only; no ticket may open"
    )
    parser.add_argument(
        "--minutes", type=float, default=10.0, help="how long --no-drift --exit watches (default: %(default)s)"
    )
    parser.add_argument(
        "--folder", type=Path, help="where the demo keeps its data, emptied first (default: <data_dir>/demo)"
    )
    parser.add_argument("--seed", type=int, default=1, help="seed of the traffic (default: %(default)s)")


def run(args: argparse.Namespace) -> int:
    from telltale.store import open_configured

    base = load(args.config)
    folder = args.folder or base.data_dir / "demo"
    began = time.monotonic()
    with only_one(folder):
        file = write_settings(base, folder)
        settings = load(file)
        prepare(settings)
        store = open_configured(settings)
        try:
            return _Demo(settings, file, args, store, began).run()
        finally:
            store.close()


def make_keys(store: Store) -> dict[str, str]:
    """An API key for each tenant, as `telltale key add` makes it."""
    from telltale.cli.demo.traffic import TENANTS
    from telltale.web import people

    scopes, now = ["feedback:write"], time.time()
    return {
        tenant: people.add_key(store, name=f"{tenant}-app", tenant=tenant, scopes=scopes, actor="demo", now=now)
        for tenant in TENANTS
    }


class _Demo:
    """One run: the stack, the traffic, and the story as it unfolds in the terminal."""

    def __init__(self, settings: Settings, file: Path, args: argparse.Namespace, store: Store, began: float) -> None:
        from telltale.cli.demo.story import Reader
        from telltale.cli.demo.traffic import Traffic
        from telltale.web import first_start

        self._settings = settings
        self._args = args
        self._began = began
        self._log = open(settings.data_dir / "stack.log", "w", opener=private.opener)  # noqa: SIM115  # closed at the end
        self._supervisor = Supervisor(stack.processes(settings, file), self._log_line)
        self._reader = Reader(settings.prometheus_url, store)
        self._traffic: Traffic = Traffic(
            settings.collector.http_listen,
            settings.collector.grpc_listen,
            settings.web_url,
            make_keys(store),
            args.seed,
        )
        self._first_start = first_start.MARK
        self._stopped = False

    def run(self) -> int:
        on_stop(self._stop)
        self._introduce()
        try:
            self._wait_until_ready()
            self._traffic.start()
            return self._play()
        finally:
            self._say("stopping")
            self._traffic.stop()
            self._supervisor.stop()
            self._reader.close()
            self._log.close()

    def _play(self) -> int:
        from telltale.cli.demo.story import Story, drift_chapters, healthy_chapters
        from telltale.cli.demo.traffic import MODELS

        story = Story(healthy_chapters(len(MODELS)))
        self._follow(story, STORY_LIMIT)
        if self._args.no_drift:
            return self._watch_quiet(story)
        if not self._stopped and story.current is None:
            model = self._traffic.roll_out()
            self._say(f"rolling out {model.version}: new topics come in, worse responses go out")
            story.chapters += drift_chapters(self._settings.web_url)
            self._follow(story, STORY_LIMIT)
        return self._end(story)

    def _wait_until_ready(self) -> None:
        """Wait until the parts that traffic meets first respond: the collector and the web."""
        from telltale.cli.demo.story import is_ready

        waiting = [self._settings.collector.metrics_listen, self._settings.web.listen]
        while waiting and not self._stopped and self._elapsed() < STORY_LIMIT:
            self._supervisor.tick()
            self._progress("… starting")
            time.sleep(TICK)
            waiting = [address for address in waiting if not is_ready(address)]

    def _follow(self, story: Story, limit: float) -> None:
        """Run the stack until the story's chapters are all true, or its time is up."""
        while not self._stopped and story.current is not None and self._elapsed() < limit:
            before = story.current
            reading = self._read()
            for chapter in story.advance(reading, self._elapsed()):
                self._say(f"✓ {chapter.waiting}: {story.lines[chapter.name]}")
            if story.current is before:
                self._progress(f"… {before.waiting} ({reading.calls or 0:.0f} calls, {self._traffic.votes} votes)")

    def _watch_quiet(self, story: Story) -> int:
        if story.current is not None:
            return self._end(story)
        until = time.monotonic() + self._args.minutes * 60
        self._say("healthy traffic only: no ticket may open")
        while not self._stopped and (not self._args.exit or time.monotonic() < until):
            reading = self._read()
            if reading.tickets:
                number, title, _ = reading.tickets[0]
                self._say(f"✗ a ticket opened: {title} {self._settings.web_url}/tickets/{number}")
                return exits.FAILED
            self._progress(f"… quiet ({reading.calls or 0:.0f} calls, {reading.judged} series judged, 0 tickets)")
        self._say(f"✓ no ticket in {self._elapsed() / 60:.1f} minutes")
        return exits.OK

    def _end(self, story: Story) -> int:
        if story.current is not None and not self._stopped:
            self._say(f"✗ not within {STORY_LIMIT:.0f} s: {story.current.waiting}. {self._what_to_look_at()}")
            if self._args.exit:
                return exits.FAILED
        if self._args.exit:
            self._summarise(story)
            return exits.OK if story.current is None else exits.FAILED
        self._say("everything stays up; look around, then press Ctrl-C")
        while not self._stopped:
            self._read()
        return exits.OK

    def _read(self) -> Reading:
        """Keep the stack running for a while, then read the numbers of the loop."""
        until = time.monotonic() + READ_EVERY
        while time.monotonic() < until and not self._stopped:
            self._supervisor.tick()
            time.sleep(TICK)
        return self._reader.read()

    def _introduce(self) -> None:
        settings = self._settings
        self._say(f"pages and feedback API  {settings.web_url}")
        self._say(
            f"OTLP                    grpc {settings.collector.grpc_listen}, http {settings.collector.http_listen}"
        )
        self._say(f"Prometheus              {settings.prometheus_url}   Alertmanager {settings.alertmanager_url}")
        self._say(f"GPUs                    {GPUS} simulated, named so in every series")
        self._say(f"settings, data, logs    {settings.data_dir}")

    def _summarise(self, story: Story) -> None:
        print()
        for chapter in story.chapters:
            if chapter.name in story.times:
                print(f"  {story.times[chapter.name]:6.1f} s  {chapter.waiting}: {story.lines[chapter.name]}")

    def _what_to_look_at(self) -> str:
        """Where to look when the story does not go on."""
        bad = [state for state in self._supervisor.states() if state.blocked or state.failures]
        lines = [f"{state.name}: {' / '.join(state.last_lines[-3:])}" for state in bad]
        return "; ".join([*lines, f"the whole log: {self._log.name}"])

    def _say(self, text: str) -> None:
        self._clear()
        print(f"{self._elapsed():6.1f} s  {text}", flush=True)

    def _progress(self, text: str) -> None:
        # A line that is overwritten is for eyes only, not for files.
        if sys.stdout.isatty():
            self._clear()
            print(f"{self._elapsed():6.1f} s  {text}", end="", flush=True)

    def _clear(self) -> None:
        if sys.stdout.isatty():
            print("\r\x1b[2K", end="")

    def _log_line(self, name: str, line: str) -> None:
        if name == "web" and line.startswith(self._first_start):
            # For who started the demo, not for the log.
            self._say(line)
        elif not self._log.closed:
            self._log.write(f"{name:<13}| {line}\n")
            self._log.flush()

    def _stop(self) -> None:
        self._stopped = True

    def _elapsed(self) -> float:
        return time.monotonic() - self._began
