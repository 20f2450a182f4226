"""The tree."""

from __future__ import annotations

import threading
import warnings
from typing import Any, Callable, NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt

from . import _saved
from ._arguments import Points, data_of, pairs_of, query_of
from ._calls import call, controlled_call
from ._errors import Error, LengthscaleWarning, invalid
from ._handle import Handle, held
from ._names import LENGTHSCALE_CHECKS, TRAVERSALS, Construction, Metric, Traversal, TreeOrdering
from ._native import ffi, lib
from ._parameters import Kernel, Parameters, Unpack, changed, frozen, new_tree, options_of, parameters_of
from ._views import count, indices, numbers, real, struct, view

Ids = npt.NDArray[np.int64]
Numbers = npt.NDArray[np.float64]
T = TypeVar("T")
Tree = TypeVar("Tree", bound="ResidualCoverTree")


class Factor(NamedTuple):
    """V and p of points: the residual covariance of i and j is k(x_i, x_j) - V_i.V_j, and p_i where i = j."""

    factor: Numbers
    """V, q x m."""
    residual_variance: Numbers
    """p, q values."""


class InducingPoints(NamedTuple):
    """Inducing points, and the Cholesky factor of their covariance."""

    inducing: Numbers
    """Z, m x d."""
    cholesky: Numbers
    """L, m x m, lower triangular: L L' is the covariance of Z, jitter included."""


