"""What scikit-learn and type checkers expect: parameters are the constructor's, kept as given; names are types."""

import subprocess
import sys

import numpy as np
import pytest

import residual_cover_tree as rct

sklearn_base = pytest.importorskip("sklearn.base")
K = 6


def kernel(x, others):
    return np.exp(-np.abs(others - x).sum(1))


ALL = dict(metric="correlation", kernel="matern12", lengthscale=[0.1, 0.2], variance=2.0, alpha=3.0, jitter=1e-5,
           residual_floor=1e-8, construction="hybrid", ordering="natural", traversal="best_first", threads=1)


@pytest.mark.parametrize("parameters", [
    ALL, dict(lengthscale=np.array([0.1, 0.2])), dict(kernel=kernel), dict(metric="euclidean")], ids=str)
def test_clones(coords, parameters):
    tree = rct.ResidualCoverTree(**parameters)
    for name, value in parameters.items():
        assert tree.get_params()[name] is value
    built = rct.ResidualCoverTree(**parameters).build(coords[:100])
    for one in (tree, built):
        for other in (sklearn_base.clone(one), rct.ResidualCoverTree(**one.get_params())):
            assert len(other) == 0
            np.testing.assert_equal(other.get_params(), one.get_params())
            np.testing.assert_array_equal(other.build(coords[:100]).vecchia_neighbors(k=K),
                                          built.vecchia_neighbors(k=K))


def test_parameters_are_read_by_the_build(coords):
    """As they are then; afterwards the tree has its own."""
    scales = np.array([5.0, 5.0])
    tree = rct.ResidualCoverTree(metric="correlation", lengthscale=scales)
    scales[:] = 0.1, 0.2
    tree.build(coords)
    scales[:] = 7.0
    np.testing.assert_array_equal(tree.get_params()["lengthscale"], [0.1, 0.2])
    with pytest.raises(ValueError, match="read-only"):
        tree.get_params()["lengthscale"][0] = 7.0
    anew = rct.ResidualCoverTree(metric="correlation", lengthscale=[0.1, 0.2]).build(coords)
    np.testing.assert_array_equal(tree.vecchia_neighbors(k=K), anew.vecchia_neighbors(k=K))


def test_set_params_is_for_trees_that_are_not_built(coords):
    tree = rct.ResidualCoverTree(lengthscale=0.1)
    assert tree.set_params(metric="euclidean", lengthscale=None) is tree
    assert len(tree.build(coords)) == 700
    changes = {"variance": 2.0}
    with pytest.raises(rct.Error, match="refit"):
        tree.set_params(**changes)


GOOD = """
import numpy as np
import residual_cover_tree as rct

coords = np.zeros((9, 2))
metric: rct.Metric = "euclidean"
kernel: rct.Kernel = "rbf"
tree = rct.ResidualCoverTree(metric=metric, kernel=kernel, lengthscale=[0.1, 0.2], ordering="natural")
rct.ResidualCoverTree(kernel=lambda x, others: np.ones(len(others)))
tree.build(coords[rct.order(coords, "maximin")], rct.select_inducing(coords, 3, "random"))
ids, distances = tree.vecchia_neighbors(k=3, order=[1, 0])
print(ids + 1, distances.sum(), tree.factor().residual_variance.sum())
tree.set_params(variance=2.0, threads=1).refit(kernel="matern12").query_batch(coords, k=3)
again = rct.ResidualCoverTree(**tree.get_params())
"""
BAD = [
    'rct.ResidualCoverTree(kernel="matern", lengthscale=0.1)',
    'rct.ResidualCoverTree(metric="manhattan")',
    'rct.ResidualCoverTree(construction="fast")',
    'rct.ResidualCoverTree(ordering="maximin")',
    'rct.ResidualCoverTree(traversal="deep")',
    'rct.order(coords, "maxmin")',
    'rct.select_inducing(coords, 3, "kmeans")',
    'tree.refit(kernel="matern")',
    'tree.set_params(metric="manhattan")',
    'tree.refit(lengthscales=2.0)',
    'tree.query_batch(coords)',
    'tree.vecchia_neighbors()',
    'tree.vecchia_neighbors(3)',
]
CHECKERS = {
    "mypy": ["mypy", "--strict", "--cache-dir=/dev/null", "--no-error-summary"],
    "pyright": ["pyright", "--pythonpath", sys.executable],
}


@pytest.mark.parametrize("checker", CHECKERS)
def test_type_checkers_see_wrong_names(checker, tmp_path):
    pytest.importorskip(checker)
    program = tmp_path / "program.py"
    program.write_text(GOOD + "\n".join(BAD) + "\n")
    done = subprocess.run([sys.executable, "-m", *CHECKERS[checker], program.name], cwd=tmp_path, capture_output=True,
                          text=True)
    lines = program.read_text().splitlines()
    wrong = {line: text for line, text in enumerate(lines, 1) if text in BAD}
    told = {int(text.split(":")[1]) for text in done.stdout.splitlines() if "error" in text and "program.py:" in text}
    assert {lines[line - 1] for line in told} == set(wrong.values()), done.stdout + done.stderr


@pytest.mark.parametrize("line", BAD)
def test_what_type_checkers_see_is_refused(line):
    coords = np.random.default_rng(1).random((9, 2))
    names = {"rct": rct, "coords": coords, "tree": rct.ResidualCoverTree(lengthscale=1.0)}
    with pytest.raises((rct.Error, TypeError)):
        exec(line, names)
