"""A chart of one line as SVG, readable on light and dark pages; written by hand, so that nothing need be installed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from html import escape
from typing import Final

WIDTH: Final = 560
HEIGHT: Final = 380
LEFT, RIGHT, TOP, BOTTOM = 64, 24, 40, 54
_STYLE: Final = """
text { font: 13px system-ui, sans-serif; fill: #333 }
.title { font-weight: 600; font-size: 15px }
.grid { stroke: #ddd } .guide { stroke: #999; stroke-dasharray: 5 5 }
.line { stroke: #1f6feb; stroke-width: 2; fill: none } .bar { stroke: #1f6feb; stroke-width: 1.5 }
.dot { fill: #1f6feb } .mark { fill: #d1242f } .marked { fill: #d1242f }
@media (prefers-color-scheme: dark) {
  text { fill: #ddd } .grid { stroke: #3a3f45 } .guide { stroke: #888 }
  .line, .bar { stroke: #6cb0ff } .dot { fill: #6cb0ff } .mark, .marked { fill: #ff8a80 }
}
"""

Point = tuple[float, float]


@dataclass
class Chart:
    """Axes from `least` to 1 in shares, what each of them is, and what was drawn so far."""

    title: str
    across: str
    up: str
    least: Point = (0.0, 0.0)
    """Where the axes begin."""
    drawn: list[str] = field(default_factory=list)

    def line(self, points: Iterable[Point], kind: str = "line") -> None:
        """Join points; `kind` is `line` or `guide`."""
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in map(self._place, points))
        self.drawn.append(f'<polyline class="{kind}" fill="none" points="{path}"/>')

    def bar(self, x: float, low: float, high: float) -> None:
        """Draw an interval."""
        (at, bottom), (_, top) = self._place((x, low)), self._place((x, high))
        self.drawn.append(f'<line class="bar" x1="{at:.1f}" y1="{bottom:.1f}" x2="{at:.1f}" y2="{top:.1f}"/>')

    def dot(self, point: Point, kind: str = "dot") -> None:
        """Draw a point; `kind` is `dot` or `mark`."""
        x, y = self._place(point)
        self.drawn.append(f'<circle class="{kind}" cx="{x:.1f}" cy="{y:.1f}" r="{5 if kind == "mark" else 4}"/>')

    def say(self, point: Point, text: str, kind: str = "") -> None:
        """Write to the right of a point."""
        x, y = self._place(point)
        self.drawn.append(f'<text class="{kind}" x="{x + 10:.1f}" y="{y + 4:.1f}">{escape(text)}</text>')

    def svg(self, steps: Sequence[int] = (5, 5)) -> str:
        """Return the document; `steps` says in how many parts the axes are cut."""
        parts = [*self._grid(steps), *self.drawn]
        middle = (LEFT + WIDTH - RIGHT) / 2
        parts += [
            f'<text class="title" x="{LEFT}" y="22">{escape(self.title)}</text>',
            f'<text x="{middle}" y="{HEIGHT - 12}" text-anchor="middle">{escape(self.across)}</text>',
            f'<text transform="translate(16 {HEIGHT / 2}) rotate(-90)" text-anchor="middle">{escape(self.up)}</text>',
        ]
        body = "\n".join(parts)
        head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" role="img">'
        return f"{head}\n<title>{escape(self.title)}</title>\n<style>{_STYLE}</style>\n{body}\n</svg>\n"

    def _place(self, point: Point) -> Point:
        across, up = ((value - low) / (1 - low) for value, low in zip(point, self.least, strict=True))
        return LEFT + across * (WIDTH - LEFT - RIGHT), HEIGHT - BOTTOM - up * (HEIGHT - TOP - BOTTOM)

    def _grid(self, steps: Sequence[int]) -> Iterable[str]:
        for axis, (low, count) in enumerate(zip(self.least, steps, strict=True)):
            for step in range(count + 1):
                value = low + step * (1 - low) / count
                x, y = self._place((value, self.least[1]) if axis == 0 else (self.least[0], value))
                end_x, end_y = self._place((value, 1.0) if axis == 0 else (1.0, value))
                yield f'<line class="grid" x1="{x:.1f}" y1="{y:.1f}" x2="{end_x:.1f}" y2="{end_y:.1f}"/>'
                place = f'x="{x:.1f}" y="{y + 20:.1f}" text-anchor="middle"'
                if axis == 1:
                    place = f'x="{x - 8:.1f}" y="{y + 4:.1f}" text-anchor="end"'
                yield f"<text {place}>{value:.0%}</text>"
