"""Bar charts as SVG, without a library: the same numbers make the same file."""

from collections.abc import Collection
from html import escape
from math import floor, log10
from pathlib import Path

PLOTS = Path(__file__).parents[1] / "docs" / "plots"
WIDTH = 760
PADDING = 24
HEAD = 62
BAR = 22
STEP = 34
# Of the label and of the value, in pixels; a guess, since the reader's font is not known here.
CHARACTER = 7.9
FONT = "-apple-system, BlinkMacSystemFont, 'Segoe UI', 'Noto Sans', Helvetica, Arial, sans-serif"
# Of its own, so that it reads alike on a light page and on a dark one.
BACKGROUND, BORDER, TEXT, FAINT = "#ffffff", "#d0d7de", "#1f2328", "#59636e"
OTHERS, OURS = "#afb8c1", "#0969da"


def bars(
    title: str,
    rows: list[tuple[str, float]],
    unit: str,
    name: str,
    log: bool = False,
    highlight: Collection[str] = (),
) -> None:
    """Writes docs/plots/<name>.svg: a chart with a horizontal bar for each row, in their order.

    log: whether lengths are of logarithms; then all values have to be above 0
    highlight: the names of those rows that are ours
    """
    PLOTS.mkdir(exist_ok=True)
    (PLOTS / f"{name}.svg").write_text(drawn(title, rows, unit, log, highlight), encoding="utf-8")


def drawn(
    title: str, rows: list[tuple[str, float]], unit: str, log: bool, highlight: Collection[str]
) -> str:
    values = [_number(value) for _, value in rows]
    left = PADDING + CHARACTER * max(len(name) for name, _ in rows) + 12
    room = WIDTH - left - PADDING - CHARACTER * (max(len(value) for value in values) + len(unit) + 2)
    fractions = _fractions([value for _, value in rows], log)
    lines = []
    for number, ((name, _), value, fraction) in enumerate(zip(rows, values, fractions, strict=True)):
        ours = name in highlight
        lines += _row(HEAD + number * STEP, left, room * fraction, name, f"{value} {unit}", ours)
    height = HEAD + len(rows) * STEP + PADDING - (STEP - BAR)
    scale = f"{unit}, logarithmic scale" if log else unit
    spoken = "; ".join(f"{name}: {value} {unit}" for (name, _), value in zip(rows, values, strict=True))
    return f"""<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" \
viewBox="0 0 {WIDTH} {height}" role="img" aria-labelledby="title desc" font-family="{FONT}">
<title id="title">{escape(title)}</title>
<desc id="desc">{escape(spoken)}</desc>
<rect x="0.5" y="0.5" width="{WIDTH - 1}" height="{height - 1}" rx="10" fill="{BACKGROUND}" \
stroke="{BORDER}"/>
<text x="{PADDING}" y="34" font-size="16" font-weight="600" fill="{TEXT}">{escape(title)}</text>
<text x="{WIDTH - PADDING}" y="34" font-size="12" text-anchor="end" fill="{FAINT}">{escape(scale)}</text>
{chr(10).join(lines)}
</svg>
"""


def _row(top: int, left: float, length: float, name: str, value: str, ours: bool) -> list[str]:
    color, weight = (OURS, 600) if ours else (OTHERS, 400)
    text = f'y="{top + BAR - 6}" font-size="13" font-weight="{weight}" fill="{TEXT}"'
    length = max(length, 2)
    return [
        f'<text x="{left - 12:.1f}" {text} text-anchor="end">{escape(name)}</text>',
        f'<rect x="{left:.1f}" y="{top}" width="{length:.1f}" height="{BAR}" rx="3" fill="{color}"/>',
        f'<text x="{left + length + 8:.1f}" {text}>{escape(value)}</text>',
    ]


def _fractions(values: list[float], log: bool) -> list[float]:
    """How long each bar is, of the room that there is."""
    if not log:
        most = max(values) or 1
        return [value / most for value in values]
    # From the power of ten below all of them, so that the least has a bar too.
    low = floor(log10(min(values)) - 0.1)
    high = log10(max(values))
    return [(log10(value) - low) / (high - low) for value in values]


def _number(value: float) -> str:
    """Three digits at least."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"
