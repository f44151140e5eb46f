"""The history of one series as SVG: effect, threshold, states. Drawn on the server, so it needs no script."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import pairwise

from markupsafe import Markup, escape

from telltale.records import Score

WIDTH, HEIGHT = 1080, 200
LEFT, RIGHT, TOP, BOTTOM = 56, 12, 14, 28


def draw(scores: Sequence[Score], opened_at: float, name: str) -> Markup:
    """A chart of judged windows, oldest first; empty when none was judged. `name` says what it shows."""
    judged = [score for score in scores if score.effect is not None]
    if not judged:
        return Markup("")
    scale = _Scale(judged, opened_at)
    parts = [
        _axis(scale),
        *_versions(judged, scale),
        _line("threshold", [(score.window_end, score.threshold) for score in judged], scale),
        _line("line", [(score.window_end, score.effect) for score in judged], scale),
        *(_dot(score, scale) for score in judged),
        _marker(opened_at, "ticket", scale),
    ]
    head = Markup('<svg class="chart" viewBox="0 0 {} {}" role="img" aria-label="{}">').format(
        WIDTH, HEIGHT, f"{name}: {_summary(judged)}"
    )
    return head + Markup("").join(parts) + Markup("</svg>")


class _Scale:
    """Time and effect to pixels."""

    def __init__(self, scores: Sequence[Score], opened_at: float) -> None:
        times = [score.window_end for score in scores] + [opened_at]
        values = [value for score in scores for value in (score.effect, score.threshold) if value is not None]
        self.first, self.last = min(times), max(times)
        self.low, self.high = min(0.0, *values), max(0.0, *values)
        self.high += 0.08 * (self.high - self.low or 1.0)

    def x(self, time: float) -> float:
        span = self.last - self.first
        return LEFT + (WIDTH - LEFT - RIGHT) * ((time - self.first) / span if span else 0.5)

    def y(self, value: float) -> float:
        return TOP + (HEIGHT - TOP - BOTTOM) * (self.high - value) / (self.high - self.low)


def _axis(scale: _Scale) -> Markup:
    base, zero = HEIGHT - BOTTOM, scale.y(0.0)
    texts = [
        (LEFT, HEIGHT - 8, "start", _clock(scale.first)),
        (WIDTH - RIGHT, HEIGHT - 8, "end", _clock(scale.last)),
        (LEFT - 6, scale.y(scale.high) + 10, "end", f"{scale.high:.3g}"),
        (LEFT - 6, zero + 4, "end", "0"),
    ]
    lines = Markup('<path class="axis" d="M{0} {1}V{2}M{0} {3:.1f}H{4}"/>').format(LEFT, TOP, base, zero, WIDTH - RIGHT)
    return lines + Markup("").join(
        Markup('<text x="{}" y="{:.0f}" text-anchor="{}">{}</text>').format(x, y, anchor, text)
        for x, y, anchor, text in texts
    )


def _line(kind: str, points: Sequence[tuple[float, float | None]], scale: _Scale) -> Markup:
    path, pen = [], "M"
    for time, value in points:
        if value is None:
            pen = "M"
            continue
        path.append(f"{pen}{scale.x(time):.1f} {scale.y(value):.1f}")
        pen = "L"
    return Markup('<path class="{}" d="{}"/>').format(kind, "".join(path))


def _dot(score: Score, scale: _Scale) -> Markup:
    return Markup('<circle class="dot {}" cx="{:.1f}" cy="{:.1f}" r="3.5"><title>{}</title></circle>').format(
        score.state,
        scale.x(score.window_end),
        scale.y(score.effect or 0.0),
        f"{_clock(score.window_end)}: {score.effect:.3g} (from {score.threshold or 0:.3g}), {score.state}",
    )


def _versions(scores: Sequence[Score], scale: _Scale) -> list[Markup]:
    changes = [new for old, new in pairwise(scores) if old.version != new.version]
    return [_marker(score.window_end, score.version, scale) for score in changes]


def _marker(time: float, text: str, scale: _Scale) -> Markup:
    x = scale.x(time)
    anchor, shift = ("end", -4) if x > WIDTH / 2 else ("start", 4)
    return Markup(
        '<path class="axis" d="M{0:.1f} {1}V{2}"/><text x="{3:.1f}" y="{4}" text-anchor="{5}">{6}</text>'
    ).format(x, TOP, HEIGHT - BOTTOM, x + shift, TOP + 8, anchor, escape(text))


def _summary(scores: Sequence[Score]) -> str:
    alarms, last = sum(score.state == "alert" for score in scores), scores[-1]
    return f"{len(scores)} windows, {alarms} in alert, last effect {last.effect:.3g} from {last.threshold or 0:.3g}"


def _clock(time: float) -> str:
    return datetime.fromtimestamp(time, UTC).strftime("%m-%d %H:%M:%S")
