"""What a tree has computed is given back: V, p, L, residual covariances, ids, and a word on the lengthscale."""

import warnings

import numpy as np
import pytest

import residual_cover_tree as rct
from oracle import Model


@pytest.fixture(scope="module")
def model(coords, inducing):
    return Model(coords, inducing, lengthscale=0.2, variance=3.0)


@pytest.fixture(scope="module")
def own(coords, inducing):
    return rct.ResidualCoverTree(lengthscale=0.2, variance=3.0).build(coords, inducing)


def test_the_factor_of_all_points(model, own):
    v, p = own.factor()
    assert v.shape == (700, 40) and p.shape == (700,)
    np.testing.assert_allclose(v, model.v, atol=1e-9)
    np.testing.assert_allclose(p, model.p, atol=1e-9)


def test_the_factor_of_some_and_of_new_points(model, own, coords):
    ids = [5, 699, 5]
    np.testing.assert_allclose(own.factor(ids=ids).factor, model.v[ids], atol=1e-9)
    np.testing.assert_allclose(own.factor(ids=ids).residual_variance, model.p[ids], atol=1e-9)
    points = coords[:9] + 0.01
    v, p = model.factor(points)
    found = own.factor(points)
    np.testing.assert_allclose(found.factor, v, atol=1e-9)
    np.testing.assert_allclose(found.residual_variance, p, atol=1e-9)


def test_a_factor_makes_another_tree(own, coords):
    """Nobody computes V twice: what one tree gives back is what another one is built and asked with."""
    other = rct.ResidualCoverTree(lengthscale=0.2, variance=3.0).build(coords, **own.factor()._asdict())
    np.testing.assert_array_equal(other.vecchia_neighbors(k=9)[0], own.vecchia_neighbors(k=9)[0])
    points = coords[:9] + 0.01
    new = rct.NewPoints(points, *own.factor(points))
    np.testing.assert_array_equal(other.query_batch(new, k=9)[0], own.query_batch(points, k=9)[0])
    np.testing.assert_array_equal(other.factor(new).factor, own.factor(points).factor)


def test_inducing_points(model, own, inducing):
    z, cholesky = own.inducing_points()
    np.testing.assert_array_equal(z, inducing)
    np.testing.assert_allclose(cholesky, model.cholesky, atol=1e-9)
    assert (np.triu(cholesky, 1) == 0).all()


def test_residual_covariances(model, own, coords):
    expected = model.k(coords, coords) - model.v @ model.v.T
    np.fill_diagonal(expected, model.p)
    every = np.arange(700)
    np.testing.assert_allclose(own.residual_covariances(every[:, None], every), expected, atol=1e-9)
    scale = np.sqrt(own.residual_covariances(3, 3) * own.residual_covariances(4, 4))
    assert own.residual_covariances(3, 4) / scale == pytest.approx(own.correlations(3, 4))
    assert np.ndim(own.residual_covariances(3, 4)) == 0


def test_trees_without(coords, inducing, model):
    plain = rct.ResidualCoverTree(metric="correlation", lengthscale=0.2, variance=3.0).build(coords)
    assert plain.factor().factor.shape == (700, 0) and (plain.factor().residual_variance == 3.0).all()
    z, cholesky = plain.inducing_points()
    assert z.shape == (0, 2) and cholesky.shape == (0, 0)
    euclidean = rct.ResidualCoverTree(metric="euclidean").build(coords)
    given = rct.ResidualCoverTree(lengthscale=0.2, variance=3.0).build(coords, factor=model.v)
    for call in (euclidean.factor, euclidean.inducing_points, lambda: euclidean.residual_covariances(0, 1),
                 given.inducing_points):
        with pytest.raises(rct.Error) as caught:
            call()
        assert caught.value.status == rct.Status.RCT_ERROR_UNSUPPORTED


def test_ids_and_factors_of_a_tree_that_changed(coords, inducing):
    tree = rct.ResidualCoverTree(lengthscale=0.2).build(coords[:600], inducing)
    tree.insert(coords[600:])
    tree.remove([0, 3, 650])
    ids = np.setdiff1d(np.arange(700), [0, 3, 650])
    assert tree.ids().dtype == np.int64
    np.testing.assert_array_equal(tree.ids(), ids)
    model = Model(coords[ids], inducing, lengthscale=0.2)
    np.testing.assert_allclose(tree.factor().factor, model.v, atol=1e-9)
    tree.refit(inducing[:7], lengthscale=0.3)
    model = Model(coords[ids], inducing[:7], lengthscale=0.3)
    np.testing.assert_allclose(tree.factor().factor, model.v, atol=1e-9)
    np.testing.assert_array_equal(tree.inducing_points().inducing, inducing[:7])


def test_an_order_of_ones_own(coords):
    tree = rct.ResidualCoverTree(metric="correlation", lengthscale=0.1).build(coords)
    order = rct.order(coords)
    ids, distances = tree.vecchia_neighbors(k=5, order=order)
    anew = rct.ResidualCoverTree(metric="correlation", lengthscale=0.1).build(coords[order])
    places, expected = anew.vecchia_neighbors(k=5)
    np.testing.assert_array_equal(np.where(ids < 0, -1, np.argsort(order)[ids]), places)
    np.testing.assert_array_equal(distances, expected)
    np.testing.assert_array_equal(tree.vecchia_neighbors(k=5, order=np.arange(700)), tree.vecchia_neighbors(k=5))
    np.testing.assert_array_equal(tree.vecchia_neighbors(k=5, order=np.repeat(order, 2)[::2])[0], ids)


@pytest.mark.parametrize("lengthscale, check", [(1e-9, "too_short"), (1e9, "too_long")])
def test_a_lengthscale_that_does_not_fit_is_warned_of(coords, lengthscale, check):
    tree = rct.ResidualCoverTree(metric="correlation", lengthscale=lengthscale)
    with pytest.warns(rct.LengthscaleWarning, match="lengthscale") as caught:
        tree.build(coords)
    assert [warning.filename for warning in caught] == [__file__]
    assert tree.stats()["lengthscale_check"] == check and "lengthscale" in tree.stats()["warning"]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        tree.refit(lengthscale=0.2)
    assert tree.stats()["lengthscale_check"] == "plausible" and tree.stats()["warning"] is None
    with pytest.warns(rct.LengthscaleWarning, match="lengthscale") as caught:
        tree.refit(lengthscale=lengthscale)
    assert [warning.filename for warning in caught] == [__file__]
