"""The charts of docs/performance.md."""

import statistics
from collections.abc import Sequence
from importlib.util import find_spec
from typing import Any

from benchmarks.environments import ROOT
from benchmarks.results import Found
from benchmarks.sitting import OURS, SERVERS, Row

DOCS = ROOT / "docs"
BLUE, RED, GREY = "#2a7fb8", "#d1603d", "0.75"


def draw(row: Row, found: Sequence[Found]) -> list[str]:
    """Draw the chart of `row` where it has one; return the names of files beside the page."""
    if row.chart is None or find_spec("matplotlib") is None:
        return []
    import matplotlib

    matplotlib.use("svg")
    matplotlib.rcParams.update({"svg.fonttype": "none", "svg.hashsalt": "", "font.size": 9})
    figure = {"bars": _bars, "storm": _storm, "growth": _growth}[row.chart](found)
    name = f"performance-{row.name}.svg"
    figure.savefig(DOCS / name, metadata={"Date": None, "Creator": None})
    return [name]


def _panels(found: Sequence[Found], height: float, **options: Any) -> tuple[Any, Any]:
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(
        1, len(found), figsize=(10, height), layout="constrained", squeeze=False, **options
    )
    for axis, each in zip(axes[0], found, strict=True):
        axis.set_title(SERVERS[each.database])
        axis.grid(axis="x", color="0.9")
        axis.set_axisbelow(True)
        axis.spines[["top", "right", "left"]].set_visible(False)
        axis.tick_params(left=False)
    return figure, axes[0]


def _bars(found: Sequence[Found]) -> Any:
    """Who does how much beside the example, a bar each, with the least and the most."""
    compared = [each for each in found if len(each.rounds[0]) > 1]
    names = list(compared[0].rounds[0])
    measure = next(iter(compared[0].rounds[0][OURS]))
    figure, axes = _panels(compared, 0.5 + 0.3 * len(names), sharex=True, sharey=True)
    for axis, each in zip(axes, compared, strict=True):
        for place, name in enumerate(names):
            values = [one[name][measure] / one["the example"][measure] for one in each.rounds]
            middle = statistics.median(values)
            colour = BLUE if name.startswith(OURS) else GREY
            axis.barh(place, middle, color=colour, height=0.7)
            axis.plot([min(values), max(values)], [place, place], color="black", linewidth=1)
            axis.annotate(
                f"{middle:.1f}",
                (max(values), place),
                xytext=(4, 0),
                textcoords="offset points",
                va="center",
            )
        axis.set_yticks(range(len(names)), names)
        axis.set_xlabel(f"{measure}, the example = 1")
        axis.margins(x=0.12)
    axes[0].invert_yaxis()
    return figure


def _storm(found: Sequence[Found]) -> Any:
    raise NotImplementedError


def _growth(found: Sequence[Found]) -> Any:
    raise NotImplementedError
