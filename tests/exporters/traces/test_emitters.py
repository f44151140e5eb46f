"""Real instrumentations from PyPI report calls whose truth the provider knows; the results are read at the edges.

Each emitter has a key, hence a tenant, of its own, and asks for each case by its name as the model. What an emitter
does not send is absent, and listed below, so that it cannot grow unnoticed. Nothing may be wrong, lost or doubled.
"""

from __future__ import annotations

import os
import subprocess
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families
from support.collector_process import ROOT, Collector
from support.fake_provider import CASES, FIRST_S, PAUSE_S, UPSTREAM, Case, provider

from telltale.records import Sample
from telltale.store import access

HERE = Path(__file__).parent / "emitters"
PYTHON = ROOT / ".telltale/emitters/bin/python"
CONTENT = "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT"


@dataclass(frozen=True)
class Emitter:
    """One instrumented program that calls models: all cases of its API except those it skips.

    `absent` is what its packages do not send, as `what:case`. `asks_for_usage` is set for those that request a
    stream's usage whether the application does or not.
    """

    name: str
    program: str
    api: str = "openai"
    layer: str = "client"
    protocol: str = "http/protobuf"
    skips: frozenset[str] = frozenset()
    asks_for_usage: bool = False
    environment: Mapping[str, str] = field(default_factory=dict)
    absent: frozenset[str] = frozenset()

    @property
    def cases(self) -> list[Case]:
        return [case for case in CASES.values() if case.api == self.api and case.name not in self.skips]

    def knows_usage(self, case: Case) -> bool:
        return case.status == "ok" and (case.usage or self.asks_for_usage)


def cases_of(text: str) -> frozenset[str]:
    return frozenset(text.split())


NO_TTFT = cases_of("ttft:stream ttft:bare ttft:cut")
# The slowest first: two run at a time.
EMITTERS = (
    Emitter("litellm-proxy", "drive_proxy.py", layer="gateway", asks_for_usage=True, absent=NO_TTFT),
    Emitter(
        "litellm-proxy-span", "drive_proxy.py", layer="gateway", asks_for_usage=True, absent=NO_TTFT, protocol="grpc",
        environment={"USE_OTEL_LITELLM_REQUEST_SPAN": "true"},
    ),
    Emitter(
        "litellm-proxy-v2", "drive_proxy.py", layer="gateway", asks_for_usage=True,
        absent=cases_of("reasoning:thrifty ttft:cut"),
        environment={"LITELLM_OTEL_V2": "true", CONTENT: "span_only"},
    ),
    Emitter("litellm-sdk", "drive.py litellm_sdk", absent=NO_TTFT | cases_of("served:stream served:bare")),
    Emitter(
        "openlit", "drive.py openlit_openai",
        absent=cases_of("calls:cut ttft:stream ttft:bare reasoning:thrifty prompt:limited served:vectors"),
    ),
    Emitter(
        "genai-openai", "drive.py genai_openai", absent=cases_of("prompt:vectors"), environment={CONTENT: "SPAN_ONLY"},
    ),
    Emitter(
        "genai-openai-logs", "drive.py genai_openai", absent=cases_of("prompt:vectors"),
        environment={CONTENT: "EVENT_ONLY"},
    ),
    Emitter("openllmetry", "drive.py openllmetry_openai"),
    Emitter("openinference", "drive.py openinference_openai"),
    Emitter(
        "langfuse", "drive.py langfuse_openai",
        absent=cases_of(
            "requested:plain requested:thrifty requested:tools requested:stream requested:bare requested:cut"
            " requested:vectors finish:plain finish:thrifty finish:tools"
        ),
    ),
    Emitter(
        "logfire", "drive.py logfire_openai",
        absent=NO_TTFT | cases_of("served:stream served:bare prompt:vectors"),
    ),
    Emitter("pydantic-ai", "drive.py pydantic_agent", asks_for_usage=True, skips=cases_of("tools vectors"),
        absent=cases_of("prompt:limited prompt:cut ttft:cut"),
    ),
    Emitter("anthropic-genai", "drive.py anthropic_genai", api="anthropic", environment={CONTENT: "SPAN_ONLY"}),
    # Without content there is no sample, hence no finish reason to read either.
    Emitter(
        "anthropic", "drive.py anthropic_native", api="anthropic",
        absent=cases_of(
            "prompt:message finish:message completion:message prompt:message-thrifty finish:message-thrifty"
            " completion:message-thrifty prompt:message-stream finish:message-stream completion:message-stream"
            " prompt:message-limited"
        ),
    ),
    Emitter("anthropic-twice", "drive.py anthropic_twice", api="anthropic"),
)  # fmt: skip