class ResidualCoverTree:
    """Finds the exact k nearest neighbours of points under the residual correlation distance.

    Which sets belong to which model: a plain Vecchia likelihood conditions on sets of a tree with
    ``metric="correlation"`` or ``"euclidean"``; those of ``metric="residual"`` are for a VIF likelihood (Vecchia with
    the same inducing points), and make a plain one worse.

    Parameters
    ----------
    metric : {"residual", "correlation", "euclidean"}
        sqrt(1 - abs(rho)) with rho the correlation left after the inducing points, the same with the plain
        correlation, or the Euclidean distance of coordinates divided by their lengthscales.
    kernel : {"rbf", "matern12", "matern32", "matern52", "rational_quadratic"} or callable
        A callable takes a point ``x`` (d) and ``others`` (c x d) and returns their c covariances with ``x``; it need
        not be stationary, is called on the calling thread, and variance and lengthscale are then not used.
    lengthscale : float or one float a dimension
        In the units of the coordinates, > 0. Required where a named kernel is used; with the Euclidean metric None
        takes the coordinates as they are.
    variance : float
        Of the kernel, > 0.
    alpha : float
        Shape of the rational quadratic kernel, > 0.
    jitter : float
        ``jitter * variance`` is added to the diagonal of the inducing covariance.
    residual_floor : float
        Residual variances are at least ``residual_floor * variance``; in (0, 1].
    construction : {"pure", "hybrid"}
        Whether the tree is shaped by its own metric or by the Euclidean one, which is faster. Answers are the same.
    ordering : {"hilbert", "natural"}
        In which order points enter the tree. Answers are the same.
    traversal : {"auto", "best_first", "level_synchronous", "brute_force"}
        How the tree is searched. Answers are the same.
    threads : int
        0 for all cores; 1 starts no thread.

    They are kept as they are given, and read again by :meth:`build`: ``sklearn.base.clone`` works.

    A built tree may be asked by any number of threads at once; ``insert``, ``remove`` and ``refit`` wait for those
    calls, and the next ones for them. It can be pickled and copied. Every failure is an :class:`Error`.

    Arrays of float64 (ids: int64) are read where they are, whatever their strides; others are converted, which copies
    them.
    """

    def __init__(
        self,
        *,
        metric: Metric = "residual",
        kernel: Kernel = "matern32",
        lengthscale: npt.ArrayLike | None = None,
        variance: float = 1.0,
        alpha: float = 1.0,
        jitter: float = 1e-6,
        residual_floor: float = 1e-10,
        construction: Construction = "pure",
        ordering: TreeOrdering = "hilbert",
        traversal: Traversal = "auto",
        threads: int = 0,
    ) -> None:
        parameters: Parameters = dict(
            metric=metric, kernel=kernel, lengthscale=lengthscale, variance=variance, alpha=alpha, jitter=jitter,
            residual_floor=residual_floor, construction=construction, ordering=ordering, traversal=traversal,
            threads=threads,
        )
        self._set(new_tree(parameters), parameters)

    def _set(self, handle: Handle, parameters: Parameters) -> None:
        self._building = threading.Lock()
        self._handle = handle
        self._parameters = parameters

    def get_params(self, deep: bool = True) -> Parameters:
        """All parameters, by name. ``deep`` is there for scikit-learn and does nothing."""
        return self._parameters.copy()

    def set_params(self: Tree, **params: Unpack[Parameters]) -> Tree:
        """Sets parameters of a tree that is not built yet."""
        with held(self._building):
            if self._handle.points is not None:
                raise Error(lib.RCT_ERROR_INVALID_STATE, "tree is built: its parameters are changed by refit alone")
            parameters = changed(self._parameters, params)
            self._handle = new_tree(parameters)
            self._parameters = parameters
        return self

    def build(
        self: Tree,
        coords: npt.ArrayLike,
        inducing: npt.ArrayLike | None = None,
        factor: npt.ArrayLike | None = None,
        residual_variance: npt.ArrayLike | None = None,
    ) -> Tree:
        """Builds the tree over the n rows of ``coords`` (n x d), once; row i has id i. Returns itself.

        With the residual metric either ``inducing`` points (m x d) or a ``factor`` V (n x m) of one's own, with or
        without its ``residual_variance`` p (n), may be given. The tree keeps none of the arrays.
        """
        data, alive = data_of(coords=coords, inducing=inducing, factor=factor, residual_variance=residual_variance)
        with held(self._building):
            handle, parameters = self._handle, self._parameters
            if handle.points is None:
                # Until the call returns, other threads see an empty tree: the library wants this one for itself.
                parameters = frozen(parameters)
                handle = new_tree(parameters)
            handle.change(lambda: controlled_call("build", lib.rct_build, handle.pointer, data))
            self._handle, self._parameters = handle, parameters
        self._warn()
        return self

    def insert(
        self,
        coords: npt.ArrayLike,
        factor: npt.ArrayLike | None = None,
        residual_variance: npt.ArrayLike | None = None,
    ) -> Ids:
        """Inserts the rows of ``coords``; returns their ids, which follow the largest that was ever given.

        ``factor`` and ``residual_variance`` are needed where the tree was built with them. Inducing points stay.
        """
        data, alive = data_of(coords=coords, factor=factor, residual_variance=residual_variance)
        first = ffi.new("int64_t *")
        self._change("insert", lib.rct_insert_batch, data, first)
        return np.arange(first[0], first[0] + len(alive[0]), dtype=np.int64)

    def remove(self, ids: npt.ArrayLike) -> None:
        """Removes points. The ids of all others stay, and no id is used again."""
        array = indices("ids", ids)
        self._change("remove", lib.rct_remove_batch, struct("rct_index_vector", array))

    def refit(
        self: Tree,
        inducing: npt.ArrayLike | None = None,
        factor: npt.ArrayLike | None = None,
        residual_variance: npt.ArrayLike | None = None,
        **changes: Unpack[Parameters],
    ) -> Tree:
        """Gives the tree other parameters over the same points. Returns itself.

        ``changes`` are parameters by name, all but the metric; what is not named stays, and so do inducing points where
        none are given. Rows of ``factor`` and ``residual_variance`` are those of the points by ascending id. Answers
        are those of a tree that is built anew, which takes longer. Where it fails the tree is as it was.
        """
        data, alive = data_of(inducing=inducing, factor=factor, residual_variance=residual_variance)
        handle = self._handle

        def body() -> None:
            parameters = frozen(changed(self._parameters, changes))
            old, new = self._parameters["metric"], parameters["metric"]
            if new != old:
                raise invalid(f"metric is {new!r}, but the tree was built with {old!r}, which a refit keeps")
            options, views, callbacks = options_of(parameters)
            handle.callbacks.extend(callbacks)  # and the earlier ones, which stay where this fails
            controlled_call("refit", lib.rct_refit, handle.pointer, options, data)
            handle.callbacks[:] = callbacks
            self._parameters = parameters

        handle.change(body)
        self._warn()
        return self

    def save(self, path: _saved.Path) -> None:
        """Saves the tree in the file at ``path``, replacing it at once when all is on the disk.

        Whatever happens, there is the old file or the new one; it can be loaded on any machine. A tree whose kernel is
        a function cannot be saved.
        """
        _saved.save(self._handle, path)

    @classmethod
    def load(
        cls: type[Tree], path: _saved.Path, *, threads: int | None = None, memory_map: bool = False
    ) -> Tree:
        """The tree that was saved at ``path``, with as many ``threads`` as it had unless others are asked for.

        With ``memory_map`` most of the tree stays in the file and is read, and checked, as it is needed: nobody may
        then change the file in place while the tree lives (saving to its path is fine).
        """
        tree = cls.__new__(cls)
        handle = _saved.load(path, threads, memory_map)
        ResidualCoverTree._set(tree, handle, parameters_of(handle))
        return tree

    def query_batch(
        self,
        points: Points | None = None,
        ids: npt.ArrayLike | None = None,
        *,
        k: int,
        id_limit: npt.ArrayLike | None = None,
        max_distance: npt.ArrayLike | None = None,
        include_self: bool = True,
    ) -> tuple[Ids, Numbers]:
        """The ``k`` nearest stored points of new ``points`` (q x d) or of stored points by their ``ids`` (q).

        Returns ids and distances, q x k, ascending by (distance, id), padded with -1 and infinity.

        ``id_limit`` (one, or q) leaves only smaller ids, ``max_distance`` (one, or q) only distances below it. With
        ``include_self=False`` a stored point is not its own neighbour.
        """
        query, queries, alive = query_of(points, ids, id_limit, include_self)
        query.k = count("k", k)
        if max_distance is not None:
            alive.append(numbers("max_distance", max_distance))
            query.max_distances = view(alive[-1])
        return self._neighbors("query_batch", queries, query.k, lib.rct_query_batch, query)

    def vecchia_neighbors(self, *, k: int, order: npt.ArrayLike | None = None) -> tuple[Ids, Numbers]:
        """For every point the ``k`` nearest of the points before it: what a Vecchia approximation conditions on.

        Of a tree with ``metric="correlation"`` or ``"euclidean"`` these are the sets of a plain Vecchia likelihood, of
        one with ``metric="residual"`` those of a VIF likelihood with the same inducing points.

        Returns ids and distances, n x k, ascending by (distance, id), padded with -1 and infinity: row 0 is all
        padding. Points come by ascending id, or in the ``order`` of a permutation of all ids: row t is then that of
        ``order[t]``, and has ids among ``order[:t]``. See :func:`order`. Where points were removed, row t is that of
        the t-th point that is there.
        """
        k = count("k", k)
        alive = None if order is None else indices("order", order)
        given = ffi.new("rct_index_vector *")[0] if alive is None else struct("rct_index_vector", alive)
        return self._neighbors("vecchia_neighbors", None, k, lib.rct_vecchia_neighbors, k, given)

    def radius_batch(
        self,
        radius: float,
        points: Points | None = None,
        ids: npt.ArrayLike | None = None,
        *,
        id_limit: npt.ArrayLike | None = None,
        include_self: bool = True,
    ) -> tuple[Ids, Ids, Numbers]:
        """All stored points nearer than ``radius`` to each query, in compressed rows: (offsets, ids, distances).

        The neighbours of query i are elements ``offsets[i]`` to ``offsets[i + 1] - 1``, ascending by (distance, id).
        """
        query, _, alive = query_of(points, ids, id_limit, include_self)
        slot = ffi.new("rct_radius_result **")
        bound = real("radius", radius)
        self._ask(lambda tree: controlled_call("radius_batch", lib.rct_radius_batch, tree, query, bound, slot))
        result = ffi.gc(slot[0], lib.rct_radius_result_free)
        found = ffi.new("rct_radius_view *")
        call(lib.rct_radius_result_view, result, found)

        def copy(data: Any, length: int, dtype: type[Any]) -> npt.NDArray[Any]:
            return np.frombuffer(ffi.buffer(data, 8 * length), dtype).copy() if length else np.empty(0, dtype)

        return (copy(found.offsets, found.queries + 1, np.int64), copy(found.ids, found.total, np.int64),
                copy(found.distances, found.total, np.float64))

    def distances(self, i: npt.ArrayLike, j: npt.ArrayLike) -> Numbers:
        """The distance of each pair (i, j) of stored points; ``i`` and ``j`` are broadcast against each other."""
        return self._pairs(lib.rct_distances, i, j)

    def correlations(self, i: npt.ArrayLike, j: npt.ArrayLike) -> Numbers:
        """The signed residual correlation of each pair (i, j) of stored points, broadcast as in ``distances``."""
        return self._pairs(lib.rct_correlations, i, j)

    def residual_covariances(self, i: npt.ArrayLike, j: npt.ArrayLike) -> Numbers:
        """k(x_i, x_j) - V_i.V_j of each pair (i, j) of stored points, p_i where i = j, broadcast as in ``distances``.

        In the units of the variance: what a VIF likelihood makes its conditional variances of.
        """
        return self._pairs(lib.rct_residual_covariances, i, j)

    def factor(self, points: Points | None = None, ids: npt.ArrayLike | None = None) -> Factor:
        """V (q x m) and p (q) of new ``points`` (q x d), or of stored ones by their ``ids`` (q), as searches use them.

        With neither, of all stored points by ascending id. An error for a tree with the Euclidean metric.
        """
        handle = self._handle

        def body() -> Factor:
            wanted = _ids_of(handle) if points is None and ids is None else ids
            query, queries, alive = query_of(points, wanted)
            stats = _stats_of(handle)
            found = Factor(np.empty((queries, stats.m)), np.empty(queries))
            out = ffi.new("rct_factor_out *", (view(found.factor), view(found.residual_variance)))
            controlled_call("factor", lib.rct_factor, handle.pointer, query, out)
            return found

        return handle.ask(body)

    def inducing_points(self) -> InducingPoints:
        """The inducing points Z (m x d) and the Cholesky factor L (m x m) of their covariance: V_i = L^-1 k(Z, x_i).

        An error for a tree with the Euclidean metric or a factor of the caller's.
        """
        handle = self._handle

        def body() -> InducingPoints:
            stats = _stats_of(handle)
            found = InducingPoints(np.empty((stats.m, stats.d)), np.empty((stats.m, stats.m)))
            call(lib.rct_inducing_points, handle.pointer, *(struct("rct_matrix_out", array) for array in found))
            return found

        return handle.ask(body)

    def ids(self) -> Ids:
        """The ids of the points that are there, ascending."""
        handle = self._handle
        return handle.ask(lambda: _ids_of(handle))

    def stats(self) -> dict[str, Any]:
        """Figures of the tree and of its last search, under the names of ``rct_tree_stats`` in ``rct.h``."""
        handle = self._handle
        stats = handle.ask(lambda: _stats_of(handle))
        figures = {name: getattr(stats, name) for name, _ in ffi.typeof("rct_tree_stats").fields}
        del figures["struct_size"]
        figures["warning"] = ffi.string(stats.warning).decode() if stats.warning else None
        for name in ("plan", "plan_reason"):
            figures[name] = ffi.string(figures[name]).decode()
        figures["lengthscale_check"] = LENGTHSCALE_CHECKS[stats.lengthscale_check]
        figures["brute_force_only"] = bool(figures["brute_force_only"])
        figures["last_traversal"] = {code: name for name, code in TRAVERSALS.items()}[figures["last_traversal"]]
        return figures

    def validate(self) -> None:
        """Checks every invariant of the tree by its definition, in O(n^2); an error where one is broken."""
        self._ask(lambda tree: controlled_call("validate", lib.rct_validate, tree))

    def __len__(self) -> int:
        """The number of points; 0 before the build."""
        return self._handle.points or 0

    def __repr__(self) -> str:
        parameters = ", ".join(f"{name}={value!r}" for name, value in self._parameters.items())
        return f"<ResidualCoverTree of {len(self)} points: {parameters}>"

    def __getstate__(self) -> dict[str, Any]:
        """Parameters and the saved tree, for pickle and copy."""
        handle = self._handle
        saved = None if handle.points is None else _saved.to_bytes(handle)
        return {"parameters": self.get_params(), "tree": saved}

    def __setstate__(self, state: dict[str, Any]) -> None:
        parameters, saved = state["parameters"], state["tree"]
        self._set(new_tree(parameters) if saved is None else _saved.from_bytes(saved), parameters)

    def _warn(self) -> None:
        """Warns of a lengthscale that hardly fits, at the line that called the method that calls this."""
        warning = self.stats()["warning"]
        if warning:
            warnings.warn(warning, LengthscaleWarning, stacklevel=3)

    def _ask(self, function: Callable[[Any], T]) -> T:
        """Calls ``function(tree)``, which does not change the tree."""
        handle = self._handle
        return handle.ask(lambda: function(handle.pointer))

    def _change(self, name: str, function: Any, *arguments: Any) -> None:
        """Calls ``function(tree, *arguments, control)``, which changes the tree."""
        handle = self._handle
        handle.change(lambda: controlled_call(name, function, handle.pointer, *arguments))

    def _neighbors(
        self, name: str, queries: int | None, k: int, function: Any, *arguments: Any
    ) -> tuple[Ids, Numbers]:
        """Calls ``function(tree, *arguments, out, control)`` for q x k neighbours; without q, of all points."""
        handle = self._handle

        def body() -> tuple[Ids, Numbers]:
            q = (handle.points or 0) if queries is None else queries
            ids, distances = np.empty((q, k), np.int64), np.empty((q, k))
            out = ffi.new("rct_neighbors *", (view(ids), view(distances)))
            controlled_call(name, function, handle.pointer, *arguments, out)
            return ids, distances

        return handle.ask(body)

    def _pairs(self, function: Any, i: npt.ArrayLike, j: npt.ArrayLike) -> Numbers:
        shape, alive = pairs_of(i, j)
        values = np.empty(shape)
        views = [struct("rct_index_vector", ids) for ids in alive]
        out = struct("rct_vector_out", values.reshape(-1))
        self._ask(lambda tree: call(function, tree, *views, out))
        return values[()]


def _stats_of(handle: Handle) -> Any:
    """The ``rct_tree_stats`` of a tree."""
    stats = ffi.new("rct_tree_stats *")
    stats.struct_size = ffi.sizeof("rct_tree_stats")
    call(lib.rct_stats, handle.pointer, stats)
    return stats


def _ids_of(handle: Handle) -> Ids:
    """The ids of a tree."""
    ids = np.empty(handle.points or 0, np.int64)
    call(lib.rct_ids, handle.pointer, struct("rct_index_vector_out", ids))
    return ids
