"""Names, signatures and constants are those that others rely on."""

import inspect
import re
import typing
from importlib import metadata, resources
from pathlib import Path

import residual_cover_tree as rct
from residual_cover_tree import _names

ROOT = Path(__file__).resolve().parents[3]


def defaults(function):
    """Parameters as they are written, ``*`` before those that are keywords alone."""
    found, keywords = [], False
    for p in inspect.signature(function).parameters.values():
        if p.kind == p.KEYWORD_ONLY and not keywords:
            found.append("*")
            keywords = True
        if p.name != "self":
            found.append(p.name if p.default is p.empty else (p.name, p.default))
    return found


def test_signatures():
    tree = rct.ResidualCoverTree
    assert defaults(tree) == [
        "*", ("metric", "residual"), ("kernel", "matern32"), ("lengthscale", None), ("variance", 1.0), ("alpha", 1.0),
        ("jitter", 1e-6), ("residual_floor", 1e-10), ("construction", "pure"), ("ordering", "hilbert"),
        ("traversal", "auto"), ("threads", 0)]
    assert tuple(inspect.signature(tree).parameters) == tuple(rct.Parameters.__annotations__)
    assert defaults(tree.build) == ["coords", ("inducing", None), ("factor", None), ("residual_variance", None)]
    assert defaults(tree.query_batch) == [
        ("points", None), ("ids", None), "*", "k", ("id_limit", None), ("max_distance", None), ("include_self", True)]
    assert defaults(tree.radius_batch) == [
        "radius", ("points", None), ("ids", None), "*", ("id_limit", None), ("include_self", True)]
    assert defaults(tree.vecchia_neighbors) == ["*", "k", ("order", None)]
    assert defaults(tree.distances) == defaults(tree.residual_covariances) == ["i", "j"]
    assert defaults(tree.factor) == [("points", None), ("ids", None)]
    assert defaults(tree.insert) == ["coords", ("factor", None), ("residual_variance", None)]
    assert defaults(tree.remove) == ["ids"]
    assert defaults(tree.refit) == [("inducing", None), ("factor", None), ("residual_variance", None), "changes"]
    assert defaults(tree.save) == ["path"]
    assert defaults(tree.load) == ["path", "*", ("threads", None), ("memory_map", False)]
    assert defaults(tree.stats) == defaults(tree.ids) == defaults(tree.inducing_points) == []
    assert defaults(rct.order) == ["coords", ("method", "maximin"), ("seed", 0)]
    assert defaults(rct.select_inducing) == ["coords", "m", ("method", "kmeans++"), ("seed", 0)]
    assert issubclass(rct.Error, Exception) and issubclass(rct.LengthscaleWarning, RuntimeWarning)


def test_version_and_types():
    assert rct.__version__ == metadata.version("residual-cover-tree")
    assert re.search(rf'^version = "{re.escape(rct.__version__)}"$', (ROOT / "Cargo.toml").read_text(), re.M)
    assert resources.files("residual_cover_tree").joinpath("py.typed").is_file()


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
    assert _names.TREE_ORDERINGS.items() <= _names.ORDERINGS.items()
    assert dict(zip(_names.LENGTHSCALE_CHECKS, range(9))) == of("RCT_LENGTHSCALE_")
    methods = {name.replace("++", "_plus_plus"): value for name, value in _names.INDUCING_METHODS.items()}
    assert methods == of("RCT_INDUCING_")
    statuses = {name: value for name, value in constants.items() if re.match("RCT_(OK|ERROR_)", name)}
    assert {status.name: int(status) for status in rct.Status} == statuses


def test_types_have_the_names_that_are_taken():
    for names, values in [
        (rct.Metric, _names.METRICS), (rct.KernelName, _names.KERNELS), (rct.Construction, _names.CONSTRUCTIONS),
        (rct.Ordering, _names.ORDERINGS), (rct.TreeOrdering, _names.TREE_ORDERINGS),
        (rct.Traversal, _names.TRAVERSALS), (rct.InducingMethod, _names.INDUCING_METHODS)]:
        assert typing.get_args(names) == tuple(values)
