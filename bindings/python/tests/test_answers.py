"""Every verb against brute force in NumPy."""

import numpy as np
import pytest

import residual_cover_tree as rct
from oracle import KERNELS, Model, assert_same, nearest

K = 12


def model_and_tree(coords, inducing, **parameters):
    if parameters.get("metric", "residual") != "residual":
        inducing = None
    return Model(coords, inducing, **parameters), rct.ResidualCoverTree(**parameters).build(coords, inducing)


@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("metric", ["residual", "correlation", "euclidean"])
def test_all_points_and_predecessors(coords, inducing, metric, kernel):
    # A kernel this rough keeps p off its floor, where NumPy's rounding would decide.
    model, tree = model_and_tree(coords, inducing, metric=metric, kernel=kernel, lengthscale=0.1, variance=2.0)
    distances = model.distances()
    n = len(coords)
    assert_same(tree.query_batch(ids=np.arange(n), k=K), nearest(distances, K))
    not_self = ~np.eye(n, dtype=bool)
    assert_same(tree.query_batch(ids=np.arange(n), k=K, include_self=False), nearest(distances, K, not_self))
    earlier = np.tril(np.ones((n, n), dtype=bool), -1)
    found = tree.vecchia_neighbors(k=K)
    assert_same(found, nearest(distances, K, earlier))
    by_limit = tree.query_batch(ids=np.arange(n), k=K, id_limit=np.arange(n))
    np.testing.assert_array_equal(by_limit[0], found[0])


def test_new_points(coords, inducing):
    model, tree = model_and_tree(coords, inducing, lengthscale=0.1)
    points = np.random.default_rng(2).random((50, 2))
    distances = model.distances(points)
    assert_same(tree.query_batch(points, k=K), nearest(distances, K))
    assert_same(tree.query_batch(points, k=K, id_limit=300), nearest(distances, K, np.arange(700)[None] < 300))
    bounds = np.linspace(0.3, 0.9, 50)
    within = tree.query_batch(points, k=K, max_distance=bounds)
    assert_same(within, nearest(distances, K, distances < bounds[:, None]))
    assert np.isinf(within[1]).any()


def test_k_beyond_n_is_padded(coords, inducing):
    model, tree = model_and_tree(coords[:20], inducing[:5], lengthscale=0.1)
    assert_same(tree.query_batch(ids=[3, 4], k=30), nearest(model.distances()[3:5], 30))


def test_one_lengthscale_a_dimension(coords, inducing):
    scales = np.array([0.05, 0.3])
    model, tree = model_and_tree(coords, inducing, lengthscale=scales)
    scales[:] = 9.0  # the tree has its own
    model.lengthscale = np.array([0.05, 0.3])
    expected = Model(coords, inducing, lengthscale=np.array([0.05, 0.3])).distances()
    assert_same(tree.query_batch(ids=np.arange(700), k=K), nearest(expected, K))


@pytest.mark.parametrize("with_p", [False, True])
def test_a_factor_of_the_callers(coords, inducing, with_p):
    model = Model(coords, inducing, lengthscale=0.1)
    tree = rct.ResidualCoverTree(lengthscale=0.1).build(
        coords, factor=model.v, residual_variance=model.p if with_p else None)
    assert not tree.stats()["brute_force_only"]
    assert_same(tree.query_batch(ids=np.arange(700), k=K), nearest(model.distances(), K))
    points = np.random.default_rng(2).random((50, 2))
    v, p = model.factor(points)
    new = rct.NewPoints(points, v, p if with_p else None)
    assert_same(tree.query_batch(new, k=K), nearest(model.distances(points), K))


def test_a_covariance_function_of_the_callers(coords, inducing):
    kernel = lambda x, others: KERNELS["matern32"](np.sqrt((((others - x) / 0.1) ** 2).sum(1)))
    own = rct.ResidualCoverTree(kernel=kernel).build(coords[:300], inducing)
    named = rct.ResidualCoverTree(lengthscale=0.1).build(coords[:300], inducing)
    assert_same(own.vecchia_neighbors(k=K), named.vecchia_neighbors(k=K))


