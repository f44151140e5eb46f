"""The page that is served: the sampler's series, then what only the parent knows. No driver, no file, no network."""

from __future__ import annotations

import json
import re
from typing import Any, NamedTuple

from exporters.gpu.config import Config
from exporters.gpu.expose.dcgm import OWNER_MARK
from exporters.gpu.owners.ownership import Owners
from exporters.gpu.series import family, header, label
from exporters.gpu.shared_page import Snapshot
from exporters.gpu.watch import Watch
from telltale.catalogue.gpu import EXPORTER

_FAMILIES = {metric.name: metric for metric in EXPORTER}
_SCRAPES = header(_FAMILIES["telltale_gpu_scrapes_total"]) + (
    'telltale_gpu_scrapes_total{path="/metrics"%s} %d\ntelltale_gpu_scrapes_total{path="/metrics/dcgm"%s} %d\n'
)
_AGE = header(_FAMILIES["telltale_gpu_sample_age_seconds"]) + "telltale_gpu_sample_age_seconds%s %.3f\n"
_PLACE = re.compile(f"{OWNER_MARK}([^{OWNER_MARK}]*){OWNER_MARK}".encode())


class Known(NamedTuple):
    """A GPU that was seen once. `labels` as on its series."""

    gpu: int
    labels: str


