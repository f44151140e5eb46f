"""What each report opens with: our verdict, and how Evidently's words below it are to be read. HTML without scripts.

Evidently tests other things by other rules, and says "drift not detected" beneath an alert that is true.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from html import escape
from typing import Final

from monitors import registry
from monitors.evidently.columns import P_VALUE, P_VALUES
from monitors.evidently.exchange import LeftOut, Numbers
from telltale.records import Judged, Score

HEADINGS: Final[dict[Judged, str]] = {
    "alert": "Telltale: alert",
    "suspect": "Telltale: suspect in this window, no alert",
    "ok": "Telltale: no change found",
}
ORDER: Final[tuple[Judged, ...]] = ("alert", "suspect", "ok")
MOST_NAMED: Final = 20
MOST_SENTENCES: Final = 3

STYLE: Final = """<style>
.telltale{font:16px/1.5 system-ui,sans-serif;color:#1d2129;background:#fff;max-width:60rem;margin:1rem auto;
padding:1rem;border:1px solid #c9ced6;border-left:.5rem solid #4b7f52;box-sizing:border-box;overflow-wrap:anywhere}
.telltale.alert{border-left-color:#b3261e}.telltale.suspect{border-left-color:#b26a00}
.telltale h1{font-size:1.4rem;margin:0 0 .5rem}.telltale h2{font-size:1.1rem;margin:1rem 0 .25rem}
.telltale p,.telltale ul,.telltale dl{margin:.5rem 0}.telltale ul{padding-left:1.25rem}
.telltale dl{display:grid;grid-template-columns:max-content 1fr;gap:0 1rem}.telltale dt{color:#5b6470}
.telltale dd{margin:0}.telltale div{overflow-x:auto}
.telltale table{border-collapse:collapse;width:100%}
.telltale th,.telltale td{text-align:left;padding:.25rem .5rem .25rem 0;border-top:1px solid #e2e5ea;
overflow-wrap:normal}
.telltale .num{text-align:right;font-variant-numeric:tabular-nums}
@media(max-width:30rem){.telltale table{font-size:.8rem}}
</style>"""
ALONE: Final = (
    '<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" '
    'content="width=device-width, initial-scale=1"><title>Evidently report</title></head><body></body></html>'
)


def opened_by_ours(page: str, scores: Sequence[Score], numbers: Numbers, lacking: str = "") -> str:
    """Evidently's page with our verdict on the same window before all else.

    `scores` are those of one window and direction, at least one. `lacking` says why there is nothing of Evidently;
    `page` is empty then.
    """
    whole = page or ALONE
    # The first: what comes later may quote anything.
    place = whole.find(">", whole.index("<body")) + 1 if "<body" in whole else 0
    return f"{whole[:place]}{STYLE}{_block(scores, numbers, lacking)}{whole[place:]}"


def state_of(scores: Iterable[Score]) -> Judged:
    """The worst of them."""
    return min((score.state for score in scores), key=ORDER.index)


def in_words(scores: Sequence[Score], numbers: Numbers) -> list[str]:
    """How what Evidently says of each column goes together with our verdict, as paragraphs of plain text."""
    state, drift = state_of(scores), numbers.drift
    if not drift:
        return ["Evidently tested no column for drift here."]
    found = [f"{one.column} ({one.method})" for one in drift if one.detected]
    methods = sorted(
        {f"{one.method} {'below' if one.method in P_VALUES else 'above'} {one.threshold:g}" for one in drift}
    )
    all_of = f"{len(drift)} columns"
    question = (
        "It asks another question: each of its tests takes one property of the texts by itself, in this window alone, "
        f"and says drift at a fixed threshold ({', '.join(methods)})."
    )
    ours = (
        "The monitors ask what is listed above. They know which rows belong to one conversation, how much a property "
        "moves in unchanged traffic, and how many false alarms all their tests together may cost."
    )
    if not found and state == "ok":
        return [f"Evidently's tests agree: “drift not detected” for all {all_of} below.", f"{question} {ours}"]
    if not found:
        named = "the alert" if state == "alert" else "what the monitors suspect"
        return [
            f"Evidently says “drift not detected” for all {all_of} below. That does not contradict {named}.",
            f"{question} A change of words, topics or refusals can leave every such property as it was. {ours}",
        ]
    said = f"Evidently says “drift detected” for {len(found)} of {all_of} below: {_listed(found)}."
    if state != "ok":
        return [said, f"{question} So its list is no count of what changed, and what is not on it may have. {ours}"]
    at_random = (
        f" Of {len(drift)} such tests at least one says drift in up to {min(1, len(drift) * P_VALUE):.0%} of windows "
        "in which nothing changed, and in more where rows belong together."
        if all(one.method in P_VALUES for one in drift)
        else ""
    )
    return [f"{said} That is no alarm.", f"{question}{at_random} {ours}"]


def _block(scores: Sequence[Score], numbers: Numbers, lacking: str) -> str:
    first, state = scores[0], state_of(scores)
    facts = {
        "Model": first.model,
        "Version": first.version,
        "Tenant": first.tenant,
        "Segment": first.segment,
        "Judged": f"{first.direction}s",
        "Window": f"{_written(first.window_start)} to {_written(first.window_end)} UTC",
        "In the report": "{} rows of the window, {} of its reference; each counts as one".format(*numbers.rows),
    }
    if lacking:
        del facts["In the report"]
    parts = [
        f'<section class="telltale {state}" aria-label="Telltale\'s verdict">',
        f"<h1>{HEADINGS[state]}</h1>",
        *(f"<p>{escape(sentence)}</p>" for sentence in _explained(scores)),
        f"<dl>{''.join(f'<dt>{name}</dt><dd>{escape(value)}</dd>' for name, value in facts.items() if value)}</dl>",
        _table(scores),
        f"<ul>{''.join(map(_asked_by, dict.fromkeys(score.monitor for score in scores)))}</ul>",
        "<h2>Evidently, beside ours</h2>",
    ]
    if lacking:
        parts.append(f"<p>There is no report of Evidently on this window: {escape(lacking)}. The verdict stands.</p>")
    else:
        parts += [f"<p>{escape(line)}</p>" for line in in_words(scores, numbers)]
    if numbers.left_out:
        parts.append(f"<p>Not in the report:</p><ul>{''.join(map(_left_out, numbers.left_out[:MOST_NAMED]))}</ul>")
        if len(numbers.left_out) > MOST_NAMED:
            parts.append(f"<p>And {len(numbers.left_out) - MOST_NAMED} more.</p>")
    return "".join([*parts, "</section>"])


def _explained(scores: Iterable[Score]) -> list[str]:
    """What changed in a sentence each, of the monitors that see a change, the gravest state first."""
    ordered = sorted(scores, key=lambda score: ORDER.index(score.state))
    told = [
        score.details.explanation.sentence for score in ordered if score.state != "ok" and score.details.explanation
    ]
    return [*dict.fromkeys(told)][:MOST_SENTENCES]


def _table(scores: Sequence[Score]) -> str:
    heads = '<th scope="col">Monitor</th><th scope="col">State</th>' + "".join(
        f'<th scope="col" class="num">{name}</th>' for name in ("Effect", "Threshold", "p")
    )
    return f"<div><table><thead><tr>{heads}</tr></thead><tbody>{''.join(map(_row, scores))}</tbody></table></div>"


def _row(score: Score) -> str:
    numbers = "".join(
        f'<td class="num">{"none" if number is None else f"{number:.3g}"}</td>'
        for number in (score.effect, score.threshold, score.p_value)
    )
    return (
        f'<tr><th scope="row">{escape(score.monitor)}, {escape(score.signal)}</th><td>{score.state}</td>{numbers}</tr>'
    )


def _asked_by(name: str) -> str:
    monitor = next((one for one in registry.MONITORS if one.name == name), None)
    told = f": {monitor.finds}. Effect: {monitor.effect}." if monitor else ""
    return f"<li><strong>{escape(name)}</strong>{escape(told)}</li>"


def _left_out(one: LeftOut) -> str:
    return f"<li>{escape(one.what)}: {escape(one.why)}</li>"


def _listed(names: Sequence[str]) -> str:
    more = len(names) - MOST_NAMED
    return ", ".join(names[:MOST_NAMED]) + (f" and {more} more" if more > 0 else "")


def _written(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M:%S").removesuffix(":00")
