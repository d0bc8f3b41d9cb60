"""The report's plots: tables in, PNG bytes out. Figure objects only, no pyplot, so that threads can draw at once."""

import io

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from matplotlib.ticker import FuncFormatter, MaxNLocator, PercentFormatter

HUMAN, AUTO = "#1f6fb2", "#d97706"  # told apart by colour-blind eyes and, by lightness, in print
COLOURS = {"human": HUMAN, "auto": AUTO}
NAMES = {"human": "people", "auto": "model"}
INK, SOFT, LINE = "#1c2026", "#5a6472", "#e3e6ea"
SIZE = 9


def bars_per_round(rounds: list[int], human: np.ndarray, auto: np.ndarray, title: str, unit: str = "") -> bytes:
    """Stacked bars, people below and the model above, one a round; unit "$" writes amounts of money."""
    figure, axes = canvas(3.7, 3.0, title)
    axes.bar(rounds, human, width=0.7, color=HUMAN)
    axes.bar(rounds, auto, width=0.7, bottom=human, color=AUTO)
    total = np.asarray(human) + np.asarray(auto)
    top = max(total.max(), 1e-9)
    axes.set_ylim(0, top * 1.12)
    axes.set_xlim(min(rounds) - 0.7, max(max(rounds) + 0.7, min(rounds) + 2.7))  # one bar alone is no wall
    if len(rounds) <= 10:
        for x, value in zip(rounds, total):
            text = f"\\${value:,.{0 if len(rounds) > 5 else 2}f}" if unit == "$" else f"{value:,.0f}"
            axes.text(x, value + top * 0.015, text, ha="center", va="bottom", fontsize=SIZE - 1, color=SOFT)
    cents = unit == "$" and top < 10
    axes.yaxis.set_major_formatter(FuncFormatter(lambda y, _: f"\\${y:,.{2 * cents}f}" if unit == "$" else f"{y:,.0f}"))
    axes.yaxis.set_major_locator(MaxNLocator(5, integer=not cents, min_n_ticks=1))
    axes.set_xticks(rounds if len(rounds) <= 10 else range(5, max(rounds) + 1, 5 * -(-max(rounds) // 50)))
    axes.set_xlabel("round")
    legend(axes)
    return png(figure)


def quality_histogram(quality: dict[str, pd.Series], target: float, name: str) -> bytes:
    """How good the labels of "human" and of "auto" are, item by item: one panel each, on one axis, with the target."""
    figure = Figure(figsize=(4.8, 3.5), layout="constrained", facecolor="white")
    panels = np.atleast_1d(figure.subplots(len(quality), 1, sharex=True, sharey=True))
    bins = np.linspace(0, 1, 26)
    for axes, (source, values) in zip(panels, quality.items()):
        style(axes)
        axes.hist(values, bins=bins, weights=np.full(len(values), 1 / len(values)), color=COLOURS[source], rwidth=0.92)
        axes.axvline(target, color=INK, linewidth=1, linestyle=(0, (4, 3)))
        axes.yaxis.set_major_formatter(PercentFormatter(1, decimals=0, symbol=" %"))
        axes.yaxis.set_major_locator(MaxNLocator(4, min_n_ticks=1))
        axes.set_title(f"{NAMES[source]}: mean {values.mean():.2f}", loc="left", size=SIZE, color=INK, weight="bold")
    panels[0].annotate(
        f"target {target:g}",
        (target, 1),
        xycoords=("data", "axes fraction"),
        xytext=(0, 3),
        textcoords="offset points",
        ha="center",
        fontsize=SIZE - 1,
        color=INK,
    )
    panels[0].set_xlim(0, 1)
    panels[-1].set_xlabel(f"{name} of an item against the truth")
    figure.supylabel("share of labels", fontsize=SIZE, color=SOFT)
    suptitle(figure, "Quality, item by item")
    return png(figure)


def share_right(quality: dict[str, pd.Series], target: float) -> bytes:
    """Where a label is right or wrong: the share that is right, of "human" and of "auto", with the target."""
    figure, axes = canvas(4.8, 3.5, "How many labels are right")
    shares = [values.mean() for values in quality.values()]
    axes.barh(range(len(shares)), shares, height=0.55, color=[COLOURS[source] for source in quality])
    for y, share in enumerate(shares):
        inside = share > 0.3
        axes.text(
            0.02 if inside else share + 0.02,
            y,
            f"{100 * share:.1f} %",
            va="center",
            fontsize=SIZE + 2,
            weight="bold",
            color="white" if inside else INK,
        )
    axes.axvline(target, color=INK, linewidth=1, linestyle=(0, (4, 3)))
    axes.annotate(
        f"target {100 * target:g} %",
        (target, 1),
        xycoords=("data", "axes fraction"),
        xytext=(0, 3),
        textcoords="offset points",
        ha="right",
        fontsize=SIZE - 1,
        color=INK,
    )
    axes.set_yticks(range(len(shares)), [NAMES[source] for source in quality], fontsize=SIZE)
    axes.invert_yaxis()
    axes.set_xlim(0, 1)
    axes.grid(False)
    axes.xaxis.set_major_formatter(PercentFormatter(1, decimals=0, symbol=" %"))
    axes.set_xlabel("share of labels that are right")
    return png(figure)


def quality_by_threshold(curve: pd.DataFrame, theta: float | None, target: float, name: str) -> bytes:
    """What a threshold would do on the validation items; `curve` as `roundtruth.report.threshold_curve` makes it."""
    figure, axes = canvas(4.8, 3.5, "What a threshold lets through")
    x = curve["threshold"]
    axes.step(x, curve["coverage"], where="pre", color=AUTO, linewidth=1.8, label="share above it")
    axes.step(x, curve["quality"], where="pre", color=INK, linewidth=1.8, label=f"their {name}")
    axes.axhline(target, color=SOFT, linewidth=1, linestyle=(0, (4, 3)), label=f"target {target:g}")
    left, right = min(x.min(), theta if theta is not None else np.inf), max(x.max(), 0 if theta is None else theta)
    pad = max((right - left) * 0.04, 0.01)
    axes.set_xlim(left - pad, right + pad)
    if theta is not None:
        axes.axvline(theta, color=HUMAN, linewidth=1.4)
        late = theta > (left + right) / 2
        axes.annotate(
            f"θ = {theta:.3g}",
            (theta, 0.02),
            xycoords=("data", "axes fraction"),
            xytext=(-4 if late else 4, 0),
            textcoords="offset points",
            ha="right" if late else "left",
            fontsize=SIZE,
            weight="bold",
            color=HUMAN,
        )
    axes.set_ylim(0, 1.02)
    axes.set_xlabel("threshold on the model's confidence")
    legend(axes, axes.get_lines()[:3])
    return png(figure)


def canvas(width: float, height: float, title: str) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(width, height), layout="constrained", facecolor="white")
    axes = figure.subplots()
    style(axes)
    suptitle(figure, title)
    return figure, axes


def suptitle(figure: Figure, title: str) -> None:
    figure.suptitle(title, x=0.01, ha="left", fontsize=SIZE + 2, color=INK, weight="bold")


def style(axes: Axes) -> None:
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.spines["bottom"].set_color(LINE)
    axes.tick_params(length=0, labelsize=SIZE - 1, labelcolor=SOFT)
    axes.grid(axis="y", color=LINE, linewidth=0.8)
    axes.set_axisbelow(True)
    axes.xaxis.label.set(fontsize=SIZE, color=SOFT)
    axes.yaxis.label.set(fontsize=SIZE, color=SOFT)


def legend(axes: Axes, handles: list | None = None) -> None:
    """One line above the plot."""
    axes.legend(
        handles=handles or [Patch(color=COLOURS[source], label=NAMES[source]) for source in COLOURS],
        loc="lower left",
        bbox_to_anchor=(0, 1),
        ncols=3,
        frameon=False,
        fontsize=SIZE - 0.5,
        labelcolor=SOFT,
        borderaxespad=0.2,
        handlelength=1.1,
        handletextpad=0.5,
        columnspacing=1.4,
        borderpad=0,
    )


def png(figure: Figure) -> bytes:
    out = io.BytesIO()
    figure.savefig(out, format="png", dpi=160, metadata={"Software": None})
    return out.getvalue()
