"""Executors: the same outcomes wherever windows are judged; a worker that ends or hangs loses no window."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from random import Random

import pytest
from odd_monitor import Odd

from monitors import references, registry, terms, work
from monitors.executors import Executor, Job, chosen, drive
from monitors.executors.inline import Inline
from monitors.executors.processes import Processes
from monitors.monitor import Monitor
from monitors.rows import Rows
from monitors.work import Ask, Outcome, Task
from telltale.cli.demo import texts
from telltale.exits import UsageError
from telltale.records import Series
from telltale.settings import Monitor as Settings

SETTINGS = Settings(min_rows=40)
MONITORS = [
    kind.of(own) for kind, own in terms.of(registry.MONITORS, SETTINGS).items() if kind.basis == "calls"
]  # fmt: skip


def rows(count: int, seed: int, *, new: bool = False) -> Rows:
    random = Random(seed)
    topics = texts.NEW_PRODUCT if new else texts.SUPPORT
    return Rows(
        ids=tuple(range(1, count + 1)),
        times=tuple(1000.0 + place for place in range(count)),
        groups=tuple(f"g{place}" for place in range(count)),
        weights=(1.0,) * count,
        texts={
            "prompt": tuple(texts.prompt(topics, random) for _ in range(count)),
            "response": tuple(texts.response(topics, random) for _ in range(count)),
        },
    )


def tasks(monitors: list[Monitor], windows: int) -> list[Task]:
    """Windows of one series, the last of which are about something new."""
    series = Series("m", "v1")
    frozen = references.freeze(series, "calls", rows(200, 0), 0.0, 1000.0, 1000.0, monitors=monitors, least=40)
    asks = tuple(Ask(monitor, 40, ()) for monitor in monitors)
    return [
        Task(series, "calls", 10.0 * place, 10.0 * place + 10, rows(60, place + 1, new=place > 1), frozen, "none",
             (2, 3), asks)
        for place in range(windows)
    ]  # fmt: skip


def outcomes(given: list[Task], executor: Executor) -> list[Outcome]:
    """What came of each task, every one of a series of its own, in their order."""
    found: dict[int, Outcome] = {}

    def job(place: int, task: Task) -> Job:
        found[place] = yield task

    with closing(executor):
        drive((job(place, task) for place, task in enumerate(given)), executor)
    return [found[place] for place in range(len(given))]


def judged(found: list[Outcome]) -> list[object]:
    """All but how long it took."""
    return [(one.made, one.failed) for one in found]


@pytest.fixture(scope="module")
def given() -> list[Task]:
    return tasks(MONITORS, 4)


@pytest.fixture(scope="module")
def expected(given: list[Task]) -> list[Outcome]:
    return outcomes(given, Inline())


def test_inline_finds_what_is_new(expected: list[Outcome]) -> None:
    states = [one.made["tokens"].scores[0].state for one in expected]
    assert states[:2] == ["ok"] * 2
    assert "ok" not in states[2:]


@pytest.mark.parametrize("workers", [1, 3])
def test_processes_make_of_windows_what_inline_makes(
    given: list[Task], expected: list[Outcome], workers: int
) -> None:  # fmt: skip
    found = outcomes(given, Processes(workers, 100.0))
    assert judged(found) == judged(expected)
    assert all(one.seconds.keys() == one.made.keys() for one in found)


@pytest.fixture(params=["ends", "hangs"])
def odd(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Odd]:
    # Workers import what the monitor is.
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[1]))
    return lambda once="": Odd(request.param, str(once), os.getpid())


def test_a_worker_that_ends_or_hangs_is_replaced_and_takes_no_other_with_it(
    odd: Callable[..., Odd], tmp_path: Path
) -> None:
    """What does so once is judged again; what does so each time fails, by itself."""
    tokens = MONITORS[0]
    (once,), (each_time,) = tasks([tokens, odd(tmp_path / "once")], 1), tasks([tokens, odd()], 1)
    found = outcomes([once, each_time, *tasks([tokens], 1)], Processes(2, 5.0))
    assert [sorted(one.made) for one in found] == [["odd", "tokens"], ["tokens"], ["tokens"]]
    assert [one.failed.keys() for one in found] == [set(), {"odd"}, set()]
    assert found[1].failed["odd"] in ("the worker ended", "not judged within 5 s")


def test_workers_survive_a_job_that_raises_need_little_memory_and_end_with_their_executor(
    given: list[Task], expected: list[Outcome]
) -> None:
    def broken(task: Task) -> Job:
        yield task
        raise ConnectionError("the store is away")

    found: list[Outcome] = []

    def job(task: Task) -> Job:
        found.append((yield task))

    executor = Processes(2, 100.0)
    with closing(executor):
        with pytest.raises(ConnectionError):
            drive((one(given[0]) for one in (broken, job)), executor)
        found.clear()
        drive([job(given[1])], executor)
        assert judged(found) == judged(expected[1:2])
        children = [worker._child for worker in executor._idle]
        maps = Path(f"/proc/{children[-1].pid}/maps").read_text()
        status = Path(f"/proc/{children[-1].pid}/status").read_text()
    # They take hundreds of MiB.
    assert "/pandas/" not in maps
    assert "/evidently/" not in maps
    peak = next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM"))
    assert peak <= 250 * 1024
    assert {child.returncode for child in children} == {-signal.SIGKILL}


def test_work_is_the_same_function(given: list[Task]) -> None:
    assert judged([work.judge(given[0])]) == judged(outcomes(given[:1], Inline()))


def test_without_ray_the_setting_is_refused_with_its_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(UsageError, match=r"telltale-llm\[ray\]"):
        chosen(Settings(executor="ray"))
