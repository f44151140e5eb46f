"""The process of its own in which Evidently makes one report: `python -m monitors.evidently.child`.

Evidently takes seconds and hundreds of MiB to import and reseeds numpy's global generator, so no other process imports
it. What is asked for comes as JSON on standard input; a line of JSON, then Evidently's page go to standard output.
"""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from monitors.evidently import columns as choosing
from monitors.evidently.columns import Cell, Column, Kind, cleaned, readable
from monitors.evidently.exchange import Asked, LeftOut, Made, Numbers, Value
from telltale.evidence import codec

if TYPE_CHECKING:
    from evidently.core.report import Snapshot

# Evidently's own descriptors that need no network, no model and no language.
TEXT_EVALS: Final[Mapping[str, Kind]] = {
    "TextLength": "number",
    "SentenceCount": "number",
    "NonLetterCharacterPercentage": "number",
    "ContainsLink": "flag",
    "IsValidJSON": "flag",
}
MOST_VALUES: Final = 1000


def main(memory: int) -> None:
    """Make the one report. `memory` is how many bytes this process may have."""
    _limit(memory)
    made = report(codec.load(Asked, json.load(sys.stdin)))
    sys.stdout.write(json.dumps(codec.dump(Numbers, made.numbers)) + "\n")
    sys.stdout.write(made.html)


def report(asked: Asked) -> Made:
    """The report of these texts. What Evidently cannot do is left out and named; without anything the page is empty."""
    texts = asked.texts
    found, left_out = choosing.of_texts(texts, asked.numbers, asked.flags)
    if "text_evals" in asked.presets:
        _add(found, left_out, _evaluated(asked))
    if asked.text_drift:
        _add(found, left_out, choosing.the_texts(texts))
    drift = None
    if "drift" in asked.presets:
        found, drift, failed = _drift(found)
        left_out += failed
    page, snapshot, failed = _page(found, with_drift=drift is not None, with_summary="summary" in asked.presets)
    left_out += failed
    values = [*(_drift_values(drift) if drift else ()), *(_values(snapshot) if snapshot else ())]
    left_out += [LeftOut(one.column, f"{one.metric} is no number") for one in values if not math.isfinite(one.value)]
    told = [one for one in values if math.isfinite(one.value)]
    if len(told) > MOST_VALUES:
        left_out.append(LeftOut("numbers", f"{len(told) - MOST_VALUES} more than are kept"))
    return Made(page, Numbers(told[:MOST_VALUES], left_out, (len(texts.current), len(texts.reference))))


def _add(found: list[Column], left_out: list[LeftOut], more: tuple[list[Column], list[LeftOut]]) -> None:
    found += more[0]
    left_out += more[1]


def _drift(found: list[Column]) -> tuple[list[Column], Snapshot | None, list[LeftOut]]:
    """The columns that Evidently can compare, what it says of them, and those that it failed on.

    One column on which it raises takes the others with it, so then each is tried by itself.
    """
    try:
        return found, _run(found, drift=True, tests=True), []
    except Exception as error:  # noqa: BLE001 - a library's, on whatever people write; the rest of the report counts
        whole = error
    good, failed = [], []
    for column in found:
        try:
            _run([column], drift=True)
        except Exception as error:  # noqa: BLE001 - as above
            failed.append(LeftOut(column.name, _why(error)))
        else:
            good.append(column)
    if not failed:
        return found, None, [LeftOut("drift", _why(whole))]
    again, snapshot, more = _drift(good) if good else ([], None, [])
    return again, snapshot, failed + more


def _page(
    found: Sequence[Column], *, with_drift: bool, with_summary: bool
) -> tuple[str, Snapshot | None, list[LeftOut]]:
    """The page, with its numbers."""
    left_out: list[LeftOut] = []
    for summary in (True, False) if with_summary else (False,):
        if found and (summary or with_drift):
            try:
                snapshot = _run(found, drift=with_drift, summary=summary)
                return snapshot.get_html_str(as_iframe=False), snapshot, left_out
            except Exception as error:  # noqa: BLE001 - as above
                left_out.append(LeftOut("summary" if summary else "page", _why(error)))
    return "", None, left_out


