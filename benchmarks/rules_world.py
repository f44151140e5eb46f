"""A cluster that serves models, minute by minute, as Prometheus would have scraped it; and what can go wrong with it.

Series are made up: load with days, nights and weekends; a rolling restart, scrapes that fail, blips of errors, an XID
of an application, a short spike of drift. None of these is an incident. `INCIDENTS` are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from math import cos, pi
from random import Random

DAY, WEEK = 1440, 7 * 1440
JOBS = ("telltale-collector", "telltale-gpu", "telltale-monitor", "telltale-web", "telltale-tickets", "prometheus")
NODES, GPUS, SERVERS = ("n1", "n2"), (0, 1, 2, 3), ("a", "b", "c")
MODELS = ("chat", "code")
XIDS = (13, 31, 43, 48, 74, 79, 94)

Values = list[float | None]
Minutes = range


@dataclass(slots=True)
class World:
    """Gauges by series, and counters as what they grow in each minute; `gaps` are minutes without a scrape."""

    minutes: int
    gauges: dict[str, Values] = field(default_factory=dict)
    growth: dict[str, list[float]] = field(default_factory=dict)
    restarts: dict[str, set[int]] = field(default_factory=dict)
    gaps: set[int] = field(default_factory=set)

    def gauge(self, name: str, value: float | Iterable[float | None]) -> None:
        self.gauges[name] = [value] * self.minutes if isinstance(value, int | float) else list(value)

    def counter(self, name: str, growth: float | Iterable[float] = 0.0) -> None:
        self.growth[name] = [growth] * self.minutes if isinstance(growth, int | float) else list(growth)

    def put(self, name: str, minutes: Minutes, value: float | None) -> None:
        """A gauge has another value for some minutes, or none."""
        for at in minutes:
            self.gauges[name][at] = value

    def times(self, part: str, minutes: Minutes, factor: float) -> None:
        """Counters whose series contains `part` grow differently for some minutes."""
        for name, growth in self.growth.items():
            if part in name:
                for at in minutes:
                    growth[at] *= factor

    def series(self) -> dict[str, Values]:
        """Everything as it would have been scraped."""
        made = dict(self.gauges)
        for name, growth in self.growth.items():
            made[name] = _grown(growth, self.restarts.get(name, set()))
        return {name: [None if at in self.gaps else value for at, value in enumerate(v)] for name, v in made.items()}


def _grown(growth: Iterable[float], restarts: set[int]) -> Values:
    total, made = 0.0, []
    for at, more in enumerate(growth):
        total = more if at in restarts else total + more
        made.append(total)
    return made


def load(at: int) -> float:
    """Share of the busiest hour: little at night, less on the weekend."""
    day = 0.3 + 0.35 * (1 - cos(2 * pi * ((at % DAY) - 240) / DAY))
    return day * (0.6 if (at // DAY) % 7 in (5, 6) else 1.0)


def healthy(minutes: int, seed: int = 1) -> World:
    """Days on which nothing needs anybody."""
    world, random = World(minutes), Random(seed)
    _calls(world, random)
    _servers(world, random)
    _gpus(world, random)
    _telltale(world)
    _small_things(world)
    return world


def _calls(world: World, random: Random) -> None:
    for model in MODELS:
        of = f'model="{model}",layer="gateway"'
        calls = [240 * load(at) * random.uniform(0.9, 1.1) for at in range(world.minutes)]
        for status, share in (("ok", 0.994), ("error", 0.001), ("aborted", 0.005)):
            name = f'telltale_requests_total{{{of},tenant="shop",operation="chat",status="{status}",cache=""}}'
            world.counter(name, [share * one for one in calls])
        for tenant, share in (("shop", 0.995), ("", 0.005)):
            name = (
                f'telltale_tokens_total{{{of},tenant="{tenant}",operation="chat",status="ok",kind="output",cache=""}}'
            )
            world.counter(name, [300 * share * one for one in calls])
        world.counter(
            f'telltale_cost_usd_total{{{of},tenant="shop",operation="chat",status="ok"}}', [one / 500 for one in calls]
        )
    world.counter('telltale_feedback_events_total{kind="thumb"}', [5 * load(at) for at in range(world.minutes)])


def _servers(world: World, random: Random) -> None:
    for server in SERVERS:
        of = f'instance="{server}",model_name="chat",engine="0"'
        busy = [load(at) * random.uniform(0.8, 1.2) for at in range(world.minutes)]
        world.gauge(f'up{{job="inference",kind="vllm",instance="{server}"}}', 1)
        world.gauge(f"vllm:num_requests_running{{{of}}}", [round(30 * one) for one in busy])
        world.gauge(f"vllm:num_requests_waiting{{{of}}}", [float(random.random() < 0.1) for _ in busy])
        world.gauge(f"vllm:kv_cache_usage_perc{{{of}}}", [min(0.9, 0.6 * one) for one in busy])
        world.counter(f"vllm:generation_tokens_total{{{of}}}", [24000 * one for one in busy])
        world.counter(f"vllm:num_preemptions_total{{{of}}}", [float(random.random() < 0.02) for _ in busy])
        for reason, share in (("stop", 0.9), ("length", 0.1)):
            name = f'vllm:request_success_total{{{of},finished_reason="{reason}"}}'
            world.counter(name, [80 * share * one for one in busy])


def _gpus(world: World, random: Random) -> None:
    for node in NODES:
        world.gauge(f'telltale_gpu_devices{{instance="{node}",kind="seen"}}', len(GPUS))
        world.gauge(f'up{{job="dcgm",instance="{node}"}}', 1)
        for gpu in GPUS:
            of = f'instance="{node}",gpu="{gpu}",uuid="GPU-{node}-{gpu}"'
            heat = [45 + 30 * load(at) * random.uniform(0.9, 1.1) for at in range(world.minutes)]
            world.gauge(f"telltale_gpu_up{{{of}}}", 1)
            world.gauge(f"gpu_temperature_celsius{{{of}}}", heat)
            for name in ("gpu_recovery_action", "gpu_row_remap_failed", "gpu_row_remap_pending"):
                world.gauge(f"{name}{{{of}}}", 0)
            world.counter(f'gpu_throttle_seconds_total{{{of},reason="hw_thermal_slowdown"}}')
            world.counter(
                f'gpu_throttle_seconds_total{{{of},reason="sw_power_cap"}}', [20 * load(t) for t in _all(world)]
            )
            world.counter(f'gpu_ecc_errors_total{{{of},severity="uncorrected",since="load"}}')
            world.counter(
                f'gpu_nvlink_errors_total{{{of},kind="crc_flit"}}', [float(random.random() < 0.1) for _ in heat]
            )
            for xid in XIDS:
                world.counter(f'gpu_xid_errors_total{{{of},xid="{xid}"}}')
            other = f'instance="{node}",gpu="{gpu}",UUID="GPU-{node}-{gpu}",Hostname="{node}"'
            world.gauge(f"DCGM_FI_DEV_GPU_TEMP{{{other}}}", heat)
            world.gauge(f"DCGM_FI_DEV_XID_ERRORS{{{other}}}", 0)
            world.gauge(
                f"DCGM_FI_DEV_CLOCKS_EVENT_REASONS{{{other}}}", [4.0 if load(t) > 0.8 else 1.0 for t in _all(world)]
            )
            world.counter(f"DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION{{{other}}}", 30000)


def _telltale(world: World) -> None:
    for job in JOBS:
        world.gauge(f'up{{job="{job}",instance="{job}"}}', 1)
    for monitor in ("text", "usage", "feedback"):
        world.gauge(f'telltale_monitor_interval_seconds{{monitor="{monitor}"}}', 300)
        world.gauge(_success(monitor), [float(60 * (at - at % 5)) for at in _all(world)])
    for monitor, direction in (("text", "prompt"), ("text", "response"), ("feedback", "feedback")):
        for state in ("ok", "suspect", "alert"):
            world.gauge(_state(monitor, direction, state), float(state == "ok"))
    world.gauge("telltale_ticket_reconcile_last_success_timestamp_seconds", [60.0 * at for at in _all(world)])
    world.gauge('telltale_ticket_outbox_oldest_age_seconds{tracker="embedded"}', 0)
    world.gauge('telltale_ticket_outbox_failed{tracker="embedded"}', 0)
    world.gauge("telltale_store_upkeep_last_success_timestamp_seconds", [60.0 * at for at in _all(world)])
    world.gauge("telltale_store_bytes", [1e9 + 1e4 * at for at in _all(world)])
    world.gauge("telltale_store_max_bytes", 2e10)
    world.gauge("telltale_store_oldest_sample_timestamp_seconds", 0)
    world.counter('telltale_collector_rejected_total{reason="malformed"}')
    world.counter('alertmanager_notifications_total{instance="am",integration="webhook"}', 0.2)
    world.counter('alertmanager_notifications_failed_total{instance="am",integration="webhook"}')
    world.gauge('prometheus_notifications_alertmanagers_discovered{instance="p"}', 1)
    world.gauge('prometheus_rule_group_last_duration_seconds{instance="p",rule_group="telltale-slo"}', 0.4)
    world.gauge('prometheus_rule_group_interval_seconds{instance="p",rule_group="telltale-slo"}', 15)


def _small_things(world: World) -> None:
    """What happens in any week and is no incident."""
    for number, server in enumerate(SERVERS):  # a rolling restart, one after the other
        at = 200 + 15 * number
        if at + 4 < world.minutes:
            world.put(f'up{{job="inference",kind="vllm",instance="{server}"}}', range(at, at + 3), 0)
            for name in [one for one in (*world.gauges, *world.growth) if f'instance="{server}",model_name' in one]:
                world.restarts.setdefault(name, set()).add(at + 3)
    for at in (300, 2100, 5000):  # scrapes that fail
        world.gaps |= {at, at + 1}
    for at in (350, 3400, 7000):  # a blip of errors
        world.times('status="error"', _of(world, at, 3), 40)
    for at in (380, 4321):  # an application's own fault
        for growth in [g for n, g in world.growth.items() if 'n1",gpu="2"' in n and 'xid="31"' in n]:
            growth[min(at, world.minutes - 1)] += 1
    world.put(_state("text", "prompt", "suspect"), _of(world, 150, 15), 1)
    world.put(_state("text", "prompt", "ok"), _of(world, 150, 15), 0)


def _all(world: World) -> Minutes:
    return range(world.minutes)


def _of(world: World, start: int, length: int) -> Minutes:
    return range(min(start, world.minutes), min(start + length, world.minutes))


def _success(monitor: str) -> str:
    return f'telltale_monitor_last_success_timestamp_seconds{{monitor="{monitor}"}}'


def _state(monitor: str, direction: str, state: str) -> str:
    lane = f'lane="retrain",state="{state}"'
    of = f'monitor="{monitor}",signal="words",direction="{direction}",model="chat",version="v1",tenant="",segment=""'
    return f"telltale_monitor_state{{{of},{lane}}}"


@dataclass(frozen=True, slots=True)
class Incident:
    """`happen` breaks the world for some minutes; `alert` must fire within `minutes` of its beginning.

    `days` go before it, for rules that compare with the past.
    """

    name: str
    alert: str
    minutes: int
    happen: Callable[[World, Minutes], None]
    days: int = 0

    @property
    def start(self) -> int:
        """The minute in which it begins: in the late morning."""
        return self.days * DAY + 660


_CARD = 'instance="n1",gpu="1",uuid="GPU-n1-1"'


def _xid(world: World, minutes: Minutes) -> None:
    world.growth[f'gpu_xid_errors_total{{{_CARD},xid="79"}}'][minutes[0]] += 1


def _servers_down(world: World, minutes: Minutes) -> None:
    for server in SERVERS[:2]:
        world.put(f'up{{job="inference",kind="vllm",instance="{server}"}}', minutes, 0)


def _stuck(world: World, minutes: Minutes) -> None:
    world.times('vllm:generation_tokens_total{instance="b"', minutes, 0)


def _full(world: World, minutes: Minutes) -> None:
    world.put('vllm:kv_cache_usage_perc{instance="a",model_name="chat",engine="0"}', minutes, 0.99)
    world.put('vllm:num_requests_waiting{instance="a",model_name="chat",engine="0"}', minutes, 6)


def _judged(monitor: str, direction: str) -> Callable[[World, Minutes], None]:
    def happen(world: World, minutes: Minutes) -> None:
        world.put(_state(monitor, direction, "alert"), minutes, 1)
        world.put(_state(monitor, direction, "ok"), minutes, 0)

    return happen


def _stale(world: World, minutes: Minutes) -> None:
    world.put(_success("text"), minutes, world.gauges[_success("text")][minutes[0]])


def _outbox(world: World, minutes: Minutes) -> None:
    for at in minutes:
        world.gauges['telltale_ticket_outbox_oldest_age_seconds{tracker="embedded"}'][at] = 60.0 * (at - minutes[0])


def _rejecting(world: World, minutes: Minutes) -> None:
    for at in minutes:
        world.growth['telltale_collector_rejected_total{reason="malformed"}'][at] = 20


def _heat(world: World, minutes: Minutes) -> None:
    for at in minutes:
        world.growth[f'gpu_throttle_seconds_total{{{_CARD},reason="hw_thermal_slowdown"}}'][at] = 30


def _errors(world: World, minutes: Minutes) -> None:
    world.times('model="chat",layer="gateway",tenant="shop",operation="chat",status="error"', minutes, 600)


def _silence(world: World, minutes: Minutes) -> None:
    world.times('telltale_requests_total{model="chat"', minutes, 0.02)


def _spending(world: World, minutes: Minutes) -> None:
    world.times('telltale_cost_usd_total{model="chat"', minutes, 25)


def _lost(world: World, minutes: Minutes) -> None:
    world.put(f"telltale_gpu_up{{{_CARD}}}", minutes, 0)


def _undelivered(world: World, minutes: Minutes) -> None:
    world.times("alertmanager_notifications_total", minutes, 1)
    for at in minutes:
        world.growth['alertmanager_notifications_failed_total{instance="am",integration="webhook"}'][at] = 0.1


INCIDENTS = (
    Incident("a GPU falls off the bus (XID 79)", "GpuXidFatal", 2, _xid),
    Incident("a GPU cannot be read", "GpuLost", 5, _lost),
    Incident("a GPU is too hot", "GpuThermalThrottle", 15, _heat),
    Incident("two of three servers go away", "LlmServersDown", 5, _servers_down),
    Incident("an engine hangs", "LlmEngineStuck", 10, _stuck),
    Incident("the KV cache is full", "LlmKvCacheSaturated", 15, _full),
    Incident("most calls fail", "LlmErrorRatioHigh", 15, _errors),
    Incident("calls stop", "LlmTrafficDrop", 30, _silence, days=7),
    Incident("prompts drift", "ModelDriftPersistent", 5, _judged("text", "prompt")),
    Incident("people vote against responses", "NegativeFeedbackHigh", 5, _judged("feedback", "feedback")),
    Incident("a monitor runs no more", "ModelMonitorStale", 30, _stale),
    Incident("the collector refuses traces", "CollectorRejecting", 15, _rejecting),
    Incident("a tenant's agents run in a loop", "TenantCostSpike", 120, _spending, days=4),
    Incident("notifications are not delivered", "AlertmanagerNotificationsFailing", 15, _undelivered),
)
