"""Names, signatures and constants are those that others rely on."""

import inspect
import re
from importlib import metadata, resources
from pathlib import Path

import rct
from rct import _names

ROOT = Path(__file__).resolve().parents[3]


def defaults(function):
    empty = inspect.Parameter.empty
    parameters = inspect.signature(function).parameters.values()
    return [p.name if p.default is empty else (p.name, p.default) for p in parameters if p.name != "self"]


def test_signatures():
    tree = rct.ResidualCoverTree
    assert defaults(tree) == [
        ("metric", "residual"), ("kernel", "matern32"), ("variance", 1.0), ("lengthscale", 1.0), ("jitter", 1e-6),
        ("construction", "pure"), ("ordering", "hilbert"), ("traversal", "auto"), ("threads", 0)]
    assert defaults(tree.build) == ["coords", ("inducing", None), ("factor", None), ("residual_variance", None)]
    assert defaults(tree.query_batch) == [
        ("points", None), ("ids", None), ("k", ...), ("id_limit", None), ("max_distance", None), ("include_self", True)]
    assert defaults(tree.vecchia_neighbors) == ["k"]
    assert defaults(tree.distances) == ["i", "j"]
    assert defaults(tree.insert) == ["coords", ("factor", None), ("residual_variance", None)]
    assert defaults(tree.remove) == ["ids"]
    assert defaults(tree.refit) == [("inducing", None), ("factor", None), ("residual_variance", None), "changes"]
    assert defaults(tree.save) == ["path"]
    assert defaults(tree.load) == ["path", ("threads", None), ("memory_map", False)]
    assert defaults(tree.stats) == []
    assert [p for p in inspect.signature(rct.order).parameters] == ["coords", "method", "seed"]
    assert [p for p in inspect.signature(rct.select_inducing).parameters] == ["coords", "m", "method", "seed"]
    assert issubclass(rct.Error, Exception)


def test_version_and_types():
    assert rct.__version__ == metadata.version("residual-cover-tree")
    assert re.search(rf'^version = "{re.escape(rct.__version__)}"$', (ROOT / "Cargo.toml").read_text(), re.M)
    assert resources.files("rct").joinpath("py.typed").is_file()


def test_constants_are_those_of_the_header():
    header = (ROOT / "include/rct.h").read_text()
    constants = {name: int(value) for name, value in re.findall(r"^  (RCT_\w+) = (\d+),", header, re.M)}

    def of(prefix):
        return {name[len(prefix):].lower(): value for name, value in constants.items() if name.startswith(prefix)}

    assert _names.METRICS == of("RCT_METRIC_")
    assert {**_names.KERNELS, "custom": _names.CUSTOM_KERNEL} == of("RCT_KERNEL_")
    assert _names.CONSTRUCTIONS == of("RCT_CONSTRUCTION_")
    assert _names.ORDERINGS == of("RCT_ORDERING_")
    assert _names.TRAVERSALS == of("RCT_TRAVERSAL_")
    methods = {name.replace("++", "_plus_plus"): value for name, value in _names.INDUCING_METHODS.items()}
    assert methods == of("RCT_INDUCING_")
    statuses = {name: value for name, value in constants.items() if re.match("RCT_(OK|ERROR_)", name)}
    assert {status.name: int(status) for status in rct.Status} == statuses
