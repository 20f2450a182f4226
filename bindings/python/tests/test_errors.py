"""Bad input is an rct.Error with the library's own message, and nothing else happens."""

import pickle

import numpy as np
import pytest

import rct

NAN = float("nan")


def failing(coords, inducing, tree):
    """(call, status, words of the message)"""
    new = rct.ResidualCoverTree
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
        (lambda: new(lengthscale=0.0), argument, "lengthscale is 0"),
        (lambda: new(lengthscale=[1.0, NAN]), status.RCT_ERROR_NOT_FINITE, "lengthscales"),
        (lambda: new(lengthscale=[1.0, 2.0, 3.0]).build(coords), argument, "lengthscales"),
        (lambda: new(jitter=-1e-3), argument, "jitter"),
        (lambda: new(threads=-1), argument, "threads is -1"),
        (lambda: new(threads=2**40), argument, "threads is 1099511627776"),
        (lambda: new(threads=1.5), argument, "threads is 1.5"),
        (lambda: new().set_params(k=3), argument, "k is no parameter"),
        (lambda: tree.set_params(variance=2.0), status.RCT_ERROR_INVALID_STATE, "built"),
        (lambda: new().query_batch(ids=[0], k=1), status.RCT_ERROR_INVALID_STATE, "not built"),
        (lambda: new().vecchia_neighbors(1), status.RCT_ERROR_INVALID_STATE, "not built"),
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
        (lambda: new().build(coords, residual_variance=coords[:, 0]), argument, "residual_variance"),
        (lambda: new(metric="euclidean").build(coords, inducing), argument, "inducing"),
        (lambda: new(jitter=0.0).build(coords, twice), status.RCT_ERROR_NOT_POSITIVE_DEFINITE, "jitter"),
        (lambda: tree.query_batch(k=1), argument, "neither ids nor coords"),
        (lambda: tree.query_batch(coords, ids=[1], k=1), argument, "both ids and coords"),
        (lambda: tree.query_batch(ids=[700], k=1), argument, "700"),
        (lambda: tree.query_batch(ids=[-1], k=1), argument, "-1"),
        (lambda: tree.query_batch(ids=[1.0], k=1), argument, "float64"),
        (lambda: tree.query_batch(ids=np.array([2**63], np.uint64), k=1), argument, "9223372036854775808"),
        (lambda: tree.query_batch(ids=[], k=1), argument, "ids"),
        (lambda: tree.query_batch(ids=[1], k=0), argument, "k is 0"),
        (lambda: tree.query_batch(ids=[1], k=-1), argument, "k is -1"),
        (lambda: tree.query_batch(ids=[1], k=2.5), argument, "k is 2.5"),
        (lambda: tree.query_batch(ids=[1], k=1, id_limit=-1), argument, "-1"),
        (lambda: tree.query_batch(ids=[1, 2, 3], k=1, id_limit=[1, 2]), argument, "id_limits"),
        (lambda: tree.query_batch(ids=[1], k=1, max_distance=0.0), argument, "max_distance"),
        (lambda: tree.query_batch(coords[:, :1], k=1), argument, "coords"),
        (lambda: tree.query_batch(hole, k=1), status.RCT_ERROR_NOT_FINITE, "coords[5, 1] is NaN"),
        (lambda: tree.query_batch(rct.NewPoints(coords, coords), k=1), argument, "factor"),
        (lambda: tree.radius_batch(-1.0, ids=[1]), argument, "radius"),
        (lambda: tree.distances([1, 2], [1, 2, 3]), argument, "broadcast"),
        (lambda: tree.distances(0, 700), argument, "700"),
        (lambda: rct.order(coords, "best", 0), argument, "method is 'best'"),
        (lambda: rct.order(coords, "random", -1), argument, "seed is -1"),
        (lambda: rct.select_inducing(coords, 701), argument, "701"),
        (lambda: rct.select_inducing(coords, 0), argument, "m is 0"),
    ]


def test_errors_name_the_culprit(coords, inducing, tree):
    for call, status, words in failing(coords, inducing, tree):
        with pytest.raises(rct.Error) as caught:
            call()
        assert words in str(caught.value)
        assert caught.value.status == status, caught.value
        assert caught.value.status.name in str(caught.value)
        tree.query_batch(ids=[1], k=1)


def test_a_euclidean_tree_has_no_correlations(coords):
    with pytest.raises(rct.Error) as caught:
        rct.ResidualCoverTree(metric="euclidean").build(coords).correlations(0, 1)
    assert caught.value.status == rct.Status.RCT_ERROR_UNSUPPORTED


def test_k_is_required(tree):
    with pytest.raises(TypeError, match="needs k"):
        tree.query_batch(ids=[1])


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
