"""The tree."""

from __future__ import annotations

import threading
from typing import Any, Callable, NamedTuple, Optional, TypeVar, Union

import numpy as np
import numpy.typing as npt

from . import _saved
from ._calls import call, controlled_call
from ._errors import Error, invalid
from ._handle import Handle, held
from ._names import TRAVERSALS
from ._native import ffi, lib
from ._options import new_tree, options_of
from ._views import count, indices, matrix, numbers, real, struct, view

Ids = npt.NDArray[np.int64]
Numbers = npt.NDArray[np.float64]
Kernel = Union[str, Callable[[Numbers, Numbers], npt.ArrayLike]]
T = TypeVar("T")
Tree = TypeVar("Tree", bound="ResidualCoverTree")
PARAMETERS = ("metric", "kernel", "variance", "lengthscale", "jitter", "construction", "ordering", "traversal",
              "threads", "alpha", "residual_floor")


class NewPoints(NamedTuple):
    """New points for a tree that was built from a factor of the caller's: they bring theirs."""

    coords: npt.ArrayLike
    """q x d."""
    factor: Optional[npt.ArrayLike]
    """Their rows of V, q x m."""
    residual_variance: Optional[npt.ArrayLike] = None
    """Their p, q values, where the tree was built with p."""


class ResidualCoverTree:
    """Finds the exact k nearest neighbours of points under the residual correlation distance.

    Parameters
    ----------
    metric : {"residual", "correlation", "euclidean"}
        sqrt(1 - abs(rho)) with rho the correlation left after the inducing points, the same with the plain
        correlation, or the Euclidean distance of coordinates divided by their lengthscales.
    kernel : {"rbf", "matern12", "matern32", "matern52", "rational_quadratic"} or callable
        A callable takes a point ``x`` (d) and ``others`` (c x d) and returns their c covariances with ``x``; it need
        not be stationary, is called on the calling thread, and variance and lengthscale are then not used.
    variance, lengthscale : float
        Of the kernel; ``lengthscale`` may be one number a dimension.
    jitter : float
        ``jitter * variance`` is added to the diagonal of the inducing covariance.
    construction : {"pure", "hybrid"}
        Whether the tree is shaped by its own metric or by the Euclidean one, which is faster. Answers are the same.
    ordering : {"hilbert", "natural"}
        In which order points enter the tree. Answers are the same.
    traversal : {"auto", "best_first", "level_synchronous", "brute_force"}
        How the tree is searched. Answers are the same.
    threads : int
        0 for all cores; 1 starts no thread.

    ``set_params`` sets these, and ``alpha`` (shape of the rational quadratic kernel, 1) and ``residual_floor``
    (residual variances are at least ``residual_floor * variance``, 1e-10).

    A built tree may be asked by any number of threads at once; ``insert``, ``remove`` and ``refit`` wait for those
    calls, and the next ones for them. It can be pickled and copied. Every failure is an :class:`rct.Error`.

    Arrays of float64 (ids: int64) are read where they are, whatever their strides; others are converted, which copies
    them.
    """

    def __init__(
        self,
        metric: str = "residual",
        kernel: Kernel = "matern32",
        variance: float = 1.0,
        lengthscale: npt.ArrayLike = 1.0,
        jitter: float = 1e-6,
        construction: str = "pure",
        ordering: str = "hilbert",
        traversal: str = "auto",
        threads: int = 0,
    ) -> None:
        parameters = dict(
            metric=metric, kernel=kernel, variance=variance, lengthscale=_own(lengthscale), jitter=jitter,
            construction=construction, ordering=ordering, traversal=traversal, threads=threads,
            alpha=1.0, residual_floor=1e-10,
        )
        self._set(new_tree(parameters), parameters)

    def _set(self, handle: Handle, parameters: dict[str, Any]) -> None:
        self._building = threading.Lock()
        self._handle = handle
        self._parameters = parameters

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """All parameters, by name. ``deep`` is there for scikit-learn and does nothing.

        Of a tree that :meth:`load` has made they are None, because they cannot be read from the file.
        """
        return dict(self._parameters)

    def set_params(self, **params: Any) -> ResidualCoverTree:
        """Sets parameters of a tree that is not built yet."""
        with held(self._building):
            if self._handle.points is not None:
                raise Error(lib.RCT_ERROR_INVALID_STATE, "tree is built: its parameters are changed by refit alone")
            parameters = self._changed(params)
            self._handle = new_tree(parameters)
            self._parameters = parameters
        return self

    def build(
        self,
        coords: npt.ArrayLike,
        inducing: npt.ArrayLike | None = None,
        factor: npt.ArrayLike | None = None,
        residual_variance: npt.ArrayLike | None = None,
    ) -> ResidualCoverTree:
        """Builds the tree over the n rows of ``coords`` (n x d), once; row i has id i. Returns itself.

        With the residual metric either ``inducing`` points (m x d) or a ``factor`` V (n x m) of one's own, with or
        without its ``residual_variance`` p (n), may be given. The tree keeps none of the arrays.
        """
        data, alive = _data(coords=coords, inducing=inducing, factor=factor, residual_variance=residual_variance)
        with held(self._building):
            # Until the call returns, other threads see an empty tree: the library wants this one for itself.
            handle = self._handle if self._handle.points is not None else new_tree(self._parameters)
            handle.change(lambda: controlled_call("build", lib.rct_build, handle.pointer, data))
            self._handle = handle
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
        data, alive = _data(coords=coords, factor=factor, residual_variance=residual_variance)
        first = ffi.new("int64_t *")
        self._change("insert", lib.rct_insert_batch, data, first)
        return np.arange(first[0], first[0] + len(alive[0]), dtype=np.int64)

    def remove(self, ids: npt.ArrayLike) -> None:
        """Removes points. The ids of all others stay, and no id is used again."""
        array = indices("ids", ids)
        self._change("remove", lib.rct_remove_batch, struct("rct_index_vector", array))

    def refit(
        self,
        inducing: npt.ArrayLike | None = None,
        factor: npt.ArrayLike | None = None,
        residual_variance: npt.ArrayLike | None = None,
        **changes: Any,
    ) -> ResidualCoverTree:
        """Gives the tree other parameters over the same points. Returns itself.

        ``changes`` are parameters by name, all but the metric; what is not named stays, and so do inducing points where
        none are given. Rows of ``factor`` and ``residual_variance`` are those of the points by ascending id. Answers
        are those of a tree that is built anew, which takes longer. Where it fails the tree is as it was.

        The parameters of a tree that :meth:`load` has made are not known: they must all be named.
        """
        data, alive = _data(inducing=inducing, factor=factor, residual_variance=residual_variance)
        handle = self._handle

        def body() -> None:
            parameters = self._changed(changes)
            unknown = [name for name, value in self._parameters.items() if value is None and name not in changes]
            if unknown:
                raise invalid(f"the tree was loaded, and its parameters are not known: {', '.join(unknown)} must be "
                              "named, as they were or as they are to be")
            options, views, callbacks = options_of(parameters)
            handle.callbacks.extend(callbacks)  # and the earlier ones, which stay where this fails
            controlled_call("refit", lib.rct_refit, handle.pointer, options, data)
            handle.callbacks[:] = callbacks
            self._parameters = parameters

        handle.change(body)
        return self

    def save(self, path: _saved.Path) -> None:
        """Saves the tree in the file at ``path``, replacing it at once when all is on the disk.

        Whatever happens, there is the old file or the new one; it can be loaded on any machine. The parameters by name
        are not in it: a pickle has them. A tree whose kernel is a function cannot be saved.
        """
        _saved.save(self._handle, path)

    @classmethod
    def load(
        cls: type[Tree], path: _saved.Path, threads: int | None = None, memory_map: bool = False
    ) -> Tree:
        """The tree that was saved at ``path``, with as many ``threads`` as it had unless others are asked for.

        With ``memory_map`` most of the tree stays in the file and is read, and checked, as it is needed: nobody may
        then change the file in place while the tree lives (saving to its path is fine). The parameters of the tree
        cannot be read from the file: those that :meth:`get_params` gives are None.
        """
        tree = cls.__new__(cls)
        handle = _saved.load(path, threads, memory_map)
        ResidualCoverTree._set(tree, handle, {**dict.fromkeys(PARAMETERS), "threads": threads})
        return tree

    def query_batch(
        self,
        points: npt.ArrayLike | NewPoints | None = None,
        ids: npt.ArrayLike | None = None,
        k: int = ...,  # type: ignore[assignment]
        id_limit: npt.ArrayLike | None = None,
        max_distance: npt.ArrayLike | None = None,
        include_self: bool = True,
    ) -> tuple[Ids, Numbers]:
        """The ``k`` nearest stored points of new ``points`` (q x d) or of stored points by their ``ids`` (q).

        Returns ids and distances, q x k, ascending by (distance, id), padded with -1 and infinity. ``k`` is required.

        ``id_limit`` (one, or q) leaves only smaller ids, ``max_distance`` (one, or q) only distances below it. With
        ``include_self=False`` a stored point is not its own neighbour.
        """
        if k is ...:  # type: ignore[comparison-overlap]
            raise TypeError("query_batch() needs k, the number of neighbours")
        query, queries, alive = self._query(points, ids, id_limit, include_self)
        query.k = count("k", k)
        if max_distance is not None:
            alive.append(numbers("max_distance", max_distance))
            query.max_distances = view(alive[-1])
        return self._neighbors("query_batch", queries, query.k, lib.rct_query_batch, query)

    def vecchia_neighbors(self, k: int) -> tuple[Ids, Numbers]:
        """For every point the ``k`` nearest of those with a smaller id: what a Vecchia approximation conditions on.

        Returns ids and distances, n x k, ascending by (distance, id), padded with -1 and infinity: row 0 is all
        padding. Points are taken in the order in which the tree was built; see :func:`rct.order`. Where points were
        removed, row t is that of the t-th point that is there, by ascending id.
        """
        k = count("k", k)
        natural = ffi.new("rct_index_vector *")[0]
        return self._neighbors("vecchia_neighbors", None, k, lib.rct_vecchia_neighbors, k, natural)

    def radius_batch(
        self,
        radius: float,
        points: npt.ArrayLike | NewPoints | None = None,
        ids: npt.ArrayLike | None = None,
        id_limit: npt.ArrayLike | None = None,
        include_self: bool = True,
    ) -> tuple[Ids, Ids, Numbers]:
        """All stored points nearer than ``radius`` to each query, in compressed rows: (offsets, ids, distances).

        The neighbours of query i are elements ``offsets[i]`` to ``offsets[i + 1] - 1``, ascending by (distance, id).
        """
        query, _, alive = self._query(points, ids, id_limit, include_self)
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

    def stats(self) -> dict[str, Any]:
        """Figures of the tree and of its last search, under the names of ``rct_tree_stats`` in ``rct.h``."""
        stats = ffi.new("rct_tree_stats *")
        stats.struct_size = ffi.sizeof("rct_tree_stats")
        self._ask(lambda tree: call(lib.rct_stats, tree, stats))
        figures = {name: getattr(stats, name) for name, _ in ffi.typeof("rct_tree_stats").fields}
        del figures["struct_size"]
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
        known = {name: value for name, value in self._parameters.items() if value is not None}
        parameters = ", ".join(f"{name}={value!r}" for name, value in known.items())
        return f"<ResidualCoverTree of {len(self)} points: {parameters or 'loaded from a file'}>"

    def __getstate__(self) -> dict[str, Any]:
        """Parameters and the saved tree, for pickle and copy."""
        handle = self._handle
        saved = None if handle.points is None else _saved.to_bytes(handle)
        return {"parameters": self.get_params(), "tree": saved}

    def __setstate__(self, state: dict[str, Any]) -> None:
        parameters, saved = state["parameters"], state["tree"]
        self._set(new_tree(parameters) if saved is None else _saved.from_bytes(saved), parameters)

    def _changed(self, changes: dict[str, Any]) -> dict[str, Any]:
        """The parameters with some of them changed."""
        for name in changes:
            if name not in PARAMETERS:
                raise invalid(f"{name} is no parameter; there are {', '.join(PARAMETERS)}")
        parameters = {**self._parameters, **changes}
        return {**parameters, "lengthscale": _own(parameters["lengthscale"])}

    def _ask(self, function: Callable[[Any], T]) -> T:
        """Calls ``function(tree)``, which does not change the tree."""
        handle = self._handle
        return handle.ask(lambda: function(handle.pointer))

    def _change(self, name: str, function: Any, *arguments: Any) -> None:
        """Calls ``function(tree, *arguments, control)``, which changes the tree."""
        handle = self._handle
        handle.change(lambda: controlled_call(name, function, handle.pointer, *arguments))

    def _query(
        self,
        points: npt.ArrayLike | NewPoints | None,
        ids: npt.ArrayLike | None,
        id_limit: npt.ArrayLike | None,
        include_self: bool,
    ) -> tuple[Any, int, list[npt.NDArray[Any]]]:
        """An ``rct_query``, its number of queries, and the arrays that it points to."""
        query = ffi.new("rct_query *")
        call(lib.rct_query_init, query)
        alive: list[npt.NDArray[Any]] = []
        queries = 0
        if points is not None:
            new = points if isinstance(points, NewPoints) else NewPoints(points, None)
            alive.append(matrix("points", new.coords))
            query.coords = view(alive[-1])
            queries = len(alive[-1])
            if new.factor is not None:
                alive.append(matrix("factor", new.factor))
                query.factor = view(alive[-1])
            if new.residual_variance is not None:
                alive.append(numbers("residual_variance", new.residual_variance))
                query.residual_variances = view(alive[-1])
        if ids is not None:
            alive.append(indices("ids", ids))
            query.ids = view(alive[-1])
            queries = len(alive[-1])
        if id_limit is not None:
            alive.append(indices("id_limit", id_limit))
            query.id_limits = view(alive[-1])
        query.exclude_self = not include_self
        return query, queries, alive

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
        try:
            i, j = np.broadcast_arrays(i, j)
        except ValueError:
            shapes = f"{np.shape(i)} and {np.shape(j)}"
            raise invalid(f"i and j have shapes {shapes}, which cannot be broadcast to one") from None
        values = np.empty(i.shape)
        flat = [indices(name, ids.ravel()) for name, ids in (("i", i), ("j", j))]
        views = [struct("rct_index_vector", ids) for ids in flat]
        out = struct("rct_vector_out", values.reshape(-1))
        self._ask(lambda tree: call(function, tree, *views, out))
        return values[()]


def _own(lengthscale: npt.ArrayLike) -> npt.ArrayLike:
    """A copy of an array, which the caller may change."""
    return np.array(lengthscale) if np.ndim(lengthscale) else lengthscale


def _data(**given: npt.ArrayLike | None) -> tuple[Any, list[npt.NDArray[Any]]]:
    """An ``rct_data``, and the arrays that it points to."""
    data = ffi.new("rct_data *")
    call(lib.rct_data_init, data)
    alive = []
    for name, value in given.items():
        if value is not None:
            alive.append((numbers if name == "residual_variance" else matrix)(name, value))
            setattr(data, "residual_variances" if name == "residual_variance" else name, view(alive[-1]))
    return data, alive
