"""The charts of docs/performance.md."""

import statistics
from collections.abc import Sequence
from typing import Any

from benchmarks.environments import ROOT
from benchmarks.results import Found
from benchmarks.sitting import OTHERS_DATABASES, OURS, SERVERS, Row

DOCS = ROOT / "docs"
BLUE, RED, GREY = "#2a7fb8", "#d1603d", "0.75"


def draw(row: Row, found: Sequence[Found]) -> list[str]:
    """Draw the chart of `row`, if it has one; return the names of the files beside the page."""
    drawn = [each for each in found if row.alone or each.database in OTHERS_DATABASES]
    if row.chart is None or not drawn:
        return []
    import matplotlib

    matplotlib.use("svg")
    matplotlib.rcParams.update({"svg.fonttype": "none", "svg.hashsalt": "", "font.size": 9})
    figure = {"bars": _bars, "storm": _storm, "growth": _growth}[row.chart](drawn)
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
    """Rates relative to the example, one bar each, with minimum and maximum."""
    names = list(found[0].rounds[0])
    measure = next(iter(found[0].rounds[0][OURS]))
    figure, axes = _panels(found, 0.5 + 0.3 * len(names), sharex=True, sharey=True)
    for axis, each in zip(axes, found, strict=True):
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
        axis.set_xlabel(f"{measure} ÷ the example's, least to most")
        axis.margins(x=0.12)
    axes[0].invert_yaxis()
    return figure


def _storm(found: Sequence[Found]) -> Any:
    """The latency of who-am-I from the median to the 99th percentile, idle and in the storm."""
    names = max((list(each.rounds[0]) for each in found), key=len)
    figure, axes = _panels(found, 0.9 + 0.3 * len(names), sharex=True, sharey=True)
    for axis, each in zip(axes, found, strict=True):
        for label, suffix, colour, shift in (
            ("alone", " idle", BLUE, -0.14),
            ("under the storm", "", RED, 0.14),
        ):
            for place, name in enumerate(names):
                if name not in each.rounds[0]:
                    continue
                p50, p99 = (
                    statistics.median(one[name][f"{p}{suffix}, ms"] for one in each.rounds)
                    for p in ("p50", "p99")
                )
                axis.plot([p50, p99], [place + shift] * 2, color=colour, label=label)
                axis.plot(p50, place + shift, "o", color=colour, markersize=4)
                axis.plot(p99, place + shift, "|", color=colour, markersize=8)
        axis.set_yticks(range(len(names)), names)
        axis.set(
            xscale="log", xlabel="ms, median to 99th percentile", ylim=(-0.6, len(names) - 0.4)
        )
        axis.set_xticks([1, 10, 100, 1_000], ["1", "10", "100", "1,000"])
        axis.minorticks_off()
    axes[0].invert_yaxis()
    _legend(figure, axes[0])
    return figure


def _growth(found: Sequence[Found]) -> Any:
    """The time of each request by the number of users."""
    figure, axes = _panels(found, 3.2, sharex=True, sharey=True)
    for axis, each in zip(axes, found, strict=True):
        for number, (name, measures) in enumerate(each.rounds[0].items()):
            sizes = sorted(measures, key=_size)
            middles = [statistics.median(one[name][size] for one in each.rounds) for size in sizes]
            style = "o-" if name.startswith(OURS) else "s--"
            axis.plot(
                [_size(size) for size in sizes],
                middles,
                style,
                color=RED if not name.startswith(OURS) else f"C{number}",
                label=name,
                markersize=4,
            )
        axis.set(xscale="log", yscale="log", xlabel="users")
        axis.set_xticks([1_000, 100_000, 1_000_000], ["1 k", "100 k", "1 M"])
        axis.set_yticks([1, 10, 100, 1_000], ["1", "10", "100", "1,000"])
        axis.minorticks_off()
        axis.grid(axis="y", color="0.9")
    axes[0].set_ylabel("ms")
    _legend(figure, axes[0])
    return figure


def _size(name: str) -> int:
    return int(name.partition(" ")[0].replace(",", ""))


def _legend(figure: Any, axis: Any) -> None:
    handles = dict(zip(*reversed(axis.get_legend_handles_labels()), strict=True))
    figure.legend(handles.values(), handles, loc="outside lower center", ncols=3, frameon=False)