def drive(emitter: Emitter, collector: Collector, key: str, at: str, home: Path) -> str:
    """Runs an emitter to its end; returns its error output if it failed."""
    base = f"http://{collector.http}"
    endpoint = f"http://{collector.grpc}" if emitter.protocol == "grpc" else base
    # Lower case for gRPC, and a bare space: LiteLLM sends this text unchanged.
    header = f"authorization=Bearer {key}"
    environment = {
        "PATH": os.environ["PATH"], "HOME": str(home), "PYTHONPATH": str(ROOT / "tests"), "PROVIDER": at,
        # The test uses nothing outside this machine.
        "HTTPS_PROXY": "http://127.0.0.1:9", "LITELLM_LOCAL_MODEL_COST_MAP": "True",
        "OTEL_EXPORTER_OTLP_ENDPOINT": endpoint, "OTEL_EXPORTER_OTLP_PROTOCOL": emitter.protocol,
        "OTEL_EXPORTER_OTLP_HEADERS": header, "OTEL_METRICS_EXPORTER": "none",
        "LANGFUSE_HOST": base, "LANGFUSE_BASE_URL": base, "LANGFUSE_PUBLIC_KEY": "pk-lf-1", "LANGFUSE_SECRET_KEY": key,
        **emitter.environment,
    }  # fmt: skip
    program, *arguments = emitter.program.split()
    command = [PYTHON, HERE / program, *arguments]
    done = subprocess.run(command, env=environment, cwd=home, capture_output=True, text=True, timeout=170)
    return f"{emitter.name}: {done.stderr[-3000:]}" if done.returncode else ""


class Observed:
    """What the collector recorded of one emitter, on its metrics page and in the store."""

    def __init__(self, emitter: Emitter, page: str, stored: list[Sample]) -> None:
        self.rows = [
            sample
            for family in text_string_to_metric_families(page)
            for sample in family.samples
            if sample.labels.get("tenant") == emitter.name
        ]
        self.stored = [sample for sample in stored if sample.tenant == emitter.name]

    def sum(self, name: str, case: Case | None, **labels: str) -> float | None:
        """The sum of a metric's samples of a case; None when there is none."""
        found = [
            row.value
            for row in self.rows
            if row.name == name and (case is None or of_case(case, row.labels)) and labels.items() <= row.labels.items()
        ]
        return sum(found) if found else None

    def label(self, name: str, case: Case, label: str) -> str:
        return " ".join({row.labels[label] for row in self.rows if row.name == name and of_case(case, row.labels)})

    def sample(self, case: Case) -> Sample | None:
        return next((sample for sample in self.stored if sample.model in names(case)), None)


def names(case: Case) -> set[str]:
    return {case.name, case.served, UPSTREAM + case.name}


def of_case(case: Case, labels: Mapping[str, str]) -> bool:
    given = (labels.get(name) for name in ("model", "gen_ai_request_model", "gen_ai_response_model"))
    return any(name in names(case) for name in given)


def verdicts(emitter: Emitter, observed: Observed, case: Case) -> Iterator[tuple[str, str, object]]:
    """(what, right | wrong | absent, the collector's value) for everything the emitter could know of a case."""
    calls = observed.sum("telltale_requests_total", case)
    yield "calls", same(calls, 1), calls
    if calls != 1:
        return
    duration = "gen_ai_client_operation_duration_seconds_count"
    status = observed.label("telltale_requests_total", case, "status")
    yield "status", "right" if status == case.status or (case.cut and status != "ok") else "wrong", status
    layer = (
        observed.label("telltale_requests_total", case, "layer"),
        observed.label(duration, case, "gen_ai_operation_name"),
    )
    yield "operation", same(layer, (emitter.layer, case.operation)), layer
    yield "requested", *word(observed.label(duration, case, "gen_ai_request_model"), case.name)
    served = observed.label(duration, case, "gen_ai_response_model")
    if case.status == "ok":
        yield "served", *word(served, UPSTREAM + case.name if emitter.layer == "gateway" else case.served)
    elif served not in ("", case.served):
        yield "served", "wrong", served
    yield from tokens(emitter, observed, case)
    yield from first_token(observed, case)
    if case.code == 429:
        yield "error type", *word(observed.label(duration, case, "error_type"), "rate_limit")
    yield from content(observed.sample(case), case)


