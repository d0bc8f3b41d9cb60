"""The report's plots: tables in, PNG bytes out. Figure objects only, no pyplot, so that threads can draw at once."""

import io
from enum import StrEnum, auto

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from matplotlib.patheffects import withStroke
from matplotlib.ticker import FuncFormatter, MaxNLocator, PercentFormatter

HUMAN, AUTO = "#1f6fb2", "#d97706"  # told apart by colour-blind eyes and, by lightness, in print
COLOURS = {"human": HUMAN, "auto": AUTO}
NAMES = {"human": "people", "auto": "model"}
DARK = "#9a5200"  # the model's colour where it is text
FORECAST = "#7a4fa3"
INK, SOFT, LINE = "#1c2026", "#5a6472", "#e3e6ea"
SIZE = 9


class Side(StrEnum):
    """Where a text stands."""

    LEFT = auto()


FEW = 10  # items of which a mean says little


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
        axes.set_title(f"{NAMES[source]}: mean {values.mean():.2f}", loc=Side.LEFT, size=SIZE, color=INK, weight="bold")
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
    axes.set_ylim(max(len(shares), 2) - 0.5, -0.5)  # the first on top; one bar alone is no wall
    axes.set_xlim(0, 1)
    axes.grid(False)
    axes.xaxis.set_major_formatter(PercentFormatter(1, decimals=0, symbol=" %"))
    axes.set_xlabel("share of labels that are right")
    return png(figure)


def quality_by_coverage(curve: pd.DataFrame, target: float, cuts: dict[str, tuple[float, float]], name: str) -> bytes:
    """What the model could label, and how well: `curve` as `roundtruth.report.evidence.coverage_curve` makes it.

    cuts: "certified" and "naive", those there are, each with its coverage and quality.
    """
    figure, axes = canvas(4.8, 3.7, "How much the model could label, and how well")
    x = np.append(curve["coverage"], 1.0)
    y = np.append(curve["quality"], curve["quality"].iloc[-1])
    steady = curve["quality"][curve["items"] >= min(10, curve["items"].max())]  # the first few jump about
    low = min([steady.min(), target, *(quality for _, quality in cuts.values())])
    high = max([steady.max(), target, *(quality for _, quality in cuts.values())])
    pad = max(0.12 * (high - low), 0.01)
    axes.set_ylim(max(low - pad, 0), min(high + pad, 1 + 0.3 * pad))
    axes.set_xlim(0, 1)
    handles = axes.step(x, y, where="post", color=INK, linewidth=1.6, label=f"{name} of the checked items")
    handles.append(axes.axhline(target, color=SOFT, linewidth=1, linestyle=(0, (4, 3)), label=f"target {target:g}"))
    if "certified" in cuts:
        axes.axvspan(0, cuts["certified"][0], color=AUTO, alpha=0.13, linewidth=0)
    for cut, (coverage, quality) in cuts.items():
        marker, fill, edge = {"certified": ("o", AUTO, AUTO), "naive": ("D", "white", INK)}[cut]
        label = f"{cut} cut: {100 * coverage:.0f} %"
        handles += axes.plot(
            coverage,
            quality,
            marker,
            markersize=7.5 if cut == "certified" else 6,
            markerfacecolor=fill,
            markeredgecolor=edge,
            markeredgewidth=1.5,
            clip_on=False,
            zorder=4,
            label=label,
        )
    axes.xaxis.set_major_formatter(PercentFormatter(1, decimals=0, symbol=" %"))
    axes.set_xlabel("share of the rest at or above the threshold")
    legend(axes, handles, columns=2)
    return png(figure)


def reliability(bins: pd.DataFrame, name: str) -> bytes:
    """Confidence against quality: `bins` as `roundtruth.report.evidence.calibration` makes them, counts below."""
    figure = Figure(figsize=(4.8, 3.7), layout="constrained", facecolor="white")
    axes, counts = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
    suptitle(figure, "What a confidence is worth")
    style(axes)
    style(counts)
    handles = axes.plot([0, 1], [0, 1], color=SOFT, linewidth=1, linestyle=(0, (4, 3)), label="as confident as good")
    handles += axes.plot(
        bins["confidence"], bins["quality"], "-o", color=AUTO, linewidth=1.4, markersize=6, clip_on=False,
        label=f"{name} of the checked items", zorder=3,
    )  # fmt: skip
    few = bins[bins["items"] < FEW]
    axes.plot(
        few["confidence"],
        few["quality"],
        "o",
        color=AUTO,
        markerfacecolor="white",
        markersize=6,
        clip_on=False,
        zorder=4,
    )
    axes.set_xlim(0, 1)
    axes.set_ylim(0, 1.02)
    middle = bins["bin"] + 0.05
    counts.bar(middle, bins["items"], width=0.09, color=LINE)
    for x, items in zip(middle, bins["items"]):
        counts.text(x, items, f"{items:,}", ha="center", va="bottom", fontsize=SIZE - 1.5, color=SOFT)
    counts.set_ylim(0, bins["items"].max() * 1.45)
    counts.set_yticks([])
    counts.grid(False)
    counts.set_ylabel("items")
    counts.set_xticks(np.linspace(0, 1, 6))
    counts.set_xlabel("the model's confidence")
    legend(axes, handles[::-1])
    return png(figure)


