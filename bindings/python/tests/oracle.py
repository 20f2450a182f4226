"""Brute force over the definitions of README.md, in NumPy."""

import numpy as np

KERNELS = {
    "rbf": lambda r: np.exp(-0.5 * r**2),
    "matern12": lambda r: np.exp(-r),
    "matern32": lambda r: (1 + np.sqrt(3) * r) * np.exp(-np.sqrt(3) * r),
    "matern52": lambda r: (1 + np.sqrt(5) * r + 5 * r**2 / 3) * np.exp(-np.sqrt(5) * r),
    "rational_quadratic": lambda r: 1 / (1 + r**2 / 2),  # alpha = 1
}


def scaled_distance(a, b, lengthscale):
    return np.sqrt((((a[:, None, :] - b[None, :, :]) / lengthscale) ** 2).sum(-1))


class Model:
    """Covariance, V and p of points (n x d) with inducing points (m x d, or None)."""

    def __init__(self, coords, inducing=None, kernel="matern32", variance=1.0, lengthscale=1.0, jitter=1e-6,
                 metric="residual"):
        self.coords, self.metric, self.lengthscale = coords, metric, lengthscale
        self.inducing = np.empty((0, coords.shape[1])) if inducing is None else inducing
        self.k = lambda a, b: variance * KERNELS[kernel](scaled_distance(a, b, lengthscale))
        self.variance = variance
        m = len(self.inducing)
        self.cholesky = np.linalg.cholesky(self.k(self.inducing, self.inducing) + jitter * variance * np.eye(m))
        self.v, self.p = self.factor(coords)

    def factor(self, points):
        """V and p of points."""
        v = np.linalg.solve(self.cholesky, self.k(self.inducing, points)).T
        return v, np.maximum(self.variance - (v**2).sum(1), 1e-10 * self.variance)

    def distances(self, points=None):
        """From points (default: the stored ones) to the stored points, q x n."""
        new = points is not None
        points = points if new else self.coords
        if self.metric == "euclidean":
            return scaled_distance(points, self.coords, self.lengthscale)
        v, p = self.factor(points)
        rho = (self.k(points, self.coords) - v @ self.v.T) / np.sqrt(np.outer(p, self.p))
        if not new:
            np.fill_diagonal(rho, 1.0)
        return np.sqrt(1 - np.abs(np.clip(rho, -1, 1)))


def nearest(distances, k, allowed=None):
    """Ids and distances of the k nearest per row, ascending by (distance, id), padded with -1 and infinity."""
    q, n = distances.shape
    masked = np.where(allowed, distances, np.inf) if allowed is not None else distances
    ids = np.argsort(masked, axis=1, kind="stable")[:, :k]
    found = np.take_along_axis(masked, ids, axis=1)
    ids = np.where(np.isinf(found), -1, ids)
    pad = ((0, 0), (0, k - ids.shape[1]))
    return np.pad(ids, pad, constant_values=-1), np.pad(found, pad, constant_values=np.inf)


def assert_same(found, expected, at=None):
    """Equal distances, and equal ids but where distances tie up to rounding.

    Distances near 0 are compared by their squares, 1 - abs(rho), in which rounding is uniform.
    """
    (ids, distances), (expected_ids, expected_distances) = found, expected
    assert ids.dtype == np.int64 and distances.dtype == np.float64
    np.testing.assert_array_equal(np.isinf(distances), np.isinf(expected_distances))
    finite = np.isfinite(distances)
    np.testing.assert_allclose(distances[finite] ** 2, expected_distances[finite] ** 2, rtol=1e-7, atol=1e-7)
    np.testing.assert_array_equal(ids == -1, ~finite)
    assert np.all(np.diff(np.where(finite, distances, 1e300), axis=1) >= 0)
    different = np.argwhere(ids != expected_ids)
    assert len(different) <= ids.size // 1000, f"{len(different)} of {ids.size} ids differ"
