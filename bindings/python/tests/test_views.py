"""Arrays pass as they are: any strides, no copy."""

import resource
import subprocess
import sys
import textwrap
import tracemalloc

import numpy as np
import pytest

import residual_cover_tree as rct
from residual_cover_tree import _views

LAYOUTS = {
    "C": lambda a: np.ascontiguousarray(a),
    "Fortran": lambda a: np.asfortranarray(a),
    "reversed rows": lambda a: a[::-1].copy()[::-1],
    "reversed columns": lambda a: a[:, ::-1].copy()[:, ::-1],
    "slice of a larger array": lambda a: np.repeat(np.repeat(a, 3, 0), 2, 1)[1::3, ::2],
    "reversed slice in Fortran order": lambda a: np.asfortranarray(np.repeat(a[::-1], 2, 0))[::-2],
    "read-only": lambda a: np.frombuffer(a.tobytes()).reshape(a.shape),
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_any_strides_without_a_copy(coords, inducing, tree, layout):
    of = LAYOUTS[layout]
    np.testing.assert_array_equal(of(coords), coords)
    given = of(coords)
    seen = _views.matrix("coords", given)
    assert seen is given
    data, rows, cols, row_stride, col_stride = _views.view(seen)
    element = lambda i, j: data[i * row_stride + j * col_stride]
    assert (rows, cols) == coords.shape
    assert all(element(i, j) == coords[i, j] for i in (0, 17, 699) for j in (0, 1))
    assert int(_views.ffi.cast("uintptr_t", data)) == given.__array_interface__["data"][0]

    other = rct.ResidualCoverTree(lengthscale=0.2).build(given, of(inducing))
    np.testing.assert_array_equal(other.vecchia_neighbors(k=9)[0], tree.vecchia_neighbors(k=9)[0])
    points = coords[:50] + 0.01
    np.testing.assert_array_equal(other.query_batch(of(points), k=9)[0], tree.query_batch(points, k=9)[0])
    np.testing.assert_array_equal(rct.order(given), rct.order(coords))
    np.testing.assert_array_equal(rct.select_inducing(given, 5), rct.select_inducing(coords, 5))


def test_vectors_of_any_stride(coords, inducing, tree):
    ids = np.arange(700)[::-3]
    assert _views.indices("ids", ids) is ids
    limits = np.repeat(ids, 2)[::2]
    found = tree.query_batch(ids=ids, k=5, id_limit=limits)[0]
    np.testing.assert_array_equal(found, tree.vecchia_neighbors(k=5)[0][ids])
    model_v = np.random.default_rng(1).random((700, 3)) * 0.1
    p = (1 - (model_v**2).sum(1))
    one = rct.ResidualCoverTree(lengthscale=0.2).build(coords, factor=model_v, residual_variance=p)
    two = rct.ResidualCoverTree(lengthscale=0.2).build(coords, factor=model_v, residual_variance=np.repeat(p, 2)[::2])
    np.testing.assert_array_equal(one.vecchia_neighbors(k=5)[0], two.vecchia_neighbors(k=5)[0])


@pytest.mark.parametrize("dtype", [np.float32, np.int16, ">f8", bool])
def test_other_types_are_converted(dtype):
    given = (np.random.default_rng(1).random((60, 2)) * 100).astype(dtype)
    as_f64 = given.astype(np.float64)
    np.testing.assert_array_equal(rct.order(given, "hilbert"), rct.order(as_f64, "hilbert"))
    np.testing.assert_array_equal(rct.order(given.tolist(), "hilbert"), rct.order(as_f64, "hilbert"))


def test_odd_strides_are_converted(coords):
    records = np.zeros(700, dtype=[("flag", "i4"), ("x", "f8"), ("y", "f8")])
    records["x"], records["y"] = coords.T
    odd = np.lib.stride_tricks.as_strided(records["x"], (700, 2), (20, 8))
    np.testing.assert_array_equal(odd, coords)
    np.testing.assert_array_equal(rct.order(odd), rct.order(coords))


def test_python_allocates_no_matrix():
    """What NumPy allocates is traced, what the library allocates for itself is not."""
    n, m = 50_000, 64
    rng = np.random.default_rng(1)
    coords = np.asfortranarray(rng.random((n, 2)))
    factor = np.asfortranarray(0.05 * rng.random((2 * n, m)))[::-2]
    tree = rct.ResidualCoverTree(lengthscale=0.01, construction="hybrid")
    tracemalloc.start()
    try:
        tree.build(coords, factor=factor)
        built = tracemalloc.get_traced_memory()[1]
        tracemalloc.reset_peak()
        tree.query_batch(rct.NewPoints(coords[::5], factor[::5]), k=1)
        asked = tracemalloc.get_traced_memory()[1]
        # The measure sees a copy.
        tracemalloc.reset_peak()
        np.ascontiguousarray(factor)
        copied = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert copied >= factor.nbytes
    assert built < coords.nbytes // 4, f"{built} bytes were allocated"
    assert asked < n // 5 * 16 + 200_000, f"{asked} bytes were allocated"


@pytest.mark.skipif(not hasattr(resource, "RLIMIT_AS") or sys.platform == "darwin", reason="no limit of address space")
def test_a_matrix_larger_than_memory_passes():
    """Under a limit of the address space that has no room for a copy."""
    program = """
        import resource, numpy as np, residual_cover_tree as rct
        coords = np.broadcast_to(np.linspace(0.0, 1.0, 64), (10_000_000, 64))  # 4.8 GiB, and 512 bytes
        rct.order(coords[:1000], "natural", 0)
        used = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (used + 2**30, used + 2**30))
        try:
            coords.copy()
            raise SystemExit("the limit does not hold")
        except MemoryError:
            pass
        for view in (coords, coords[::-1], coords[:, ::-1], np.broadcast_to(coords[0, 0], (64, 10_000_000)).T):
            assert (rct.order(view, "natural", 0) == np.arange(10_000_000)).all()
        print("no copy")
    """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(program)], capture_output=True, text=True)
    assert done.stdout == "no copy\n", done.stdout + done.stderr
