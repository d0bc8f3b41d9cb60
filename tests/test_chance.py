import subprocess
import sys

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from roundtruth.chance import uniforms


@given(st.lists(st.text(max_size=8), max_size=20), st.integers(0, 2**31), st.randoms())
def test_the_same_in_any_order_and_any_shard(names, seed, chance):
    whole = uniforms(seed, "use", names)
    order = list(range(len(names)))
    chance.shuffle(order)
    assert uniforms(seed, "use", [names[i] for i in order]).tolist() == whole[order].tolist()
    cut = len(names) // 2
    parts = [uniforms(seed, "use", names[:cut]), uniforms(seed, "use", names[cut:])]
    assert np.concatenate(parts).tolist() == whole.tolist()


def test_the_same_in_another_process():
    code = "from roundtruth.chance import uniforms; print(uniforms(3, 'x', ['a', 'b'], [1, 2]).tolist())"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert out.strip() == str(uniforms(3, "x", ["a", "b"], [1, 2]).tolist())


def test_however_integers_and_strings_are_held():
    import pandas as pd

    n = [1, 2, 70000]
    held = [n, np.array(n, dtype="int32"), pd.Series(n), pd.Series(n, dtype="int64").to_numpy()]
    assert len({tuple(uniforms(0, "x", column)) for column in held}) == 1
    held = [["a", "b"], np.array(["a", "b"]), pd.Series(["a", "b"]), pd.Series(["a", "b"], dtype=object)]
    assert len({tuple(uniforms(0, "x", column)) for column in held}) == 1


def test_uniform():
    for columns in ([np.arange(100_000)], [[f"images/{i:05d}.png" for i in range(100_000)]]):
        drawn = uniforms(1, "x", *columns)
        assert drawn.min() >= 0
        assert drawn.max() < 1
        assert stats.kstest(drawn, "uniform").pvalue > 1e-3
        assert stats.chisquare(np.histogram(drawn, 1000, (0, 1))[0]).pvalue > 1e-3


def test_uses_seeds_and_neighbours_are_independent():
    n = np.arange(50_000)
    one = uniforms(1, "x", n)
    pairs = [
        (one, uniforms(1, "y", n)),
        (one, uniforms(2, "x", n)),
        (one[:-1], one[1:]),
        (uniforms(1, "x", n, n * 0 + 1), uniforms(1, "x", n, n * 0 + 2)),
        (uniforms(1, "x", n, n * 0), uniforms(1, "x", n * 0, n)),
    ]
    for a, b in pairs:
        table = np.histogram2d(a, b, 20, [[0, 1], [0, 1]])[0]
        assert stats.chi2_contingency(table).pvalue > 1e-3


def test_columns_are_not_run_together():
    assert uniforms(0, "x", ["ab"], ["c"]) != uniforms(0, "x", ["a"], ["bc"])
    assert uniforms(0, "x", [1], [2]) != uniforms(0, "x", [2], [1])
    assert uniforms(0, "x", [1], [1]) != uniforms(0, "x", [2], [2])
