"""Trees that grow, change and are saved, against trees that are built at once and brute force in NumPy."""

import copy
import multiprocessing
import os
import pickle
import threading
import time
from pathlib import Path

import numpy as np
import pytest

import residual_cover_tree as rct
from oracle import Model, assert_same, nearest

K = 9
STATUS = rct.Status
CHANGES = dict(kernel="matern52", variance=3.0, lengthscale=[0.1, 0.3], jitter=1e-5, construction="hybrid",
               ordering="natural", traversal="best_first", threads=1)


def failure(call, *arguments):
    with pytest.raises(rct.Error) as caught:
        call(*arguments)
    return caught.value


def grown(coords, inducing, **parameters):
    """A tree of rows 0 to 499, 500 to 549 and 550 to 699, without those that are divisible by 7, and their ids."""
    tree = rct.ResidualCoverTree(**parameters).build(coords[:500], inducing)
    assert tree.insert(coords[500:550]).tolist() == list(range(500, 550))
    assert tree.insert(coords[550:]).dtype == np.int64
    tree.remove(np.arange(0, 700, 7))
    return tree, np.setdiff1d(np.arange(700), np.arange(0, 700, 7))


def of_ids(found, ids):
    """Neighbours by id of a tree whose points are numbered in the order of ``ids``."""
    numbers, distances = found
    return np.where(numbers < 0, -1, np.asarray(ids)[numbers]), distances


@pytest.mark.parametrize("metric", ["residual", "correlation", "euclidean"])
def test_grown_trees_answer_as_those_built_at_once(coords, inducing, metric):
    z = inducing if metric == "residual" else None
    tree, ids = grown(coords, z, metric=metric, lengthscale=0.1)
    assert len(tree) == len(ids) == tree.stats()["n"] == 600
    at_once = rct.ResidualCoverTree(metric=metric, lengthscale=0.1).build(coords[ids], z)
    assert_same(tree.vecchia_neighbors(k=K), of_ids(at_once.vecchia_neighbors(k=K), ids))
    assert_same(tree.query_batch(ids=ids, k=K), of_ids(at_once.query_batch(ids=np.arange(600), k=K), ids))
    model = Model(coords[ids], z, metric=metric, lengthscale=0.1)
    assert_same(tree.query_batch(coords[:40] + 0.01, k=K), of_ids(nearest(model.distances(coords[:40] + 0.01), K), ids))
    np.testing.assert_allclose(tree.distances(ids[:9], ids[9:18]), at_once.distances(np.arange(9), np.arange(9, 18)),
                               atol=1e-12)
    tree.validate()


def test_stats_tell_of_parts_and_removed_points(coords, inducing):
    tree = rct.ResidualCoverTree(lengthscale=0.1).build(coords[:600], inducing)
    assert (tree.stats()["parts"], tree.stats()["removed"]) == (1, 0)
    tree.insert(coords[600:610])
    tree.remove([3, 5])
    assert (tree.stats()["parts"], tree.stats()["removed"], tree.stats()["n"], len(tree)) == (2, 2, 608, 608)


def test_all_points_may_go_and_others_come(coords):
    tree = rct.ResidualCoverTree(lengthscale=0.1).build(coords[:20])
    tree.remove(np.arange(20)[::-1])
    assert len(tree) == 0 and tree.query_batch(coords[:1], k=1)[0].tolist() == [[-1]]
    assert tree.vecchia_neighbors(k=3)[0].shape == (0, 3)
    assert failure(lambda: tree.build(coords)).status == STATUS.RCT_ERROR_INVALID_STATE
    assert tree.insert(coords[:4]).tolist() == [20, 21, 22, 23]
    assert tree.query_batch(coords[2:3], k=1)[0].tolist() == [[22]]


def test_a_factor_of_the_callers_grows_and_changes(coords, inducing):
    first, second = Model(coords, inducing, lengthscale=0.1), Model(coords, inducing, lengthscale=0.2)
    tree = rct.ResidualCoverTree(lengthscale=0.1).build(coords[:600], factor=first.v[:600],
                                                        residual_variance=first.p[:600])
    assert "factor is missing" in str(failure(lambda: tree.insert(coords[600:])))
    assert tree.insert(coords[600:], first.v[600:], first.p[600:])[0] == 600
    assert_same(tree.query_batch(ids=np.arange(700), k=K), nearest(first.distances(), K))
    tree.refit(factor=second.v, residual_variance=second.p, lengthscale=0.2)
    assert_same(tree.query_batch(ids=np.arange(700), k=K), nearest(second.distances(), K))