def tokens(emitter: Emitter, observed: Observed, case: Case) -> Iterator[tuple[str, str, object]]:
    known = emitter.knows_usage(case)
    for what, kind, truth in (
        ("in", "input", case.input), ("out", "output", case.output),
        ("cached", "cached_input", case.cached), ("written", "cache_write_input", case.written),
        ("reasoning", "reasoning_output", case.reasoning),
    ):  # fmt: skip
        mine = observed.sum("telltale_tokens_total", case, kind=kind)
        if known and truth:
            yield what, same(mine, truth), mine
        elif mine:
            # What no response stated is a guess.
            yield what, "wrong", mine


def first_token(observed: Observed, case: Case) -> Iterator[tuple[str, str, object]]:
    mine = observed.sum("gen_ai_client_operation_time_to_first_chunk_seconds_sum", case)
    whole = observed.sum("gen_ai_client_operation_duration_seconds_sum", case)
    assert whole is not None
    if case.stream:
        yield "duration", "right" if whole >= FIRST_S + PAUSE_S - 0.01 else "wrong", whole
    if not case.stream:
        yield "ttft", "right" if mine is None else "wrong", mine
    elif mine is None:
        yield "ttft", "absent", mine
    else:
        yield "ttft", "right" if FIRST_S - 0.01 <= mine < whole - PAUSE_S / 4 else "wrong", mine


def content(sample: Sample | None, case: Case) -> Iterator[tuple[str, str, object]]:
    yield "prompt", *word(sample.prompt if sample else "", case.prompt)
    response = sample.response if sample else ""
    if case.operation == "embeddings":
        yield "completion", "wrong" if response else "right", response
    elif case.status == "ok":
        finish = sample.finish_reason if sample else None
        yield "finish", *word(finish or "", case.finish, *({"stop"} if case.finish == "end_turn" else {"tool_call"}))
        yield (
            "completion",
            *word(response, case.response, '[tool call find_way: {"to": "harbour"}]' if case.tool else ""),
        )


def same(mine: object, truth: object) -> str:
    return "absent" if mine is None else "right" if mine == truth else "wrong"


def word(mine: str, *truths: str) -> tuple[str, str]:
    return "absent" if not mine else "right" if mine in truths else "wrong", mine


def show(table: Mapping[str, Mapping[str, Counter[str]]]) -> str:
    """right/all per emitter, and `w` where values are wrong."""
    whats = list(dict.fromkeys(what for row in table.values() for what in row))
    lines = ["emitter".ljust(20) + "".join(what.rjust(11) for what in whats)]
    for emitter, row in table.items():
        cells = (
            f"{row[what]['right']}/{row[what].total()}" + (f" {row[what]['wrong']}w" if row[what]["wrong"] else "")
            for what in whats
        )
        lines.append(emitter.ljust(20) + "".join(("" if cell == "0/0" else cell).rjust(11) for cell in cells))
    return "\n".join(lines)


@pytest.mark.timeout(600)
def test_what_real_instrumentations_send_is_right_or_absent(
    make_collector: Callable[..., Collector], require: Callable[[object, str], None], tmp_path: Path
) -> None:
    require((PYTHON.parents[1] / "ready").exists(), "real instrumentations: make emitters")
    collector = make_collector(TELLTALE_SAMPLING__PER_MINUTE="100000", TELLTALE_COLLECTOR__REQUIRE_KEY="true")
    store = collector.store()
    keys = {
        emitter.name: store.write(
            lambda c, name=emitter.name: access.add_key(c, name=name, tenant=name, scopes=["otlp:write"], now=1.0)
        )
        for emitter in EMITTERS
    }
    store.close()
    with provider() as at, ThreadPoolExecutor(2) as pool:
        errors = list(pool.map(lambda emitter: drive(emitter, collector, keys[emitter.name], at, tmp_path), EMITTERS))
    assert not any(errors), "\n".join(errors)

    page, stored = collector.page(), collector.samples()
    table: dict[str, dict[str, Counter[str]]] = defaultdict(lambda: defaultdict(Counter))
    wrong: list[str] = []
    for emitter in EMITTERS:
        observed = Observed(emitter, page, stored)
        absent = set()
        for case in emitter.cases:
            for what, verdict, mine in verdicts(emitter, observed, case):
                table[emitter.name][what][verdict] += 1
                if verdict == "wrong":
                    wrong.append(f"{emitter.name}: {case.name}: {what}: {mine!r}")
                elif verdict == "absent":
                    absent.add(f"{what}:{case.name}")
        counted, known = observed.sum("telltale_requests_total", None), table[emitter.name]["calls"].total()
        if (counted or 0) > known:
            wrong.append(f"{emitter.name}: {counted} calls counted of {known} made")
        if absent != emitter.absent:
            wrong.append(f"{emitter.name}: absent is {' '.join(sorted(absent))}")
    print("\n" + show(table))
    assert not wrong, "\n".join(wrong)
