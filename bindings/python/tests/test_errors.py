"""Bad input is an rct.Error with the library's own message, and nothing else happens."""

import functools
import pickle
import re

import numpy as np
import pytest

import residual_cover_tree as rct

NAN = float("nan")


def failing(coords, inducing, tree):
    """(call, status, words of the message)"""
    new = functools.partial(rct.ResidualCoverTree, lengthscale=1.0)
    status = rct.Status
    argument = status.RCT_ERROR_INVALID_ARGUMENT
    hole = coords.copy()
    hole[5, 1] = NAN
    twice = np.repeat(inducing[:1], 3, 0)
    return [
        (lambda: new(metric="manhattan"), argument, "metric is 'manhattan'"),
        (lambda: new(kernel=3), argument, "kernel is 3"),
        (lambda: new(construction="fast"), argument, "construction"),
        (lambda: new(ordering="maximin"), argument, "ordering"),
        (lambda: new(traversal=""), argument, "traversal"),
        (lambda: new(variance=-1.0), argument, "variance is -1"),
        (lambda: new(variance="big"), argument, "variance is 'big'"),
        (lambda: new(lengthscale=0.0), argument, "lengthscale is 0; it must be a positive number"),
        (lambda: new(metric="euclidean", lengthscale=0), argument, "lengthscale is 0; it must be a positive number"),
        (lambda: new(lengthscale=[0.0]), argument, "lengthscale[0] is 0"),
        (lambda: new(lengthscale=[1.0, NAN]), status.RCT_ERROR_NOT_FINITE, "lengthscale[1] is NaN"),
        (lambda: new(lengthscale=[1.0, 2.0, 3.0]).build(coords), argument, "lengthscale has 3 values"),
        (lambda: new(lengthscale=None), argument, "lengthscale is not given"),
        (lambda: new(lengthscale=None, metric="correlation"), argument, "lengthscale is not given"),
        (lambda: new().set_params(lengthscale=None), argument, "lengthscale is not given"),
        (lambda: new(kernel="rational_quadratic", alpha=0.0), argument, "alpha is 0"),
        (lambda: new(residual_floor=2.0), argument, "residual_floor is 2"),
        (lambda: new(metric="euclidean", kernel=abs), argument, "a kernel that is a function has no use"),
        (lambda: new(jitter=-1e-3), argument, "jitter"),
        (lambda: new(threads=-1), argument, "threads is -1"),
        (lambda: new(threads=2**40), argument, "threads is 1099511627776"),
        (lambda: new(threads=1.5), argument, "threads is 1.5"),
        (lambda: new().set_params(k=3), argument, "k is no parameter"),
        (lambda: tree.set_params(variance=2.0), status.RCT_ERROR_INVALID_STATE, "built"),
        (lambda: new().query_batch(ids=[0], k=1), status.RCT_ERROR_INVALID_STATE,
         "tree is not built: call build first"),
        (lambda: new().vecchia_neighbors(k=1), status.RCT_ERROR_INVALID_STATE, "not built"),
        (lambda: new().stats(), status.RCT_ERROR_INVALID_STATE, "not built"),
        (lambda: tree.build(coords), status.RCT_ERROR_INVALID_STATE, "already built"),
        (lambda: new().build(hole), status.RCT_ERROR_NOT_FINITE, "coords[5, 1] is NaN"),
        (lambda: new().build(coords[:0]), argument, "coords"),
        (lambda: new().build(coords[:, 0]), argument, "coords has 1 dimensions"),
        (lambda: new().build([[1.0], [1.0, 2.0]]), argument, "coords is no array"),
        (lambda: new().build(coords.astype(complex)), argument, "complex128"),
        (lambda: new().build([["a", "b"]]), argument, "coords has elements of type"),
        (lambda: new().build(np.ma.masked_array(coords, coords > 0.5)), argument, "masked"),
        (lambda: new().build(coords, inducing[:, :1]), argument, "inducing"),
        (lambda: new().build(coords, inducing, factor=coords), argument, "factor"),
        (lambda: new().build(coords, factor=coords[:9]), argument, "factor"),
        (lambda: new().build(coords, residual_variance=coords[:, 0]), argument, "residual_variance is given without"),
        (lambda: new(metric="euclidean").build(coords, inducing), argument, "inducing"),
        (lambda: new(jitter=0.0).build(coords, twice), status.RCT_ERROR_NOT_POSITIVE_DEFINITE, "jitter"),
        (lambda: tree.query_batch(k=1), argument, "neither ids nor points"),
        (lambda: tree.query_batch(coords, ids=[1], k=1), argument, "both ids and points"),
        (lambda: tree.query_batch(ids=[700], k=1), argument, "700"),
        (lambda: tree.query_batch(ids=[-1], k=1), argument, "-1"),
        (lambda: tree.query_batch(ids=[1.0], k=1), argument, "float64"),
        (lambda: tree.query_batch(ids=np.array([2**63], np.uint64), k=1), argument, "9223372036854775808"),
        (lambda: tree.query_batch(ids=[1], k=0), argument, "k is 0"),
        (lambda: tree.query_batch(ids=[1], k=-1), argument, "k is -1"),
        (lambda: tree.query_batch(ids=[1], k=2.5), argument, "k is 2.5"),
        (lambda: tree.query_batch(ids=[1], k=1, id_limit=-1), argument, "-1"),
        (lambda: tree.query_batch(ids=[1, 2, 3], k=1, id_limit=[1, 2]), argument, "id_limit has 2 values"),
        (lambda: tree.query_batch(ids=[1], k=1, id_limit=-1), argument, "id_limit[0] is -1"),
        (lambda: tree.query_batch(ids=[1], k=1, max_distance=0.0), argument, "max_distance[0] is 0"),
        (lambda: tree.query_batch(coords[:, :1], k=1), argument, "points is 700 x 1"),
        (lambda: tree.query_batch(hole, k=1), status.RCT_ERROR_NOT_FINITE, "points[5, 1] is NaN"),
        (lambda: tree.query_batch(rct.NewPoints(coords, coords), k=1), argument, "factor is given"),
        (lambda: tree.radius_batch(1.0, hole), status.RCT_ERROR_NOT_FINITE, "points[5, 1] is NaN"),
        (lambda: tree.factor(hole), status.RCT_ERROR_NOT_FINITE, "points[5, 1] is NaN"),
        (lambda: tree.factor(ids=[700]), argument, "ids[0] is 700"),
        (lambda: tree.factor(coords, [1]), argument, "both ids and points"),
        (lambda: tree.residual_covariances(0, -1), argument, "j[0] is -1"),
        (lambda: tree.vecchia_neighbors(k=0), argument, "k is 0"),
        (lambda: tree.vecchia_neighbors(k=1, order=[1, 0]), argument, "order has 2 ids but the tree has 700 points"),
        (lambda: tree.vecchia_neighbors(k=1, order=np.zeros(700, int)), argument, "order[1] is 0, which came before"),
        (lambda: tree.vecchia_neighbors(k=1, order=np.arange(1, 701)), argument, "order[699] is 700"),
        (lambda: tree.vecchia_neighbors(k=1, order=np.arange(700.0)), argument, "order has elements of type float64"),
        (lambda: tree.radius_batch(-1.0, ids=[1]), argument, "radius"),
        (lambda: tree.distances([1, 2], [1, 2, 3]), argument, "broadcast"),
        (lambda: tree.distances(0, 700), argument, "700"),
        (lambda: rct.order(coords, "best", 0), argument, "method is 'best'"),
        (lambda: rct.order(coords, "random", -1), argument, "seed is -1"),
        (lambda: rct.select_inducing(coords, 701), argument, "m is 701, but coords has only 700 rows"),
        (lambda: rct.select_inducing(np.repeat(coords[:200], 3, 0), 500), argument,
         "m is 500 but coords has 200 distinct rows"),
        (lambda: rct.select_inducing(coords, 0), argument, "m is 0"),
    ]


