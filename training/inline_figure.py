"""Figures within an HTML page: SVG that takes the page's colours, in light and in dark.

What draws names colours of `Theme`; in the SVG they become the page's CSS variables. A page that
holds such figures has the variables of agent/templates/page.css, and ``--series-0`` and so on.
"""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from markupsafe import Markup

from training.report import COLOURS, STYLE

if TYPE_CHECKING:
    from matplotlib.figure import Figure

INK: Final = "#1c2126"
SOFT: Final = "#5b6670"
LINE: Final = "#e2e4e2"
_VARIABLES: Final = {
    **{INK: "--ink", SOFT: "--soft", LINE: "--line"},
    **{colour.lower(): f"--series-{k}" for k, colour in enumerate(COLOURS)},
}
_LOOK: Final[dict[Any, Any]] = STYLE | {
    "svg.fonttype": "none", "text.color": INK, "axes.labelcolor": SOFT, "axes.edgecolor": SOFT,
    "xtick.color": SOFT, "ytick.color": SOFT, "grid.color": LINE, "axes.facecolor": "none",
    "figure.facecolor": "none", "legend.labelcolor": INK,
}  # fmt: skip


def inline(name: str, size: tuple[float, float], draw: Callable[[Figure], object]) -> Markup:
    """An ``<svg>`` element; the same drawing gives the same text.

    Args:
        name: told apart from the page's other figures by it; letters and dashes.
        size: width and height, inches; letters are 9 points high.
        draw: draws, and writes nothing that needs escaping but by matplotlib.
    """
    # Heavy, and needed by few commands.
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    written = io.StringIO()
    with rc_context(_LOOK):
        figure = Figure(figsize=size, layout="constrained")
        draw(figure)
        figure.savefig(written, format="svg")
    svg = written.getvalue()
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>|<style.*?</style>", "", svg, flags=re.DOTALL)
    # Within HTML the parser knows both namespaces, and the page says how wide a figure is.
    svg = re.sub(r'<svg [^>]*?(viewBox="[^"]*")[^>]*>', r'<svg \1 class="figure">', svg, count=1)
    svg = re.sub(r'( id="|url\(#|href="#)', rf"\g<1>{name}-", svg).replace("xlink:href", "href")
    svg = re.sub(r" font-family: [^;\"]*;", "", svg)
    for colour, variable in _VARIABLES.items():
        svg = svg.replace(colour, f"var({variable})")
    return Markup(svg)
