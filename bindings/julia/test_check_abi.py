"""check_abi.py passes the package and the program of README.md, and sees mistakes in copies."""

import shutil

import pytest

from check_abi import HERE, JULIA, check, syntax_errors

PACKAGE = HERE / "ResidualCoverTree.jl"

# file of src, what is there, what is put in its place, words of the sentence that must come
MISTAKES = [
    ("tree", "rct_build(", "rct_built(", "the header has no rct_built"),
    ("tree", "rct_build(", "rct_built(", "rct_build is never called"),
    ("tree", "handle::Ptr{rct_tree}, data::", "data::", "rct_build is called with 2 arguments; it takes 3"),
    ("queries", "count::Csize_t", "count::Cint", "argument 2 of rct_vecchia_neighbors is Cint; in C it is Csize_t"),
    ("queries", "given::rct_index_vector", "given::Ref{rct_index_vector}", "argument 3 of rct_vecchia_neighbors"),
    ("queries", "count::Csize_t", "count", "argument 2 of rct_vecchia_neighbors is untyped count"),
    ("queries", "out::rct_vector_out)::Cint", "out::rct_vector_out)::Int64", "rct_distances returns Int64"),
    ("functions", "start::UInt64, out::rct_index", "start::Int64, out::rct_index", "argument 3 of rct_order"),
    ("abi", "threads::UInt32", "threads::Int32", "struct rct_options"),
    ("abi", "    metric::Int32\n    kernel::Int32", "    kernel::Int32\n    metric::Int32", "struct rct_options"),
    ("abi", "    counts::rct_index_vector_out\n", "", "struct rct_neighbors"),
    ("abi", "struct rct_vector_out", "struct rct_vektor_out", "struct rct_vector_out is missing"),
    ("abi", "euclidean = 2", "euclidean = 3", "RCT_METRIC_EUCLIDEAN is 3; in C it is 2"),
    ("abi", ", custom = 5", "", "RCT_KERNEL_CUSTOM is missing"),
    ("abi", "RCT_ABI_VERSION = 0", "RCT_ABI_VERSION = 9", "RCT_ABI_VERSION is 9; in C it is 0"),
    ("life", "name::Cstring, control", "name::Ptr{UInt8}, control", "argument 2 of rct_save is Ptr{UInt8}; in C it is"),
    ("life", "first::Ref{Int64}", "first::Ref{Csize_t}", "argument 3 of rct_insert_batch"),
    ("life", "start::Ref{Ptr{UInt8}}", "start::Ptr{UInt8}", "argument 2 of rct_buffer_view"),
    ("life", "data::Ref{rct_data}, control::Ref{rct_control})::Cint\n                #",
     "control::Ref{rct_control})::Cint\n                #", "rct_refit is called with 3 arguments; it takes 4"),
    ("abi", "    parts::Csize_t\n", "", "struct rct_tree_stats"),
    ("abi", "    memory_map::Int32", "    memory_map::Bool", "struct rct_load_options"),
    ("control", "(report, Cvoid, (Cdouble,", "(report, Cvoid, (Cfloat,", "callback progress"),
    ("options", "(evaluate_kernel, Int32,", "(evaluate_kernel, Int64,", "callback covariance"),
    ("queries", "function distances(", "function distances((", "does not parse"),
    ("queries", "\nfunction distances(", "\nend\nfunction distances(", "does not parse"),
]


def test_the_package_fits_the_header():
    assert check()[0] == []


def test_the_programs_of_the_readme_parse():
    blocks = (HERE.parents[1] / "README.md").read_text().split("```julia\n")[1:]
    assert len(blocks) == 2
    for block in blocks:
        program = block.split("```", 1)[0]
        assert syntax_errors(JULIA.parse(program.encode()).root_node, "README.md") == []


@pytest.mark.parametrize("file, there, instead, words", MISTAKES)
def test_a_mistake_is_seen(tmp_path, file, there, instead, words):
    copy = tmp_path / "package"
    shutil.copytree(PACKAGE, copy)
    path = copy / "src" / f"{file}.jl"
    source = path.read_text()
    assert there in source
    path.write_text(source.replace(there, instead, 1))
    differences = check(copy)[0]
    assert any(words in difference for difference in differences), differences


def test_a_change_of_the_header_is_seen(tmp_path):
    header = (HERE.parents[1] / "include/rct.h").read_text()
    changed = tmp_path / "rct.h"
    changed.write_text(header.replace("  double jitter;", "  double nugget;\n  double jitter;"))
    assert any("struct rct_options" in difference for difference in check(header=changed)[0])
