"""Curves as SVG: small, sharp, in the theme's colours, and without a plotting library. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import Final, Literal

WIDTH: Final = 720
HEIGHT: Final = 300
_LEFT, _RIGHT, _TOP, _BOTTOM = 64, 16, 12, 40
#: told apart on white and on black, also by those who see no red or green; dashes say the rest
COLOURS: Final = ("#3b82c4", "#d97706", "#2f9e6e", "#b45ac8", "#9a8b1f", "#d14d4d", "#5f7fa8", "#8a6d5a")
DASHES: Final = ("", "7 3", "2 3", "9 3 2 3")


@dataclass(frozen=True)
class Curve:
    """Points in order; a NaN is a gap."""

    name: str
    points: Sequence[tuple[float, float]]
    #: joined, each for itself, or each holding until the next
    look: Literal["line", "points", "steps"] = "line"


def line_chart(curves: Sequence[Curve], *, label: str, x_label: str = "step") -> str:
    """An SVG with axes, one line a curve, and a legend below it; words alone where there is nothing to draw."""
    finite = [(x, y) for curve in curves for x, y in curve.points if math.isfinite(y)]
    if not finite:
        return f"<p class='orrw-soft'>{escape(label)} has no points yet.</p>"
    x_ticks = ticks(min(x for x, _ in finite), max(x for x, _ in finite), 8)
    y_ticks = ticks(min(y for _, y in finite), max(y for _, y in finite), 6)
    frame = _Frame(x_ticks[0], x_ticks[-1], y_ticks[0], y_ticks[-1])
    parts = [_axes(frame, x_ticks, y_ticks, label, x_label)]
    parts += [_line(frame, curve, index) for index, curve in enumerate(curves)]
    lasts = ", ".join(f"{curve.name} {last:.4g}" for curve in curves if (last := _last(curve)) is not None)
    return (
        f"<svg viewBox='0 0 {WIDTH} {HEIGHT}' role='img' aria-label='{escape(f'{label}: {lasts}', quote=True)}' "
        f"style='width:100%;max-width:{WIDTH}px;height:auto'>{''.join(parts)}</svg>{_legend(curves)}"
    )


@dataclass(frozen=True)
class _Frame:
    """From values to the drawing's units."""

    x_low: float
    x_high: float
    y_low: float
    y_high: float

    def x(self, value: float) -> float:
        return _LEFT + (value - self.x_low) / ((self.x_high - self.x_low) or 1.0) * (WIDTH - _LEFT - _RIGHT)

    def y(self, value: float) -> float:
        share = (value - self.y_low) / ((self.y_high - self.y_low) or 1.0)
        return HEIGHT - _BOTTOM - share * (HEIGHT - _TOP - _BOTTOM)


def ticks(low: float, high: float, most: int) -> list[float]:
    """Round numbers that span `low` to `high`: steps of 1, 2 or 5 times a power of ten."""
    if high <= low:
        margin = abs(low) * 0.1 or 1.0
        low, high = low - margin, high + margin
    raw = (high - low) / max(1, most - 1)
    power = 10 ** math.floor(math.log10(raw))
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= raw * 0.999)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [index * step for index in range(first, last + 1)]


def _axes(frame: _Frame, x_ticks: Sequence[float], y_ticks: Sequence[float], label: str, x_label: str) -> str:
    text = "fill='currentColor' font-size='11'"
    lines: list[str] = []
    for tick in y_ticks:
        y = frame.y(tick)
        lines.append(
            f"<line x1='{_LEFT}' x2='{WIDTH - _RIGHT}' y1='{y:.1f}' y2='{y:.1f}' stroke='currentColor' opacity='0.18'/>"
            f"<text x='{_LEFT - 6}' y='{y + 4:.1f}' text-anchor='end' {text}>{_tick(tick)}</text>"
        )
    for tick in x_ticks:
        if tick == int(tick):
            place = f"x='{frame.x(tick):.1f}' y='{HEIGHT - _BOTTOM + 16}'"
            lines.append(f"<text {place} text-anchor='middle' {text}>{_tick(tick)}</text>")
    middle, bottom = (_LEFT + WIDTH - _RIGHT) / 2, HEIGHT - 6
    lines.append(f"<text x='{middle:.0f}' y='{bottom}' text-anchor='middle' {text}>{escape(x_label)}</text>")
    height = (_TOP + HEIGHT - _BOTTOM) / 2
    turned = f"transform='rotate(-90 12 {height:.0f})'"
    lines.append(f"<text x='12' y='{height:.0f}' text-anchor='middle' {turned} {text}>{escape(label)}</text>")
    return "".join(lines)


def _tick(value: float) -> str:
    return f"{value:.6g}"


def _line(frame: _Frame, curve: Curve, index: int) -> str:
    colour, dash = _look(index)
    pieces: list[list[str]] = [[]]
    for x, y in curve.points:
        if not math.isfinite(y):
            pieces.append([])
            continue
        if curve.look == "steps" and pieces[-1]:
            pieces[-1].append(f"{frame.x(x):.1f},{pieces[-1][-1].partition(',')[2]}")
        if curve.look == "points":
            pieces.append([])
        pieces[-1].append(f"{frame.x(x):.1f},{frame.y(y):.1f}")
    drawn: list[str] = []
    for piece in pieces:
        if len(piece) == 1:
            x, _, y = piece[0].partition(",")
            drawn.append(f"<circle cx='{x}' cy='{y}' r='3.5' fill='{colour}'/>")
        elif piece:
            drawn.append(
                f"<polyline points='{' '.join(piece)}' fill='none' stroke='{colour}' stroke-width='1.8' "
                f"stroke-dasharray='{dash}'/>"
            )
    return f"<g><title>{escape(curve.name)}</title>{''.join(drawn)}</g>"


def _legend(curves: Sequence[Curve]) -> str:
    entries: list[str] = []
    for index, curve in enumerate(curves):
        colour, dash = _look(index)
        last = _last(curve)
        words = f"{curve.name} ({last:.4g})" if last is not None else f"{curve.name} (no points)"
        if curve.look == "points":
            mark = f"<circle cx='13' cy='4' r='3.5' fill='{colour}'/>"
        else:
            mark = f"<line x1='0' x2='26' y1='4' y2='4' stroke='{colour}' stroke-width='3' stroke-dasharray='{dash}'/>"
        entries.append(
            "<span style='display:inline-flex;align-items:center;gap:6px;margin-right:16px'>"
            f"<svg width='26' height='8' aria-hidden='true'>{mark}</svg>{escape(words)}</span>"
        )
    return f"<div>{''.join(entries)}</div>"


def _look(index: int) -> tuple[str, str]:
    return COLOURS[index % len(COLOURS)], DASHES[index // len(COLOURS) % len(DASHES)]


def _last(curve: Curve) -> float | None:
    return next((y for _, y in reversed(curve.points) if math.isfinite(y)), None)