def test_errors_name_the_culprit(coords, inducing, tree):
    for call, status, words in failing(coords, inducing, tree):
        with pytest.raises(rct.Error) as caught:
            call()
        said = str(caught.value)
        assert words in said and caught.value.status == status, said
        # Names are Python's.
        assert not re.search(r"rct_|\b(id_limits|max_distances|residual_variances|lengthscales|callback)\b", said), said
        assert caught.value.status.name in str(caught.value)
        tree.query_batch(ids=[1], k=1)


def test_a_euclidean_tree_has_no_correlations(coords):
    with pytest.raises(rct.Error) as caught:
        rct.ResidualCoverTree(metric="euclidean").build(coords).correlations(0, 1)
    assert caught.value.status == rct.Status.RCT_ERROR_UNSUPPORTED


def test_k_is_a_keyword_and_required(tree):
    for call in (lambda: tree.query_batch(ids=[1]), lambda: tree.vecchia_neighbors()):
        with pytest.raises(TypeError, match="missing 1 required keyword-only argument: 'k'"):
            call()
    for call in (lambda: tree.query_batch(None, [1], 3), lambda: tree.vecchia_neighbors(3)):
        with pytest.raises(TypeError, match="positional argument"):
            call()


def test_a_failed_build_can_be_repeated(coords, inducing):
    tree = rct.ResidualCoverTree(lengthscale=0.2)
    with pytest.raises(rct.Error):
        tree.build(coords * np.inf)
    assert len(tree) == 0
    assert len(tree.build(coords, inducing)) == 700


def test_what_a_covariance_raises_is_raised(coords):
    def kernel(x, others):
        raise ZeroDivisionError("mine")

    with pytest.raises(ZeroDivisionError, match="mine"):
        rct.ResidualCoverTree(kernel=kernel).build(coords)
    with pytest.raises(rct.Error, match="shape"):
        rct.ResidualCoverTree(kernel=lambda x, others: np.ones(1 + len(others))).build(coords)


def test_errors_are_pickled(tree):
    with pytest.raises(rct.Error) as caught:
        tree.query_batch(ids=[1], k=0)
    again = pickle.loads(pickle.dumps(caught.value))
    assert (again.status, str(again)) == (caught.value.status, str(caught.value))
