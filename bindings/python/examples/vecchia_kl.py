"""What the metric of the neighbours buys: the Kullback-Leibler divergence of Vecchia and VIF approximations from the
exact Gaussian process, for 2,000 of the house sales in examples-c.

    python vecchia_kl.py [--n 2000] [--m 200] [--k 5 10 15 20 30 40 50] [--fit] [--out kl.svg]

A VIF approximation replaces the covariance K of the data by V V' + R^, where V V' is what m inducing points explain
and R^ is the Vecchia approximation of the residual covariance R = K - V V': each house is conditioned on k earlier
ones. The approximations here differ only in which: the k nearest by Euclidean distance in metres, by correlation, or by
residual correlation. With m = 0 this is the plain Vecchia approximation, and the two correlations are one. The
divergence KL(N(0, K) || N(0, K^)) is computed with dense matrices; it is 0 where each house is conditioned on all
earlier ones.

Three Gaussian processes are looked at: one fitted to the log prices of the subset, with independent noise on the
diagonal of K; one with the lengthscale of examples-c, which the inducing points resolve better; and the first without
its noise. Neighbours are found without regard to noise.
"""

import argparse
import time
from pathlib import Path
from typing import NamedTuple

import numpy as np
import scipy.linalg
import scipy.optimize

import residual_cover_tree as rct

SALES = Path(__file__).resolve().parents[3] / "examples-c/house_sales.csv"
SEED = 1


class Parameters(NamedTuple):
    """Of the Gaussian process of log prices: noise variance and, as parts of its variance, a Matern-3/2 kernel."""

    east: float  # lengthscale, metres
    north: float
    variance: float
    noise: float


# What --fit finds for the default subset, and with both lengthscales held at those of examples-c.
FITTED = Parameters(east=1113.0, north=1164.0, variance=0.437, noise=0.0995)
SMOOTH = Parameters(east=2900.0, north=2900.0, variance=1.527, noise=0.1208)


def covariance(a, b, parameters):
    """The Matern-3/2 covariance of the rows of a and b."""
    r = np.sqrt(3.0 * sum(((a[:, None, j] - b[None, :, j]) / parameters[j]) ** 2 for j in (0, 1)))
    return parameters.variance * (1.0 + r) * np.exp(-r)


def fit(coords, log_prices, start, lengthscales_too):
    """Maximum likelihood with the exact Gaussian process, of variance and noise or of all parameters."""
    y = log_prices - log_prices.mean()
    held = 0 if lengthscales_too else 2

    def parameters(logs):
        return Parameters(*start[:held], *np.exp(logs))

    def negative_log_likelihood(logs):
        p = parameters(logs)
        lower = np.linalg.cholesky(covariance(coords, coords, p) + p.noise * np.eye(len(y)))
        return np.log(np.diag(lower)).sum() + 0.5 * (scipy.linalg.solve_triangular(lower, y, lower=True) ** 2).sum()

    best = scipy.optimize.minimize(negative_log_likelihood, np.log(start[held:]), method="Nelder-Mead",
                                   options={"xatol": 1e-3, "fatol": 1e-3})
    return parameters(best.x)


def vecchia_covariance(residual, neighbors):
    """The Vecchia approximation of a covariance matrix; row i is conditioned on the ids >= 0 in row i of neighbors."""
    n = len(residual)
    rows, variances = np.eye(n), np.empty(n)
    for i in range(n):
        given = neighbors[i][neighbors[i] >= 0]
        weights = scipy.linalg.solve(residual[np.ix_(given, given)], residual[given, i], assume_a="pos")
        rows[i, given] = -weights
        variances[i] = residual[i, i] - residual[i, given] @ weights
    inverse = scipy.linalg.solve_triangular(rows, np.eye(n), lower=True, unit_diagonal=True)
    return (inverse * variances) @ inverse.T


def divergence(exact_cholesky, approximation):
    """KL(N(0, K) || N(0, K^)) from the lower Cholesky factor of K, and K^."""
    lower = np.linalg.cholesky(approximation)
    ratio = scipy.linalg.solve_triangular(lower, exact_cholesky, lower=True)
    log_determinants = np.log(np.diag(lower)).sum() - np.log(np.diag(exact_cholesky)).sum()
    return 0.5 * ((ratio**2).sum() - len(lower)) + log_determinants


def neighbors(metric, coords, k, parameters, inducing=None):
    """Conditioning sets, and the seconds that tree and search took."""
    lengthscale = 1.0 if metric == "euclidean" else [parameters.east, parameters.north]
    clock = time.perf_counter()
    tree = rct.ResidualCoverTree(metric=metric, lengthscale=lengthscale, variance=parameters.variance)
    ids, _ = tree.build(coords, inducing if metric == "residual" else None).vecchia_neighbors(k=k)
    return ids, time.perf_counter() - clock