def _run(found: Sequence[Column], *, drift: bool = False, summary: bool = False, tests: bool = False) -> Snapshot:
    """One run of Evidently.

    Only drift has tests: those of the summary would call each minimum that moved by a tenth a failure.
    """
    import pandas
    from evidently import DataDefinition, Dataset, Report
    from evidently.metrics import ValueDrift
    from evidently.presets import DataSummaryPreset

    def named(kind: Kind) -> list[str]:
        return [column.name for column in found if column.kind == kind]

    definition = DataDefinition(
        numerical_columns=named("number"), categorical_columns=named("flag"), text_columns=named("text")
    )

    def dataset(sides: Iterable[Sequence[Cell]]) -> Dataset:
        frame = {
            column.name: pandas.Series(list(cells), dtype="float64" if column.kind == "number" else "object")
            for column, cells in zip(found, sides, strict=True)
        }
        return Dataset.from_pandas(pandas.DataFrame(frame), data_definition=definition)

    # Named for every column: the defaults change with the number of rows.
    drifts = [ValueDrift(column=one.name, method=one.method, threshold=one.threshold) for one in found]
    asked = [*(drifts if drift else []), *([DataSummaryPreset()] if summary else [])]
    current, reference = (one.current for one in found), (one.reference for one in found)
    return Report(asked, include_tests=tests).run(dataset(current), dataset(reference))


def _evaluated(asked: Asked) -> tuple[list[Column], list[LeftOut]]:
    """Evidently's own descriptors of the texts. One row that it cannot read would lose all: each is tried by itself."""
    sides: dict[str, tuple[Sequence[Cell], Sequence[Cell]]] = {}
    failed = []
    for name in TEXT_EVALS:
        try:
            sides[name] = _described(name, asked.texts.current), _described(name, asked.texts.reference)
        except Exception as error:  # noqa: BLE001 - as above
            failed.append(LeftOut(name, _why(error)))
    methods = {name: asked.flags if kind == "flag" else asked.numbers for name, kind in TEXT_EVALS.items()}
    found, lacking = cleaned(sides, TEXT_EVALS, methods)
    return found, [*failed, *lacking]


def _described(name: str, texts: Sequence[str]) -> list[Cell]:
    """One of Evidently's descriptors of each text; an empty text, on which some of them raise, has none."""
    import pandas
    from evidently import DataDefinition, Dataset, descriptors

    told = [readable(text) for text in texts if text.strip()]
    if not told:
        return [None] * len(texts)
    descriptor = getattr(descriptors, name)("text", alias=name)
    definition = DataDefinition(text_columns=["text"])
    dataset = Dataset.from_pandas(pandas.DataFrame({"text": told}), definition, descriptors=[descriptor])
    values = iter(dataset.as_dataframe()[name].tolist())
    return [float(next(values)) if text.strip() else None for text in texts]


def _drift_values(snapshot: Snapshot) -> Iterable[Value]:
    """The score of each column with Evidently's own decision."""
    found = snapshot.dict()
    detected = {test["metric_config"]["metric_id"]: test["status"].name == "FAIL" for test in found["tests"]}
    for metric in found["metrics"]:
        config = metric["config"]
        yield Value(
            "ValueDrift", config["column"], _number(metric["value"]), config["method"], config["threshold"],
            detected.get(metric["id"]),
        )  # fmt: skip


def _values(snapshot: Snapshot) -> Iterable[Value]:
    """All other numbers; what has parts, such as a count and a share, has one each."""
    for metric in snapshot.dict()["metrics"]:
        config, value = metric["config"], metric["value"]
        name = config["type"].rpartition(":")[2]
        if name == "ValueDrift":
            continue
        if name == "QuantileValue":
            name += f".{config['quantile']:g}"
        elif name == "ColumnCount" and config.get("column_type"):
            name += f".{str(config['column_type']).rpartition('.')[2]}"
        for part, number in _parts(value):
            yield Value(name + part, config.get("column", ""), _number(number))


def _parts(value: Any) -> Iterable[tuple[str, Any]]:
    if isinstance(value, Mapping):
        for name, inner in value.items():
            yield from ((f".{name}{part}", number) for part, number in _parts(inner))
    elif value is not None:
        yield "", value


def _number(value: Any) -> float:
    return float("nan") if value is None else float(value)


def _why(error: Exception) -> str:
    """Without the message, which may quote a text."""
    return f"Evidently failed on it: {type(error).__name__}"


def _limit(memory: int) -> None:
    import os
    import resource

    os.nice(5)
    resource.setrlimit(resource.RLIMIT_DATA, (memory, memory))


if __name__ == "__main__":
    import warnings

    warnings.simplefilter("ignore")
    main(int(sys.argv[1]))
