"""Settings: defaults that work, errors that name the key, the value, the file and the remedy."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from telltale import settings
from telltale.settings import SettingsError, load


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
        ("[monitor]\nwindow = -1", ("monitor.window", "-1", "greater than 0")),
        ("[store]\nurl = 5", ("store.url", "(secret)")),
        ("[collector", ("telltale.toml", "not TOML")),
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


@given(st.floats(0.001, 1e6), st.sampled_from(["ms", "s", "m", "h", "d"]))
def test_durations_read_as_written(number: float, unit: str) -> None:
    factor = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86400}[unit]
    written = f"{number:.3f}{unit}"
    assert settings._seconds(written) == pytest.approx(float(f"{number:.3f}") * factor)
