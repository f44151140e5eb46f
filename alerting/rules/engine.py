"""Inference servers by their own metrics (job `inference`): vLLM and SGLang, in their names of today and before.

Names as in vLLM's vllm/v1/metrics/loggers.py and SGLang's srt/metrics/collector.py. `gpu_cache_usage_perc` is what vLLM
called `kv_cache_usage_perc` before 0.10; SGLang counts retractions, its word for preemptions, since 0.5.
"""

from __future__ import annotations

from alerting.rules.rule import Rule, selector
from telltale.settings import Settings

SERVER = "by (instance, model_name)"
MODEL = "by (model_name)"
FULL = 0.95
QUEUE = 10
PREEMPTED_PER_SECOND = 0.5
TRUNCATED = 0.3
LEAST_RESPONSES = 100

RUNNING = ("vllm:num_requests_running", "sglang:num_running_reqs")
WAITING = ("vllm:num_requests_waiting", "sglang:num_queue_reqs")
CACHE = ("vllm:kv_cache_usage_perc", "vllm:gpu_cache_usage_perc", "sglang:token_usage")
PREEMPTED = ("vllm:num_preemptions_total", "sglang:num_retracted_requests_total")


def rules(settings: Settings) -> tuple[Rule, ...]:
    """Whether servers answer, work, and have room."""
    return (*_answers(), _stuck(), *_room(), _truncated())


def _answers() -> tuple[Rule, ...]:
    return (
        Rule(
            name="LlmServersDown",
            severity="page",
            lane="ops",
            component="serving",
            # A sum sees that all are down, too.
            expr='sum by (kind) (up{job="inference"}) / count by (kind) (up{job="inference"}) < 0.5',
            hold_s=120.0,
            keep_s=300.0,
            summary="Only {{ $value | humanizePercentage }} of the {{ $labels.kind }} servers answer",
            description=(
                "Less than half of the {{ $labels.kind }} servers that Prometheus scrapes answer it: most calls fail "
                "or wait for those that are left."
            ),
            signal=selector("up", "kind", job="inference"),
        ),
        Rule(
            name="LlmReplicaDown",
            severity="ticket",
            lane="ops",
            component="serving",
            expr='up{job="inference"} == 0',
            hold_s=600.0,
            keep_s=300.0,
            summary="The {{ $labels.kind }} server at {{ $labels.instance }} does not answer",
            description="Prometheus has got no metrics of it for 10 minutes: the others carry its calls.",
            signal=selector("up", "instance", job="inference"),
        ),
    )


def _stuck() -> Rule:
    # SGLang counts tokens when a response ends, so long ones would look stuck; its throughput is measured anew every
    # few steps of the batch, and stands still to the last digit with the scheduler.
    return Rule(
        name="LlmEngineStuck",
        severity="page",
        lane="ops",
        component="serving",
        expr=(
            "min by (instance, model_name, engine) (min_over_time(vllm:num_requests_running[5m])) > 0\n"
            "and sum by (instance, model_name, engine) (increase(vllm:generation_tokens_total[5m])) == 0\n"
            f"or max {SERVER} (min_over_time(sglang:num_running_reqs[5m])) > 0\n"
            f"and max {SERVER} (changes(sglang:gen_throughput[5m])) == 0"
        ),
        hold_s=120.0,
        keep_s=300.0,
        summary="{{ $labels.instance }} has calls of {{ $labels.model_name }} in work, and writes no token",
        description=(
            "{{ $value }} calls or more have been in work for 5 minutes, and no token came out: the engine hangs. "
            "Its callers wait until they give up, and new ones are still sent there."
        ),
        signal=_either(("vllm:generation_tokens_total", "sglang:gen_throughput"), "instance", "model_name"),
    )


def _room() -> tuple[Rule, ...]:
    return (
        Rule(
            name="LlmKvCacheSaturated",
            severity="ticket",
            lane="ops",
            component="serving",
            # A full cache without a queue is good use of the memory.
            expr=f"max {SERVER} ({_or(CACHE)}) > {FULL}\nand sum {SERVER} ({_or(WAITING)}) > 0",
            hold_s=600.0,
            keep_s=300.0,
            summary="The KV cache of {{ $labels.model_name }} at {{ $labels.instance }} is full, and calls wait",
            description=(
                "{{ $value | humanizePercentage }} of the KV cache is in use while calls wait for room in it: time to "
                "the first token grows, and running calls are put aside."
            ),
            signal=_either(CACHE, "instance", "model_name"),
        ),
        Rule(
            name="LlmPreemptionStorm",
            severity="ticket",
            lane="ops",
            component="serving",
            expr=f"sum {SERVER} ({_or(PREEMPTED, 'rate({}[10m])')}) > {PREEMPTED_PER_SECOND}",
            hold_s=600.0,
            keep_s=300.0,
            summary="{{ $labels.instance }} puts calls of {{ $labels.model_name }} aside again and again",
            description=(
                "{{ $value | humanize }} times a second the server takes a running call's cache away and computes it "
                "again later: throughput is lost, and responses stall."
            ),
            signal=_either(PREEMPTED, "instance", "model_name"),
        ),
        Rule(
            name="LlmQueueGrowing",
            severity="ticket",
            lane="ops",
            component="serving",
            expr=(f"sum {MODEL} ({_or(WAITING)}) > {QUEUE}\nand sum {MODEL} ({_or(WAITING, 'deriv({}[10m])')}) > 0"),
            hold_s=600.0,
            keep_s=300.0,
            summary="{{ $value }} calls of {{ $labels.model_name }} wait, and more every minute",
            description=(
                "For 10 minutes more calls of {{ $labels.model_name }} have come than its servers take: time to the "
                "first token grows until callers give up."
            ),
            signal=_either(WAITING, "model_name"),
        ),
    )


def _truncated() -> Rule:
    done = f"sum {MODEL} (increase(vllm:request_success_total[1h]))"
    return Rule(
        name="LlmTruncationHigh",
        severity="info",
        lane="none",
        component="serving",
        expr=(
            f'sum {MODEL} (increase(vllm:request_success_total{{finished_reason="length"}}[1h]))\n'
            f"  / {done} > {TRUNCATED}\n"
            f"and {done} > {LEAST_RESPONSES}"
        ),
        hold_s=3600.0,
        summary="{{ $value | humanizePercentage }} of the responses of {{ $labels.model_name }} are cut off",
        description=(
            "{{ $value | humanizePercentage }} of an hour's responses ended at their limit of tokens: the limit is too "
            "low, or the model rambles."
        ),
        signal=selector("vllm:request_success_total", "model_name"),
    )


def _or(metrics: tuple[str, ...], shape: str = "{}") -> str:
    return " or ".join(shape.format(metric) for metric in metrics)


def _either(metrics: tuple[str, ...], *labels: str) -> str:
    return " or ".join(selector(metric, *labels) for metric in metrics)
