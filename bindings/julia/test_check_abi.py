"""check_abi.py passes the package and the program of README.md, and sees mistakes in copies."""

import re
import shutil

import pytest

from check_abi import HERE, JULIA, Words, check, syntax_errors

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
    ("abi", "too_short = 1", "too_short = 2", "RCT_LENGTHSCALE_TOO_SHORT is 2; in C it is 1"),
    ("abi", "    warning::Ptr{UInt8}", "    warning::Int64", "struct rct_tree_stats"),
    ("ResidualCoverTree", "export inducing_points", "export order, inducing_points", "exported, and by DataFrames too"),
    ("ResidualCoverTree", "export inducing_points", "export query, inducing_points", "query is exported, a name of"),
    ("ResidualCoverTree", "export inducing_points", "export of_points, inducing_points", "of_points is exported, but"),
    ("queries", "    return pairs_of(tree, i, j) do", "    return map(tree, i, j) do", "may change its thread"),
    ("life", "with_tree(tree, progress) do handle, control", "map(tree, progress) do handle, control", "its thread"),
    ("control", "on_this_thread() do\n", "identity() do\n", "a call that can call back may change its thread"),
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


# A part of a sentence as the library's source has it, the sentence of a call, and what Julia says.
SENTENCES = [
    ("{name}[{at}] is {}", "coords[5, 1] is NaN", "coords[2, 6] is NaN"),
    ("{name}[{at}] is {}", "query factor[0, 3] is inf", "query factor[4, 1] is inf"),
    ("{name}[{i}, {j}] is {}, {what}", "inducing[0, 1] is 1e300, which overflows",
     "inducing[2, 1] is 1e300, which overflows"),
    ("{name}[{i}] is {}; it must be positive", "residual_variances[4] is 0; it must be positive",
     "residual_variance[5] is 0; it must be positive"),
    ("{name} is {r} x {c}; it must be {rows} x {cols}", "query coords is 5 x 3; it must be 5 x 2",
     "query coords is 3 x 5; it must be 2 x 5"),
    ("coords is 0 x {}; it needs at least one row", "coords is 0 x 2; it needs at least one row",
     "coords is 2 x 0; it needs at least one column"),
    ("inducing has {} columns but coords has {d}", "inducing has 3 columns but coords has 2",
     "inducing has 3 rows but coords has 2"),
    ("factor has {} rows but coords has {n}", "factor has 9 rows but coords has 10",
     "factor has 9 columns but coords has 10"),
    ("{name}[{index}] is {id}; ids go from 0 to {last}", "ids[0] is 400; ids go from 0 to 399",
     "ids[1] is 401; ids go from 1 to 400"),
    ("{name}[{index}] is {id}; ids go from 0 to {last}", "j[3] is -1; ids go from 0 to 399",
     "j[4] is 0; ids go from 1 to 400"),
    ("{name}[{index}] is {id}, a point that was removed", "i[2] is 7, a point that was removed",
     "i[3] is 8, a point that was removed"),
    ("order[{t}] is {id}, which came before", "order[8] is 3, which came before; it must be a permutation",
     "order[9] is 4, which came before; it must be a permutation"),
    ("ids has {id} twice", "ids has 1 twice", "ids has 2 twice"),
    (" at inducing point {row}", "jitter 0 is not positive definite at inducing point 7; use",
     "jitter 0 is not positive definite at inducing point 8; use"),
    ("lengthscale is not given: ", "lengthscale is not given: give that of the kernel, in the unit",
     "lengthscale is not given: name it, one number or d, in the unit of the coordinates: lengthscale = 0.2"),
    ("lengthscales[{j}]", "lengthscales[0] is -1; it must be a positive number",
     "lengthscale[1] is -1; it must be a positive number"),
    ("id_limits[{t}] is {limit}", "id_limits[2] is -3; it must not be negative",
     "id_limit[3] is -3; it must not be negative"),
    ("max_distances[{t}] is NaN", "max_distances[0] is NaN", "max_distance[1] is NaN"),
    ("coordinate {j} of point {id} is {}, {what}", "coordinate 1 of point 9 is 1e300, which overflows",
     "coordinate 2 of point 10 is 1e300, which overflows"),
    ("for point {i} with itself", "covariance callback returned -1 for point 0 with itself; a variance",
     "kernel returned -1 for point 1 with itself; a variance"),
    ("{} for points {i} and {j}, {} for {j} and {i}",
     "covariance callback is not symmetric: 1 for points 0 and 4, 0.5 for 4 and 0",
     "kernel is not symmetric: 1 for points 1 and 5, 0.5 for 5 and 1"),
    ("separation: points {} and {} of level {level}", "separation: points 3 and 5 of level 2 are 1 apart",
     "separation: points 4 and 6 of level 2 are 1 apart"),
    ("{what}: {a} x {b} values do not fit in memory", "V: 99 x 12 values do not fit in memory",
     "V: 99 x 12 values do not fit in memory"),
]


@pytest.mark.parametrize("template, sentence, words", SENTENCES)
def test_sentences_count_from_one(template, sentence, words):
    sources = [re.sub(r"\\\s+", "", path.read_text()) for path in (HERE.parents[1] / "src").rglob("*.rs")]
    assert any(template in source for source in sources), "the library has no such sentence"
    assert Words(PACKAGE)(sentence) == words


def test_every_sentence_that_numbers_something_is_among_these():
    """What the library's sentences have in brackets, or after a word for what has a number."""
    known = "\n".join(template for template, *_ in SENTENCES)
    numbered = re.compile(r'\{?\w*\}?\[\{\w+\}(?:, \{\w+\})?\] is|\b(?:inducing point|coordinate|points?) \{\w*\}')
    for path in (HERE.parents[1] / "src").rglob("*.rs"):
        if "test" in path.stem or "check" in path.stem and path.stem != "check":
            continue
        for number, line in enumerate(path.read_text().split("#[cfg(test)]")[0].splitlines(), 1):
            for found in numbered.findall(line):
                generic = re.sub(r"\{\w*\}", "{}", found)
                assert generic in re.sub(r"\{\w*\}", "{}", known), f"{path}:{number}: {found}"


def test_a_change_of_the_header_is_seen(tmp_path):
    header = (HERE.parents[1] / "include/rct.h").read_text()
    changed = tmp_path / "rct.h"
    changed.write_text(header.replace("  double jitter;", "  double nugget;\n  double jitter;"))
    assert any("struct rct_options" in difference for difference in check(header=changed)[0])
