"""A batch of nothing has an answer: nothing, in the right shape."""

import numpy as np
import pytest

import residual_cover_tree as rct

NO_IDS = [[], (), np.empty(0, np.int64), np.empty(0), np.arange(9)[9:]]
NO_POINTS = [np.empty((0, 2)), np.empty((0, 2), np.float32), np.ones((5, 2))[5:], np.ones((2, 5)).T[:0]]


@pytest.mark.parametrize("ids", NO_IDS, ids=repr)
def test_no_ids(tree, ids):
    found, distances = tree.query_batch(ids=ids, k=4)
    assert found.shape == distances.shape == (0, 4)
    assert found.dtype == np.int64 and distances.dtype == np.float64
    offsets, found, distances = tree.radius_batch(0.5, ids=ids)
    assert offsets.tolist() == [0] and found.size == distances.size == 0
    for of_pairs in (tree.distances, tree.correlations, tree.residual_covariances):
        assert of_pairs(ids, ids).shape == (0,)
        assert of_pairs(np.empty((0, 3)), np.arange(3)).shape == (0, 3)
    assert tree.factor(ids=ids).factor.shape == (0, 40) and tree.factor(ids=ids).residual_variance.shape == (0,)
    tree.query_batch(ids=ids, k=4, id_limit=ids, max_distance=np.empty(0))


@pytest.mark.parametrize("points", NO_POINTS, ids=repr)
def test_no_points(tree, points):
    found, distances = tree.query_batch(points, k=4)
    assert found.shape == distances.shape == (0, 4)
    assert tree.radius_batch(0.5, points)[0].tolist() == [0]
    assert tree.factor(points).factor.shape == (0, 40)


def test_nothing_is_inserted_and_removed(coords, inducing):
    tree = rct.ResidualCoverTree(lengthscale=0.2).build(coords[:100], inducing)
    expected = tree.vecchia_neighbors(k=3)
    for points in NO_POINTS:
        assert tree.insert(points).tolist() == []
    for ids in NO_IDS:
        tree.remove(ids)
    assert len(tree) == 100 and tree.stats()["parts"] == 1
    np.testing.assert_array_equal(tree.vecchia_neighbors(k=3), expected)
    assert tree.insert(coords[:1]).tolist() == [100]


def test_nothing_of_an_empty_tree(coords):
    tree = rct.ResidualCoverTree(lengthscale=0.2).build(coords[:3])
    tree.remove([0, 1, 2])
    assert tree.ids().tolist() == [] and tree.factor().factor.shape == (0, 0)
    assert tree.query_batch(ids=[], k=2)[0].shape == tree.vecchia_neighbors(k=2, order=[])[0].shape == (0, 2)
