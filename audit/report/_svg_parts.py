"""Pieces of static pictures: SVG in per cent of the width, so that text keeps its size on a phone and on paper."""

from __future__ import annotations

from html import escape


def opening(name: str, title: str, height: float, kind: str) -> str:
    """Return the start of a picture with its title for those who cannot see it."""
    return (
        f'<svg class="pic {kind}" width="100%" height="{height:g}" role="img" aria-labelledby="{name}-t">'
        f'<title id="{name}-t">{escape(title)}</title>'
    )


def text(x: str, y: float, words: str, *, anchor: str = "start", kind: str = "t") -> str:
    """Return words at a place."""
    placed = "" if anchor == "start" else f' text-anchor="{anchor}"'
    return f'<text class="{kind}" x="{x}" y="{y:g}"{placed}>{escape(words)}</text>'


def line(kind: str, x1: str, y1: str, x2: str, y2: str) -> str:
    """Return a line."""
    return f'<line class="{kind}" x1="{x1}" y1="{y1}" x2="{x2}" y2="{y2}"/>'


class Scale:
    """A linear map from a domain to per cent of the width (or of the height, upside down)."""

    def __init__(self, domain: tuple[float, float], low: float, high: float) -> None:
        self.domain, self.low, self.high = domain, low, high

    def at(self, value: float) -> float:
        """Return the position in per cent, held inside the scale."""
        first, last = self.domain
        share = (value - first) / (last - first) if last > first else 0.5
        return self.low + min(1.0, max(0.0, share)) * (self.high - self.low)

    def __call__(self, value: float) -> str:
        return f"{self.at(value):.1f}%"