def test_refitted_trees_answer_as_those_built_anew(coords, inducing):
    tree, ids = grown(coords, inducing, lengthscale=0.1)
    before = tree.get_params()
    assert tree.refit(**CHANGES) is tree
    assert tree.get_params() == {**before, **CHANGES, "lengthscale": pytest.approx([0.1, 0.3])}
    anew = rct.ResidualCoverTree(**CHANGES).build(coords[ids], inducing)
    assert_same(tree.vecchia_neighbors(k=K), of_ids(anew.vecchia_neighbors(k=K), ids))
    tree.refit(inducing[:7], lengthscale=0.2)
    assert tree.get_params()["kernel"] == "matern52" and tree.stats()["m"] == 7
    model = Model(coords[ids], inducing[:7], kernel="matern52", variance=3.0, lengthscale=0.2, jitter=1e-5)
    assert_same(tree.query_batch(ids=ids, k=K), of_ids(nearest(model.distances(), K), ids))
    tree.validate()


def test_a_refit_to_a_function_and_back(coords, inducing):
    calls = []

    def kernel(x, others):
        calls.append(len(others))
        r = np.sqrt(3) * np.sqrt((((others - x) / 0.2) ** 2).sum(1))
        return (1 + r) * np.exp(-r)

    tree = rct.ResidualCoverTree(lengthscale=0.1).build(coords[:200], inducing)
    named = rct.ResidualCoverTree(lengthscale=0.2).build(coords[:200], inducing)
    tree.refit(kernel=kernel)
    assert_same(tree.vecchia_neighbors(k=K), named.vecchia_neighbors(k=K))
    for copied in (pickle.dumps, copy.copy, copy.deepcopy, lambda tree: tree.save("tree.rct")):
        assert failure(copied, tree).status == STATUS.RCT_ERROR_UNSUPPORTED
    assert not Path("tree.rct").exists()

    def broken(x, others):
        raise ZeroDivisionError("mine")

    with pytest.raises(ZeroDivisionError, match="mine"):
        tree.refit(kernel=broken)
    assert tree.get_params()["kernel"] is kernel
    assert_same(tree.vecchia_neighbors(k=K), named.vecchia_neighbors(k=K))
    tree.refit(kernel="matern32", lengthscale=0.2)
    calls.clear()
    np.testing.assert_array_equal(tree.vecchia_neighbors(k=K)[0], named.vecchia_neighbors(k=K)[0])
    assert not calls


def test_what_is_refused_changes_nothing(coords, inducing):
    tree, ids = grown(coords, inducing, lengthscale=0.1)
    expected, before = tree.vecchia_neighbors(k=K), tree.get_params()
    hole = coords.copy()
    hole[5, 1] = float("nan")
    argument = STATUS.RCT_ERROR_INVALID_ARGUMENT
    for call, status, words in [
        (lambda: tree.insert(coords[:, :1]), argument, "coords has 1 columns"),
        (lambda: tree.insert(hole), STATUS.RCT_ERROR_NOT_FINITE, "coords[5, 1] is NaN"),
        (lambda: tree.insert(coords, coords), argument, "factor"),
        (lambda: tree.remove([1, 700]), argument, "ids[1] is 700"),
        (lambda: tree.remove([1, 14]), argument, "ids[1] is 14, a point that was removed"),
        (lambda: tree.remove([1, 2, 1]), argument, "ids has 1 twice"),
        (lambda: tree.remove(1.5), argument, "float64"),
        (lambda: tree.refit(metric="euclidean"), argument,
         "metric is 'euclidean', but the tree was built with 'residual'"),
        (lambda: tree.refit(kernel="gauss"), argument, "kernel is 'gauss'"),
        (lambda: tree.refit(kernel=None), argument, "kernel is None"),
        (lambda: tree.refit(lengthscales=2.0), argument, "lengthscales is no parameter"),
        (lambda: tree.refit(lengthscale=-1.0), argument, "lengthscale is -1"),
        (lambda: tree.refit(hole), STATUS.RCT_ERROR_NOT_FINITE, "inducing[5, 1] is NaN"),
        (lambda: tree.refit(factor=coords), argument, "factor has 700 rows"),
        (lambda: tree.set_params(variance=2.0), STATUS.RCT_ERROR_INVALID_STATE, "refit"),
        (lambda: rct.ResidualCoverTree(lengthscale=1.0).insert(coords), STATUS.RCT_ERROR_INVALID_STATE, "not built"),
        (lambda: rct.ResidualCoverTree(lengthscale=1.0).refit(), STATUS.RCT_ERROR_INVALID_STATE, "not built"),
    ]:
        error = failure(call)
        assert error.status == status and words in str(error), error
        assert tree.get_params() == before and len(tree) == 600
    np.testing.assert_array_equal(tree.vecchia_neighbors(k=K), expected)


