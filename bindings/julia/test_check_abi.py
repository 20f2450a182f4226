"""check_abi.py passes the package, and sees each of these mistakes in a copy of it."""

import shutil

import pytest

from check_abi import HERE, check

PACKAGE = HERE / "ResidualCoverTree.jl"

# file, what is there, what is put in its place, words of the sentence that must come
MISTAKES = [
    ("src/tree.jl", "rct_build(", "rct_built(", "the header has no rct_built"),
    ("src/tree.jl", "rct_build(", "rct_built(", "rct_build is never called"),
    ("src/tree.jl", ", control::Ref{rct_control})::Cint\n        end\n    end\n    tree.n", ")::Cint\n        end\n    end\n    tree.n",
     "rct_build is called with 2 arguments; it takes 3"),
    ("src/queries.jl", "count::Csize_t", "count::Cint", "argument 2 of rct_vecchia_neighbors is Cint; in C it is Csize_t"),
    ("src/queries.jl", "given::rct_index_vector,", "given::Ref{rct_index_vector},", "argument 3 of rct_vecchia_neighbors"),
    ("src/queries.jl", "count::Csize_t", "count", "argument 2 of rct_vecchia_neighbors is untyped count"),
    ("src/queries.jl", "out::rct_vector_out)::Cint", "out::rct_vector_out)::Int64", "rct_distances returns Int64"),
    ("src/functions.jl", "start::UInt64, out::rct_index", "start::Int64, out::rct_index", "argument 3 of rct_order"),
    ("src/abi.jl", "threads::UInt32", "threads::Int32", "struct rct_options"),
    ("src/abi.jl", "    metric::Int32\n    kernel::Int32", "    kernel::Int32\n    metric::Int32", "struct rct_options"),
    ("src/abi.jl", "    counts::rct_index_vector_out\n", "", "struct rct_neighbors"),
    ("src/abi.jl", "struct rct_vector_out", "struct rct_vektor_out", "struct rct_vector_out is missing"),
    ("src/abi.jl", "euclidean = 2", "euclidean = 3", "RCT_METRIC_EUCLIDEAN is 3; in C it is 2"),
    ("src/abi.jl", ", custom = 5", "", "RCT_KERNEL_CUSTOM is missing"),
    ("src/abi.jl", "RCT_ABI_VERSION = 0", "RCT_ABI_VERSION = 9", "RCT_ABI_VERSION is 9; in C it is 0"),
    ("src/control.jl", "@cfunction(report, Cvoid, (Cdouble,", "@cfunction(report, Cvoid, (Cfloat,", "callback progress"),
    ("src/options.jl", "@cfunction(evaluate_kernel, Int32,", "@cfunction(evaluate_kernel, Int64,", "callback covariance"),
    ("src/queries.jl", "function distances(", "function distances((", "does not parse"),
    ("test/runtests.jl", "@testset \"errors\" begin", "@testset \"errors\" begin end end", "does not parse"),
]


def test_the_package_fits_the_header():
    assert check()[0] == []


@pytest.mark.parametrize("file, there, instead, words", MISTAKES)
def test_a_mistake_is_seen(tmp_path, file, there, instead, words):
    copy = tmp_path / "package"
    shutil.copytree(PACKAGE, copy)
    source = (copy / file).read_text()
    assert there in source
    (copy / file).write_text(source.replace(there, instead, 1))
    differences = check(copy)[0]
    assert any(words in difference for difference in differences), differences


def test_a_change_of_the_header_is_seen(tmp_path):
    header = (HERE.parents[1] / "include/rct.h").read_text()
    changed = tmp_path / "rct.h"
    changed.write_text(header.replace("  double jitter;", "  double nugget;\n  double jitter;"))
    assert any("struct rct_options" in difference for difference in check(header=changed)[0])