def curves(coords, m, ks, parameters):
    """For each approximation: its name, the seconds of its search, and its divergence for each k."""
    scale = np.array([parameters.east, parameters.north])
    inducing = rct.select_inducing(coords / scale, m, seed=SEED) * scale
    jitter = 1e-6 * parameters.variance * np.eye(m)
    lower = np.linalg.cholesky(covariance(inducing, inducing, parameters) + jitter)
    v = scipy.linalg.solve_triangular(lower, covariance(inducing, coords, parameters), lower=True).T
    exact = covariance(coords, coords, parameters) + parameters.noise * np.eye(len(coords))
    factor = np.linalg.cholesky(exact)
    for family, low_rank, metrics in (("Vecchia", np.zeros_like(exact), ("euclidean", "correlation")),
                                      ("VIF", v @ v.T, ("euclidean", "correlation", "residual"))):
        for metric in metrics:
            ids, seconds = neighbors(metric, coords, max(ks), parameters, inducing)
            # The first columns of the answer are the answer for fewer neighbours.
            yield f"{family}, {metric}", seconds, [
                divergence(factor, low_rank + vecchia_covariance(exact - low_rank, ids[:, :k])) for k in ks]


def plot(path, found, ks):
    """Divergence against k, a panel for each Gaussian process."""
    import matplotlib

    matplotlib.use("Agg")
    matplotlib.rcParams.update({"svg.hashsalt": "rct", "svg.fonttype": "none", "font.family": "sans-serif"})
    import matplotlib.pyplot as plt

    colours = {"euclidean": "#d55e00", "correlation": "#0072b2", "residual": "#009e73"}
    markers = {"euclidean": "o", "correlation": "s", "residual": "D"}
    figure, panels = plt.subplots(1, len(found), figsize=(12, 4.4), layout="constrained")
    for panel, (title, lines) in zip(panels, found.items()):
        for name, _, values in lines:
            family, metric = name.split(", ")
            label = f"{family}: {'residual correlation' if metric == 'residual' else metric}"
            # Euclidean distance and correlation often agree: rings show under squares.
            size, fill = (10, "none") if metric == "euclidean" else (5, colours[metric])
            panel.plot(ks, values, "--" if family == "Vecchia" else "-", color=colours[metric], marker=markers[metric],
                       markersize=size, markerfacecolor=fill, label=label)
        panel.set(yscale="log", xlabel="neighbours k", title=title)
        panel.grid(alpha=0.3)
    panels[0].set(ylabel="KL divergence from the exact process")
    panels[0].legend(frameon=False)
    figure.savefig(path, metadata={"Date": None})
    print(f"wrote {path}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--n", type=int, default=2000, help="houses, a random subset")
    parser.add_argument("--m", type=int, default=200, help="inducing points")
    parser.add_argument("--k", type=int, nargs="+", default=[5, 10, 15, 20, 30, 40, 50], help="neighbours")
    parser.add_argument("--fit", action="store_true", help="fit the parameters instead of taking those found before")
    parser.add_argument("--out", help="draw a plot to this file (needs matplotlib)")
    arguments = parser.parse_args()

    sales = np.loadtxt(SALES, delimiter=",", skiprows=1)
    sales = sales[np.random.default_rng(SEED).choice(len(sales), arguments.n, replace=False)]
    coords, log_prices = sales[:, :2], np.log(sales[:, 2])
    fitted, smooth = FITTED, SMOOTH
    if arguments.fit:
        fitted, smooth = fit(coords, log_prices, FITTED, True), fit(coords, log_prices, SMOOTH, False)
    coords = coords[rct.order(coords, "maximin", SEED)]

    print(f"n = {arguments.n} houses in maximin order, m = {arguments.m} inducing points, Matern-3/2")
    found = {}
    for title, p in (("Fitted", fitted), ("Lengthscale of examples-c", smooth),
                     ("Fitted, without noise", fitted._replace(noise=0.0))):
        found[title] = []
        print(f"\n{title}: lengthscales {p.east:.0f} m east, {p.north:.0f} m north, variance {p.variance:.3g}, "
              f"noise {p.noise:.3g}")
        print(f"{'':21}" + "".join(f"{f'k = {k}':>10}" for k in arguments.k) + "  tree and search")
        for line in curves(coords, arguments.m, arguments.k, p):
            name, seconds, values = line
            print(f"{name:21}" + "".join(f"{value:10.3g}" for value in values) + f"{seconds:13.3f} s", flush=True)
            found[title].append(line)
    if arguments.out:
        plot(arguments.out, found, arguments.k)


if __name__ == "__main__":
    main()