def test_alpha_and_residual_floor(coords, inducing):
    parameters = dict(kernel="rational_quadratic", lengthscale=0.1)
    one = rct.ResidualCoverTree(**parameters).build(coords, inducing)
    nine = rct.ResidualCoverTree(alpha=9.0, **parameters).build(coords, inducing)
    assert nine.get_params()["alpha"] == 9.0
    r = np.sqrt(((coords[0] - coords[1]) ** 2).sum()) / 0.1
    plain = rct.ResidualCoverTree(metric="correlation", alpha=9.0, **parameters).build(coords)
    assert plain.correlations(0, 1) == pytest.approx((1 + r**2 / 18) ** -9)
    assert one.distances(0, 1) != nine.distances(0, 1)
    floored = rct.ResidualCoverTree(residual_floor=1.0, **parameters).build(coords, inducing)
    model = Model(coords, inducing, **parameters)
    expected = model.k(coords[:1], coords[1:2])[0, 0] - model.v[0] @ model.v[1]
    assert floored.correlations(0, 1) == pytest.approx(expected)


def test_distances_of_pairs(coords, inducing):
    model, tree = model_and_tree(coords, inducing, lengthscale=0.1)
    expected = model.distances()
    everything = tree.distances(np.arange(700)[:, None], np.arange(700))
    assert everything.shape == (700, 700)
    np.testing.assert_allclose(everything**2, expected**2, atol=1e-9)
    np.testing.assert_allclose(1 - np.abs(tree.correlations(5, np.arange(700))), everything[5] ** 2, atol=1e-12)
    assert np.ndim(tree.distances(1, 2)) == 0


def test_radius(coords, inducing):
    model, tree = model_and_tree(coords, inducing, lengthscale=0.1)
    offsets, ids, distances = tree.radius_batch(0.8, ids=np.arange(700))
    expected = model.distances() < 0.8
    np.testing.assert_array_equal(np.diff(offsets), expected.sum(1))
    assert set(ids[offsets[7]:offsets[8]]) == set(np.flatnonzero(expected[7]))
    assert distances.max() < 0.8
    offsets, ids, distances = tree.radius_batch(1e-9, ids=[1, 2], include_self=False)
    assert offsets.tolist() == [0, 0, 0] and ids.size == distances.size == 0


@pytest.mark.parametrize("name, value", [
    ("construction", "hybrid"), ("ordering", "natural"), ("traversal", "best_first"),
    ("traversal", "level_synchronous"), ("traversal", "brute_force"), ("threads", 1)])
def test_settings_do_not_change_answers(coords, inducing, tree, name, value):
    other = rct.ResidualCoverTree(lengthscale=0.2, **{name: value}).build(coords, inducing)
    np.testing.assert_array_equal(other.vecchia_neighbors(k=K)[0], tree.vecchia_neighbors(k=K)[0])


@pytest.mark.parametrize("method", ["natural", "hilbert", "maximin", "random"])
def test_orders_are_permutations(coords, method):
    order = rct.order(coords, method, 5)
    np.testing.assert_array_equal(np.sort(order), np.arange(700))
    assert (method == "natural") == bool((order == np.arange(700)).all())
    assert (method == "random") == bool((order != rct.order(coords, method, 6)).any())


def test_inducing_points(coords):
    chosen = rct.select_inducing(coords, 9, "random", 5)
    assert chosen.shape == (9, 2)
    assert all((coords == point).all(1).any() for point in chosen)
    np.testing.assert_array_equal(chosen, rct.select_inducing(coords, 9, "random", 5))
    assert (chosen != rct.select_inducing(coords, 9, "random", 6)).any()
    centres = rct.select_inducing(coords, 9)
    spread = lambda z: np.sqrt(((coords[:, None] - z) ** 2).sum(-1)).min(1).mean()
    assert spread(centres) < spread(chosen)


def test_validate_and_stats(tree, inducing):
    tree.validate()
    tree.query_batch(ids=[1, 2, 3], k=4)
    stats = tree.stats()
    assert (stats["n"], stats["m"], stats["d"], stats["queries"]) == (700, len(inducing), 2, 3)
    assert stats["last_traversal"] in ("auto", "best_first", "level_synchronous", "brute_force")
    assert stats["plan"] == "brute force" and "so few points" in stats["plan_reason"]
    assert stats["nodes"] == 700 and stats["by_brute_force"] == 3
    assert len(tree) == 700 and "lengthscale=0.2" in repr(tree)