def same(one, other):
    """Equal, bit for bit, now and after they grow."""
    assert len(one) == len(other)
    np.testing.assert_array_equal(one.vecchia_neighbors(k=K), other.vecchia_neighbors(k=K))
    np.testing.assert_array_equal(one.insert([[0.5, 0.5]]), other.insert([[0.5, 0.5]]))
    np.testing.assert_array_equal(one.vecchia_neighbors(k=K), other.vecchia_neighbors(k=K))


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_pickled(coords, inducing, protocol):
    tree, _ = grown(coords, inducing, lengthscale=[0.1, 0.2], threads=1)
    again = pickle.loads(pickle.dumps(tree, protocol))
    assert repr(again) == repr(tree)
    same(again, tree)
    assert again.refit(variance=2.0).get_params()["variance"] == 2.0


@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy])
def test_copied(coords, inducing, copied):
    tree, ids = grown(coords, inducing, lengthscale=0.1)
    other = copied(tree)
    other.remove(ids[:5])
    assert (len(other), len(tree)) == (595, 600)
    same(copied(tree), tree)
    empty = copied(rct.ResidualCoverTree(lengthscale=0.3))
    assert len(empty) == 0 and empty.get_params()["lengthscale"] == 0.3
    assert len(empty.build(coords)) == 700


def _ask(tree):
    return tree.vecchia_neighbors(k=K)


def test_sent_to_another_process(coords, inducing):
    tree, _ = grown(coords, inducing, lengthscale=0.1)
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        np.testing.assert_array_equal(pool.apply(_ask, (tree,)), tree.vecchia_neighbors(k=K))
        error = failure(lambda: pool.apply(_ask, (rct.ResidualCoverTree(lengthscale=0.1),)))
        assert error.status == STATUS.RCT_ERROR_INVALID_STATE


@pytest.mark.parametrize("memory_map", [False, True])
def test_saved_and_loaded(coords, inducing, tmp_path, memory_map):
    tree, _ = grown(coords, inducing, lengthscale=0.1)
    path = tmp_path / "ä tree.rct"
    tree.save(path)
    tree.save(str(path))  # again, over the old file
    assert [entry.name for entry in tmp_path.iterdir()] == [path.name]
    loaded = rct.ResidualCoverTree.load(path, threads=1, memory_map=memory_map)
    assert loaded.get_params() == {**tree.get_params(), "threads": 1} and "600 points" in repr(loaded)
    tree.save(path)  # a map goes on with the file that it has
    same(pickle.loads(pickle.dumps(loaded)), tree)


