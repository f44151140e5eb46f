"""Settings: defaults that work, errors that name the key, the value, the file and the remedy."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from telltale import settings
from telltale.settings import Settings, SettingsError, load


@pytest.fixture(autouse=True)
def nothing_set(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    import os

    for name in list(os.environ):
        if name.startswith("TELLTALE_"):
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)


def write(text: str) -> Path:
    path = Path("telltale.toml")
    path.write_text(text)
    return path


def test_defaults_listen_on_loopback_only() -> None:
    loaded = load()
    listeners = [getattr(section, name) for section in vars(loaded).values() if isinstance(section, settings.Section)
                 for name in type(section).model_fields if name.endswith("listen")]  # fmt: skip
    assert len(listeners) >= 8
    assert all(settings.is_loopback(address) for address in listeners)


def test_file_then_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    write('[collector]\nhttp_listen = "127.0.0.1:1"\ngrpc_listen = "127.0.0.1:2"\n[monitor]\nwindow = "2m"')
    monkeypatch.setenv("TELLTALE_COLLECTOR__HTTP_LISTEN", "0.0.0.0:3")
    loaded = load()
    assert (loaded.collector.http_listen, loaded.collector.grpc_listen) == ("0.0.0.0:3", "127.0.0.1:2")
    assert loaded.monitor.window == 120.0


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[collector]\nhttp_listn = 1", ("collector.http_listn", "did you mean collector.http_listen")),
        ('[collector]\ngrpc_listen = "foo"', ("collector.grpc_listen", "'foo'", "host:port")),
        ('[collector]\ngrpc_listen = "a:99999"', ("collector.grpc_listen", "host:port")),
        ('[monitor]\nwindow = "5 parsecs"', ("monitor.window", "'5 parsecs'", "15s")),
        ("[monitor]\nwindow = -1", ("monitor.window", "-1", "greater than")),
        ("[store]\nurl = 5", ("store.url", "(secret)")),
        ("[collector", ("telltale.toml", "not TOML")),
        ("[[monitor.series]]\nby = ['a\"b']", ("monitor.series", "by", "without quotation marks")),
        ("[[monitor.series]]\nby = ['a\\b']", ("monitor.series", "by", "without quotation marks")),
        ("[[monitor.series]]\nby = ['géant']", ("monitor.series", "by", "printable ASCII")),
    ],
)
def test_an_error_names_key_value_place_and_remedy(text: str, expected: tuple[str, ...]) -> None:
    write(text)
    with pytest.raises(SettingsError) as refused:
        load()
    for word in (*expected, "telltale.toml"):
        assert word in str(refused.value)


def test_every_mistake_is_reported_at_once() -> None:
    write('[collector]\nhttp_listn = 1\n[monitor]\nwindow = "x"')
    with pytest.raises(SettingsError) as refused:
        load()
    assert len(str(refused.value).splitlines()) == 2


def test_a_misspelt_variable_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TELLTALE_WEB__LISTN", "127.0.0.1:1")
    with pytest.raises(SettingsError, match=r"TELLTALE_WEB__LISTN.*web\.listen"):
        load()


def test_a_bad_variable_is_named_as_the_place(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TELLTALE_WEB__LISTEN", "nowhere")
    with pytest.raises(SettingsError, match=r"^TELLTALE_WEB__LISTEN: web\.listen = 'nowhere'"):
        load()


def test_a_named_file_that_is_missing_is_an_error() -> None:
    with pytest.raises(SettingsError, match=r"absent\.toml"):
        load("absent.toml")


def test_the_stores_password_can_come_from_a_file() -> None:
    Path("url").write_text("postgresql://u:secret@h/d\n")
    write('[store]\nurl_file = "url"')
    assert load().store_url == "postgresql://u:secret@h/d"


def test_every_setting_says_what_it_means() -> None:
    assert [key for key, _, text in settings.walk() if not text.endswith((".", ")"))] == []


@given(st.floats(1, 30_000), st.sampled_from(["ms", "s", "m", "h", "d"]))
def test_durations_read_as_written(number: float, unit: str) -> None:
    factor = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86400}[unit]
    written = f"{number:.3f}{unit}"
    assert Settings(monitor={"interval": written}).monitor.interval == pytest.approx(float(f"{number:.3f}") * factor)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[monitor]\npersistence = [5, 3]", ("monitor.persistence = [5, 3]", "smaller one first")),
        ("[monitor]\npersistence = [0, 3]", ("monitor.persistence.0 = 0",)),
        ("[monitor]\nmin_rows = 900", ("monitor.min_rows = 900", "monitor.max_rows = 500")),
        ("[monitor]\nmin_rows = 450\nreference_rows = 200", ("monitor.reference_rows = 200", "monitor.min_rows")),
        ("[monitor]\nalpha = nan", ("monitor.alpha",)),
        ("[sampling]\nper_minute = inf", ("sampling.per_minute", "finite")),
        ('[store]\nretention = "2h"', ("store.retention = 7200", "monitor.window")),
        ('[store]\nretention = "9999999d"', ("store.retention", "less than or equal")),
        ('[store]\nurl = "sqlite:///x.db"\nurl_file = "x"', ("store.url = (secret)", "leave one")),
        ("[collector]\nmax_body_bytes = 100000000", ("max_decompressed_bytes = 33554432", "raise it")),
        ('[collector]\ntenant_attributes = [""]', ("collector.tenant_attributes.0", "empty name")),
        ('[web]\npublic_url = "telltale.example.org"', ("web.public_url", "with its scheme")),
        ('[web]\npublic_url = "https://x.example/telltale"', ("web.public_url", "leave out the path")),
        ('[web]\nallowed_hosts = ["https://x.example"]', ("web.allowed_hosts.0", "host names alone")),
        ('[prometheus]\nurl = "prometheus:9090"', ("prometheus.url", "with its scheme")),
        ('[redaction]\npresidio_url = "presidio"', ("redaction.presidio_url", "with its scheme")),
        ('[redaction.rules]\nbadge = "EMP-(?=x)"', ("redaction.rules.badge", "RE2", "no look-around")),
        ('[redaction.rules]\nbadge = "x*"', ("redaction.rules.badge", "empty text")),
        ('[redaction.rules]\n"Badge no" = "x"', ("redaction.rules.Badge no", "small letters")),
        ('[[prices]]\nmodel = "m"\ninput = 1\noutput = 2\nsince = "2026-13-45"', ("prices.0.since", "2026-13-45")),
        ('[[prices]]\nmodel = "m"\ninput = 1\noutput = 2\ncached = 1', ("prices.0.cached", "did you mean")),
        ('[[prices]]\nmodel = "m"\ninput = 1\noutput = inf', ("prices.0.output", "finite")),
        (
            '[[prices]]\nmodel = "m"\ninput = 1\noutput = 2\n[[prices]]\nmodel = "m"\ninput = 3\noutput = 4',
            ("prices", "m has two prices"),
        ),
        ('[[prometheus.scrape]]\ntargets = []', ("prometheus.scrape.0.targets", "at least 1")),
        ('[[prometheus.scrape]]\ntargets = ["a:1"]\nkind = "vlm"', ("prometheus.scrape.0.kind", "vllm")),
        ('[[prometheus.scrape]]\ntargets = ["a:1"]\nlabls = {}', ("prometheus.scrape.0.labls", "did you mean")),
        ('[[prometheus.scrape]]\ntargets = ["a:1", "a:1"]', ("prometheus.scrape", "a:1 is named twice")),
        ('[[prometheus.scrape]]\ntargets = ["a:1"]\nlabels = {"no-dash" = "x"}', ("no-dash", "letters, digits")),
        ('[gpu.owners."0"]\ntennant = "a"', ("gpu.owners.0.tennant", "tenant")),
        ('[alerts]\nrepeat_interval = "10s"', ("alerts.repeat_interval = 10", "alerts.group_interval = 60")),
        ('[prometheus]\nretention = "500ms"', ("prometheus.retention", "whole seconds")),
    ],
)  # fmt: skip
def test_what_would_break_later_is_refused_now(text: str, expected: tuple[str, ...]) -> None:
    write(text)
    with pytest.raises(SettingsError) as refused:
        load()
    for word in (*expected, "telltale.toml"):
        assert word in str(refused.value)


@pytest.mark.parametrize("key", ["prometheus.url", "alertmanager.url", "grafana.url", "web.public_url"])
def test_a_password_in_a_url_is_refused_and_not_repeated(key: str) -> None:
    section, name = key.split(".")
    write(f'[{section}]\n{name} = "http://kim:hunter2hunter2@x.example"')
    with pytest.raises(SettingsError, match="leave name and password out") as refused:
        load()
    assert "hunter2" not in str(refused.value)


def test_a_file_as_windows_writes_it_is_read(tmp_path: Path) -> None:
    file = tmp_path / "telltale.toml"
    file.write_bytes('\ufeff[gpu.owners."0"]\r\ntenant = "결제"\r\n'.encode())
    assert load(file).gpu.owners["0"]["tenant"] == "결제"