class Board:
    """What is known of the GPUs, and the text of both pages. `update` at every tick; `native` and `compat` at will."""

    def __init__(self, config: Config, watch: Watch, owners: Owners) -> None:
        self._config, self._watch, self._owners = config, watch, owners
        self._extra = label("simulated", "true") if config.simulate else ""
        self.known: dict[str, Known] = {}
        self.facts: dict[str, Any] = {}
        self._sequence = -1
        self._own = b""
        self._written: object = None
        self.scrapes = {"/metrics": 0, "/metrics/dcgm": 0}

    def update(self, now: float) -> None:
        """Take in the newest reading and write our own families anew."""
        snapshot = self._watch.refresh()
        if snapshot is not None and snapshot.sequence and snapshot.sequence != self._sequence:
            self._sequence = snapshot.sequence
            self._read_facts(json.loads(snapshot.facts))
            self._owners.account(self.facts["gpus"], now)
            self._written = None
        state = self._state(snapshot, now)
        if state != self._written:
            self._written = state
            self._own = self._write(snapshot, now).encode()

    def _state(self, snapshot: Snapshot | None, now: float) -> object:
        """What, beside a new reading, changes our families."""
        watch = self._watch
        quarantined = [(gpu, quarantine.call) for gpu, quarantine in watch.quarantined.items()]
        sources = list(self._owners.sources())
        alive = watch.child is not None and self.fresh(snapshot, now)
        return alive, watch.error, quarantined, list(watch.restarts.values()), len(watch.abandoned), sources

    def fresh(self, snapshot: Snapshot | None, now: float) -> bool:
        return snapshot is not None and now - snapshot.at <= self._config.stale_after

    def native(self, now: float) -> tuple[bytes, ...]:
        self.scrapes["/metrics"] += 1
        snapshot = self._watch.refresh()
        series = snapshot.native if snapshot is not None and self.fresh(snapshot, now) else b""
        return series, self._own, self._per_scrape(snapshot, now)

    def compat(self, now: float) -> bytes:
        self.scrapes["/metrics/dcgm"] += 1
        snapshot = self._watch.refresh()
        if snapshot is None or not self.fresh(snapshot, now):
            return b""
        texts = self._owners.places(self.facts.get("gpus", ()))
        return _PLACE.sub(lambda place: texts.get(place[1], b""), snapshot.dcgm)

    def _read_facts(self, facts: dict[str, Any]) -> None:
        self.facts = facts
        for gpu in facts["gpus"]:
            labels = f'gpu="{gpu["index"]}"{label("uuid", gpu["uuid"])}{self._extra}'
            self.known[gpu["uuid"]] = Known(gpu["index"], labels)

    def _per_scrape(self, snapshot: Snapshot | None, now: float) -> bytes:
        """What is another with each scrape."""
        native, compat = self.scrapes.values()
        text = _SCRAPES % (self._extra, native, self._extra, compat)
        if snapshot is not None:
            labels = f"{{{self._extra[1:]}}}" if self._extra else ""
            text += _AGE % (labels, max(0.0, now - snapshot.at))
        return text.encode()

    def states(self, snapshot: Snapshot | None, now: float) -> list[tuple[str, int, str]]:
        """(labels, index, state) of every GPU that was ever seen, or that cannot be opened."""
        fresh, quarantined, missing = self.fresh(snapshot, now), self._watch.quarantined, self._missing()
        current = {gpu["uuid"]: gpu["state"] for gpu in self.facts.get("gpus", ())}
        states = {}
        for uuid, known in self.known.items():
            here = current.get(uuid)
            if known.gpu in quarantined:
                here = "hung"
            elif not fresh:
                here = "unknown"
            states[uuid] = here or missing.get(known.gpu, "gone")
        found = [(self.known[uuid].labels, self.known[uuid].gpu, state) for uuid, state in states.items()]
        named = {known.gpu for known in self.known.values()}
        found += [
            (self.labels(index), index, "hung" if index in quarantined else missing[index])
            for index in {*missing, *quarantined} - named
        ]
        return sorted(found, key=lambda one: one[1])

    def _missing(self) -> dict[int, str]:
        missing: dict[str, str] = self.facts.get("missing", {})
        return {int(index): "lost" if why == "lost" else "error" for index, why in missing.items()}

    def labels(self, index: int) -> str:
        known = next((known for known in self.known.values() if known.gpu == index), None)
        return known.labels if known else f'gpu="{index}",uuid=""{self._extra}'

    def forget(self) -> None:
        """Take the next reading as the first: what was known before is not missed."""
        self.known, self.facts, self._written = {}, {}, None

    def _write(self, snapshot: Snapshot | None, now: float) -> str:
        fresh, states = self.fresh(snapshot, now), self.states(snapshot, now)
        up: list[tuple[str, float]] = [(labels, int(state == "ok")) for labels, _, state in states]
        quarantined = self._watch.quarantined
        extra = self._extra
        samples: dict[str, list[tuple[str, float]]] = {
            "telltale_gpu_up": up,
            "telltale_gpu_state": [(labels + label("state", state), 1) for labels, _, state in states],
            "telltale_gpu_sampler_up": [(extra[1:], int(fresh and self._watch.child is not None))],
            "telltale_gpu_devices": [
                (f'kind="seen"{extra}', sum(state == "ok" for _, _, state in states)),
                (f'kind="expected"{extra}', len(states)),
            ],
            "telltale_gpu_quarantined": [
                (self.labels(index) + label("call", quarantined[index].call), 1) for index in sorted(quarantined)
            ],
            "telltale_gpu_errors_total": self._errors(),
            "telltale_gpu_slow_call": [
                (self.labels(gpu["index"]) + label("call", call), 1)
                for gpu in self.facts.get("gpus", ())
                for call in gpu["slow"]
            ],
            "telltale_gpu_sampler_restarts_total": [
                (label("reason", reason)[1:] + extra, count) for reason, count in self._watch.restarts.items()
            ],
            "telltale_gpu_abandoned_processes": [(extra[1:], len(self._watch.abandoned))],
            "telltale_gpu_last_error_info": [(label("error", error)[1:] + extra, 1) for error in self._reasons(fresh)],
            "telltale_gpu_owners_up": [(label("source", name)[1:] + extra, up) for name, up in self._owners.sources()],
        }
        if snapshot is not None:
            samples["telltale_gpu_sample_duration_seconds"] = [(extra[1:], round(snapshot.duration, 6))]
            samples["telltale_gpu_samples_total"] = [(extra[1:], snapshot.sequence)]
        return "".join(family(_FAMILIES[name], found) for name, found in samples.items()) + self._owners.text(extra)

    def _reasons(self, fresh: bool) -> list[str]:
        if self._watch.error:
            return [self._watch.error]
        return [] if fresh else ["readings are too old to be shown"]

    def _errors(self) -> list[tuple[str, float]]:
        by_uuid = {uuid: known.labels for uuid, known in self.known.items()}
        return [
            (f"{by_uuid[uuid]}{label('call', key.rpartition(' ')[0])}{label('reason', key.rpartition(' ')[2])}", count)
            for uuid, counters in self.facts.get("counters", {}).items()
            if uuid in by_uuid
            for key, count in counters["errors"].items()
        ]