@pytest.mark.parametrize("parameters", [
    CHANGES,
    dict(kernel="rational_quadratic", alpha=2.5, residual_floor=1e-4, lengthscale=0.2, threads=2),
    dict(metric="correlation", lengthscale=0.3, traversal="level_synchronous"),
    dict(metric="euclidean", construction="hybrid"),
    dict(metric="euclidean", lengthscale=[2.0, 3.0]),
], ids=str)
def test_a_loaded_tree_knows_its_parameters(coords, inducing, tmp_path, parameters):
    """Those that were changed by a refit too: another refit then needs only what it changes, as that of a pickle."""
    z = inducing if parameters.get("metric", "residual") == "residual" else None
    tree = rct.ResidualCoverTree(**{**parameters, "traversal": "best_first"}).build(coords, z)
    tree.refit(traversal=parameters.get("traversal", "auto"))
    tree.save(tmp_path / "tree.rct")
    loaded = rct.ResidualCoverTree.load(tmp_path / "tree.rct")
    assert repr(loaded) == repr(tree)
    for other in (loaded, pickle.loads(pickle.dumps(loaded)), copy.deepcopy(loaded)):
        other.refit(construction="hybrid")
        known, expected = other.get_params(), {**tree.get_params(), "construction": "hybrid"}
        np.testing.assert_equal(known, expected)
        anew = rct.ResidualCoverTree(**known).build(coords, z)
        np.testing.assert_array_equal(other.vecchia_neighbors(k=K), anew.vecchia_neighbors(k=K))


def test_what_is_no_tree_says_so(tmp_path):
    path = tmp_path / "houses.csv"
    for text, words in [("east,north,price\n" * 9, "it does not begin as one does"), ("", "it is empty")]:
        path.write_text(text)
        error = failure(rct.ResidualCoverTree.load, path)
        assert error.status == STATUS.RCT_ERROR_CORRUPT and f"{path} is no saved tree: {words}" in str(error)


def test_a_subclass_loads_as_itself(tree, tmp_path):
    class Mine(rct.ResidualCoverTree):
        pass

    tree.save(tmp_path / "tree.rct")
    assert type(Mine.load(os.fspath(tmp_path / "tree.rct"))) is Mine