def money_curve(spent: pd.DataFrame, forecast: pd.DataFrame, items: int, alone: float) -> bytes:
    """Money spent against items labeled, beside people alone, and the forecasts of the total with their ranges.

    spent: (round, human, auto, human_cost, auto_cost), a row a round; items: how many are to be labeled; alone: what
    they cost if people label them all; forecast: (round, labels, cost, low, high), of the total, made when `round` had
    closed, or when so many items of the next round had labels.
    """
    figure, axes = canvas(4.8, 3.7, "Money spent")
    top = max([alone, *forecast["high"], (spent["human_cost"] + spent["auto_cost"]).sum(), 1e-9])
    axes.set_xlim(-0.015 * items, items * 1.2)  # room for the amounts on the right
    axes.set_ylim(0, top * 1.06)
    handles = axes.plot([0, items], [0, alone], color=SOFT, linewidth=1, linestyle=(0, (4, 3)), label="people alone")
    x = y = 0.0
    reached = {0: 0.0}  # items labeled, by round
    for row in spent.itertuples():
        # the model that a round begins with labels its part before people answer the round's batch
        for colour, number, cost in ((AUTO, row.auto, row.auto_cost), (HUMAN, row.human, row.human_cost)):
            if number or cost:
                axes.plot([x, x + number], [y, y + cost], color=colour, linewidth=2.4, solid_capstyle="round", zorder=3)
            x, y = x + number, y + cost
        reached[int(row.round)] = x
    amounts = [(x, y, INK, "bold")] if x or y else []
    if y < 0.92 * alone or x < 0.8 * items:
        amounts.append((items, alone, SOFT, "normal"))
    if len(forecast) and x < items and abs(forecast["cost"].iloc[-1] - alone) > 0.08 * top:
        amounts.append((items, forecast["cost"].iloc[-1], FORECAST, "normal"))
    for at, amount, colour, weight in amounts:
        axes.annotate(
            dollars(amount),
            (at, amount),
            xytext=(6, -1 if at == items else -8),
            textcoords="offset points",
            va="center",
            fontsize=SIZE,
            weight=weight,
            color=colour,
            path_effects=[withStroke(linewidth=3, foreground="white")],
            zorder=6,
        )
    if amounts:
        axes.plot(*amounts[0][:2], "o", color=INK, markersize=5, zorder=4)
    handles += [Patch(color=COLOURS[source], label=NAMES[source]) for source in COLOURS]
    if len(forecast):
        at = np.array([reached.get(int(round), x) for round in forecast["round"]]) + forecast["labels"].to_numpy(float)
        low, high, cost = (forecast[column].to_numpy(float) for column in ("low", "high", "cost"))
        if x < items:
            axes.fill_between([x, items], [y, low[-1]], [y, high[-1]], color=FORECAST, alpha=0.18, linewidth=0)
            axes.plot([x, items], [y, cost[-1]], color=FORECAST, linewidth=1.4, linestyle=(0, (2, 2)))
        else:
            axes.axhline(y, color=INK, linewidth=0.8, linestyle=(0, (1, 2)))
        handles.append(
            axes.errorbar(
                at, cost, np.maximum(0, (cost - low, high - cost)), fmt="s", color=FORECAST, markersize=4.5, capsize=3,
                linewidth=1.4, label="forecast of the total", zorder=5,
            )
        )  # fmt: skip
    cents = top < 10
    axes.yaxis.set_major_formatter(FuncFormatter(lambda y, _: f"\\${y:,.{2 * cents}f}"))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{x:,.0f}"))
    ticks = MaxNLocator(5, integer=True, min_n_ticks=1).tick_values(0, items)
    axes.set_xticks(ticks[(ticks >= 0) & (ticks <= items)])
    axes.set_xlabel("items labeled")
    legend(axes, handles, columns=4)
    return png(figure)


def dollars(amount: float) -> str:
    return f"\\${amount:,.2f}" if amount < 1000 else f"\\${amount:,.0f}"


def canvas(width: float, height: float, title: str) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(width, height), layout="constrained", facecolor="white")
    axes = figure.subplots()
    style(axes)
    suptitle(figure, title)
    return figure, axes


def suptitle(figure: Figure, title: str) -> None:
    figure.suptitle(title, x=0.01, ha=Side.LEFT, fontsize=SIZE + 2, color=INK, weight="bold")


def style(axes: Axes) -> None:
    axes.spines[:].set_visible(False)
    axes.spines["bottom"].set(visible=True, color=LINE)
    axes.tick_params(length=0, labelsize=SIZE - 1, labelcolor=SOFT)
    axes.grid(axis="y", color=LINE, linewidth=0.8)
    axes.set_axisbelow(True)
    axes.xaxis.label.set(fontsize=SIZE, color=SOFT)
    axes.yaxis.label.set(fontsize=SIZE, color=SOFT)


def legend(axes: Axes, handles: list | None = None, columns: int = 3) -> None:
    """One line above the plot."""
    axes.legend(
        handles=handles or [Patch(color=COLOURS[source], label=NAMES[source]) for source in COLOURS],
        loc="lower left",
        bbox_to_anchor=(0, 1),
        ncols=columns,
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
