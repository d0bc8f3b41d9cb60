"""What is drawn, looked up in the figures before they become pictures."""

import io

import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_hex
from PIL import Image

from roundtruth.report import plots

SPENT = pd.DataFrame(
    {
        "round": [1, 2, 3],
        "human": [100, 50, 10],
        "auto": [0, 0, 240],
        "human_cost": [26.0, 13.0, 2.6],
        "auto_cost": [0.0, 0.0, 19.2],
    }
)
FORECAST = pd.DataFrame({"round": [0, 1], "labels": 0, "cost": [70.0, 62.0], "low": [50.0, 57.0], "high": [95.0, 68.0]})
NONE = FORECAST[:0]


@pytest.fixture
def drawn(monkeypatch):
    """Calls a plot and gives its figure."""
    monkeypatch.setattr(plots, "png", lambda figure: figure)
    return lambda plot, *arguments: plot(*arguments)


def segments(axes, colour: str) -> list[list[tuple[float, float]]]:
    return [
        [(round(float(x), 6), round(float(y), 6)) for x, y in zip(line.get_xdata(), line.get_ydata())]
        for line in axes.get_lines()
        if to_hex(line.get_color()) == colour and line.get_linestyle() == "-" and len(line.get_xdata()) == 2
    ]


def texts(figure) -> list[str]:
    (axes,) = figure.axes
    legend = [text.get_text() for text in axes.get_legend().get_texts()]
    return [text.get_text().replace("\\", "") for text in axes.texts] + legend


def test_money_rises_round_by_round_and_flat_where_the_model_labels(drawn):
    figure = drawn(plots.money_curve, SPENT, NONE, 400, 104.0)
    (axes,) = figure.axes
    assert segments(axes, plots.HUMAN) == [[(0, 0), (100, 26)], [(100, 26), (150, 39)], [(390, 58.2), (400, 60.8)]]
    assert segments(axes, plots.AUTO) == [[(150, 39), (390, 58.2)]]
    (alone,) = [line for line in axes.get_lines() if line.get_label() == "people alone"]
    assert alone.get_xydata().tolist() == [[0, 0], [400, 104]]
    assert texts(figure) == ["$60.80", "$104.00", "people alone", "people", "model"]


def test_forecasts_stand_where_they_were_made_with_their_range(drawn):
    figure = drawn(plots.money_curve, SPENT[:2], FORECAST, 400, 104.0)
    (axes,) = figure.axes
    (bars,) = axes.containers
    assert bars.lines[0].get_xydata().tolist() == [[0, 70], [100, 62]]
    ranges = [[point.tolist() for point in path] for path in bars.lines[2][0].get_segments()]
    assert ranges == [[[0, 50], [0, 95]], [[100, 57], [100, 68]]]
    (fan,) = [c for c in axes.collections if c not in bars.lines[2]]
    corners = {tuple(corner) for corner in fan.get_paths()[0].vertices.tolist()}
    assert corners == {(150, 39), (400, 57), (400, 68)}
    assert {"$39.00", "$62.00", "$104.00", "forecast of the total"} <= set(texts(figure))


def test_once_a_job_is_done_its_total_is_beside_what_was_forecast(drawn):
    figure = drawn(plots.money_curve, SPENT, FORECAST, 400, 104.0)
    (axes,) = figure.axes
    (bars,) = axes.containers
    assert [c for c in axes.collections if c not in bars.lines[2]] == []
    (total,) = [line for line in axes.get_lines() if len(line.get_ydata()) == 2 and len(set(line.get_ydata())) == 1]
    assert total.get_ydata()[0] == pytest.approx(60.8)


def test_a_forecast_below_its_own_range_is_drawn(drawn):
    """A job folder may have one: a job that paid for late answers wrote it."""
    figure = drawn(plots.money_curve, SPENT, FORECAST.assign(cost=FORECAST["low"] - 1), 400, 104.0)
    assert "forecast of the total" in texts(figure)


@pytest.mark.parametrize(("cuts", "shown"), [({"certified": (0.4, 0.9), "naive": (0.6, 0.8)}, True), ({}, False)])
def test_what_the_model_could_label_with_the_cuts_marked(cuts, shown, drawn):
    curve = pd.DataFrame({"coverage": [0.4, 0.6, 0.8], "quality": [0.9, 0.8, 0.6], "items": [20, 30, 40]})
    figure = drawn(plots.quality_by_coverage, curve, 0.75, cuts, "mean IoU")
    (axes,) = figure.axes
    line = axes.get_lines()[0]
    assert line.get_drawstyle() == "steps-post"
    assert line.get_xydata().tolist() == [[0.4, 0.9], [0.6, 0.8], [0.8, 0.6], [1.0, 0.6]]
    labels = ["mean IoU of the checked items", "target 0.75"]
    assert texts(figure) == labels + ["certified cut: 40 %", "naive cut: 60 %"] * shown
    marked = [tuple(line.get_xydata()[0]) for line in axes.get_lines() if line.get_marker() in ("o", "D")]
    assert marked == list(cuts.values())
    low, high = axes.get_ylim()
    assert low < 0.6
    assert high > 0.9
    assert len(axes.patches) == shown  # the part that the model labels


def test_reliability_shows_counts_and_makes_little_of_few(drawn):
    bins = pd.DataFrame(
        {"bin": [0.3, 0.9], "confidence": [0.35, 0.96], "quality": [0.5, 0.9], "items": [plots.FEW - 1, 1200]}
    )
    figure = drawn(plots.reliability, bins, "accuracy")
    top, below = figure.axes
    _, dots, hollow = top.get_lines()
    assert dots.get_xydata().tolist() == [[0.35, 0.5], [0.96, 0.9]]
    assert hollow.get_xydata().tolist() == [[0.35, 0.5]]
    assert [text.get_text() for text in below.texts] == ["9", "1,200"]
    np.testing.assert_allclose([bar.get_x() + bar.get_width() / 2 for bar in below.patches], [0.35, 0.95])


@pytest.mark.parametrize("items", [1, 1_000_000])
def test_pictures_of_the_smallest_and_of_a_large_job(items):
    spent = pd.DataFrame(
        {"round": [1], "human": [items], "auto": [0], "human_cost": [0.26 * items], "auto_cost": [0.0]}
    )
    with Image.open(io.BytesIO(plots.money_curve(spent, NONE, items, 0.26 * items))) as picture:
        assert picture.format == "PNG"
        assert picture.width > 600