def test_damaged_bytes(tree, tmp_path):
    state = tree.__getstate__()
    saved = state["tree"]
    whole = rct.ResidualCoverTree.__new__(rct.ResidualCoverTree)
    for at in [0, 9, len(saved) // 2, len(saved) - 1]:
        damaged = saved[:at] + bytes([saved[at] ^ 1]) + saved[at + 1:]
        for data in (damaged, saved[:at]):
            assert failure(whole.__setstate__, {**state, "tree": data}).status == STATUS.RCT_ERROR_CORRUPT
            path = tmp_path / "damaged.rct"
            path.write_bytes(data)
            assert failure(rct.ResidualCoverTree.load, path).status == STATUS.RCT_ERROR_CORRUPT
    whole.__setstate__(state)
    same(whole, pickle.loads(pickle.dumps(tree)))


def test_paths_that_are_none(tree, tmp_path):
    load, argument = rct.ResidualCoverTree.load, STATUS.RCT_ERROR_INVALID_ARGUMENT
    for call, status, words in [
        (lambda: load(tmp_path / "none.rct"), STATUS.RCT_ERROR_IO, "none.rct"),
        (lambda: tree.save(tmp_path / "none" / "tree.rct"), STATUS.RCT_ERROR_IO, "none"),
        (lambda: tree.save(""), argument, "path is empty"),
        (lambda: tree.save("a\0b"), argument, "NUL"),
        (lambda: tree.save(3), argument, "path is 3"),
        (lambda: load(tmp_path, threads=-1), argument, "threads is -1"),
        (lambda: rct.ResidualCoverTree(lengthscale=1.0).save(tmp_path / "tree.rct"), STATUS.RCT_ERROR_INVALID_STATE,
         "not built"),
    ]:
        error = failure(call)
        assert error.status == status and words in str(error), error
    assert list(tmp_path.iterdir()) == []


def test_progress_is_reported_and_stops(coords, inducing, tmp_path):
    tree = rct.ResidualCoverTree(lengthscale=0.1).build(coords, inducing)
    verbs = {
        "insert": lambda: tree.insert(coords), "refit": lambda: tree.refit(lengthscale=0.2),
        "remove": lambda: tree.remove(np.arange(600)), "save": lambda: tree.save(tmp_path / "tree.rct"),
        "pickle": lambda: pickle.dumps(tree),
    }

    def stop(fraction):
        raise LookupError("mine")

    for verb in verbs.values():
        before, count = tree.get_params(), len(tree)
        with rct.progress(stop), pytest.raises(LookupError, match="mine"):
            verb()
        assert (tree.get_params(), len(tree)) == (before, count)
    tree.validate()
    for name, verb in verbs.items():
        fractions = []
        with rct.progress(fractions.append):
            verb()
        assert fractions == sorted(fractions) and fractions[-1] == 1.0, name
    with rct.progress(stop), pytest.raises(LookupError, match="mine"):
        rct.ResidualCoverTree.load(tmp_path / "tree.rct")


def test_threads_ask_while_the_tree_changes(coords, inducing):
    """Each answer is that of a tree before or after a change, and changes come to their turn."""
    tree = rct.ResidualCoverTree(lengthscale=0.1).build(coords[:500], inducing)
    done, failures = threading.Event(), []

    def ask():
        try:
            while not done.is_set():
                ids = tree.vecchia_neighbors(k=3)[0]
                assert len(ids) in (500, 510)
                assert ids[-1].min() >= 0 and tree.query_batch(ids=[7], k=1)[0].tolist() == [[7]]
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for turn in range(30):
        tree.remove(tree.insert(coords[500:510]))
        tree.refit(lengthscale=0.1 + 0.01 * (turn % 2))
    done.set()
    for thread in threads:
        thread.join()
    assert not failures, failures[0]
    tree.validate()


def test_callbacks_do_not_wait(coords, inducing):
    """A callback that calls on its own tree, or on one that another thread is changing, is refused."""
    own = rct.ResidualCoverTree(lengthscale=0.1).build(coords, inducing)
    other = rct.ResidualCoverTree(lengthscale=0.1).build(coords, inducing)
    state, refused = STATUS.RCT_ERROR_INVALID_STATE, []

    def from_within(fraction):
        for call in (lambda: own.query_batch(ids=[1], k=1), lambda: own.remove([1]), lambda: own.refit(variance=2.0),
                     lambda: other.insert(coords)):
            assert failure(call).status == state
        refused.append(fraction)

    inside, leave = threading.Event(), threading.Event()

    def hold(fraction):
        inside.set()
        assert leave.wait(60)

    def change_other():
        with rct.progress(hold):
            other.insert(coords[:5])

    thread = threading.Thread(target=change_other)
    thread.start()
    assert inside.wait(60)
    with rct.progress(from_within):
        own.insert(coords[:5])
        own.vecchia_neighbors(k=3)
    leave.set()
    thread.join()
    assert refused and len(own) == len(other) == 705
    building = rct.ResidualCoverTree(lengthscale=0.2)
    with rct.progress(lambda fraction: failure(lambda: building.set_params(variance=2.0))):
        assert len(building.build(coords)) == 700


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
@pytest.mark.skipif("fork" not in multiprocessing.get_all_start_methods(), reason="no fork")
def test_a_child_forked_during_a_change(coords, inducing):
    """It has the other trees, and is told that the one that was being changed is lost."""
    tree = rct.ResidualCoverTree(lengthscale=0.1).build(coords, inducing)
    asked = rct.ResidualCoverTree(lengthscale=0.1).build(coords, inducing)
    inside, leave = threading.Semaphore(0), threading.Event()

    def hold(fraction):
        inside.release()
        assert leave.wait(60)

    def run(call):
        with rct.progress(hold):
            call()

    threads = [threading.Thread(target=run, args=(call,))
               for call in (lambda: tree.insert(coords[:5]), lambda: asked.vecchia_neighbors(k=3))]
    for thread in threads:
        thread.start()
        assert inside.acquire(timeout=60)
    child = os.fork()
    if child == 0:
        try:
            assert failure(lambda: tree.query_batch(ids=[1], k=1)).status == STATUS.RCT_ERROR_INVALID_STATE
            assert asked.insert(coords[:5]).tolist() == [700, 701, 702, 703, 704]
            os._exit(0)
        finally:
            os._exit(1)
    deadline = time.monotonic() + 60
    while (ended := os.waitpid(child, os.WNOHANG))[0] == 0 and time.monotonic() < deadline:
        time.sleep(0.01)
    leave.set()
    for thread in threads:
        thread.join()
    assert ended[0] == child and os.waitstatus_to_exitcode(ended[1]) == 0
    assert len(tree) == 705 and len(asked) == 700
