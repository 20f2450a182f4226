"""Ctrl-C, progress, threads, forked children."""

import builtins
import gc
import multiprocessing
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
import weakref

import numpy as np
import pytest

import residual_cover_tree as rct

PRELUDE = """
    import signal, sys, time
    import numpy as np, residual_cover_tree as rct
    # As a terminal starts it: a shell's background job has Ctrl-C ignored, and so have its children.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    rng = np.random.default_rng(1)
    coords = rng.random((60_000, 3))
    inducing = coords[:300].copy()
    tree = rct.ResidualCoverTree(lengthscale=0.1, traversal="brute_force", construction=sys.argv[1])
"""

# Each takes half a minute or more, what builds with nodes of the cover tree; the signal comes after a second.
LONG = {
    "build": ("pure", "tree.set_params(traversal='best_first'); "
                      "tree.build(np.repeat(coords, 8, 0) + rng.normal(0, 1e-2, (480_000, 3)), inducing)"),
    "query": ("hybrid", "tree.build(coords, inducing); print('started', flush=True); "
                        "tree.query_batch(np.repeat(coords, 10, 0), k=30)"),
    "insert": ("hybrid", "tree.set_params(traversal='best_first'); tree.build(coords[:500], inducing); "
                         "print('started', flush=True); "
                         "tree.insert(np.repeat(coords, 8, 0) + rng.normal(0, 1e-2, (480_000, 3)))"),
}


@pytest.mark.skipif(os.name != "posix", reason="signals")
@pytest.mark.parametrize("call", LONG)
def test_ctrl_c_cancels(call):
    construction, statement = LONG[call]
    program = textwrap.dedent(PRELUDE) + textwrap.dedent("""
        if sys.argv[1] == "pure": print("started", flush=True)
        try:
            STATEMENT
            print("was not interrupted")
        except KeyboardInterrupt:
            print("KeyboardInterrupt", time.time())
        # Nothing is left behind: this tree or another is built and answers.
        assert len(tree) in (0, 500, 60_000)
        tree = tree if len(tree) == 0 else rct.ResidualCoverTree(lengthscale=0.1)
        tree.build(coords[:500], inducing[:20])
        print(len(tree.vecchia_neighbors(k=3)[0]))
    """).replace("STATEMENT", statement)
    child = subprocess.Popen([sys.executable, "-c", program, construction], stdout=subprocess.PIPE, text=True)
    assert child.stdout.readline() == "started\n"
    time.sleep(1.0)
    sent = time.time()
    child.send_signal(signal.SIGINT)
    try:
        output, _ = child.communicate(timeout=60)
    finally:
        child.kill()
    raised, answered = output.splitlines()
    word, at = raised.split()
    assert word == "KeyboardInterrupt" and float(at) - sent < 10.0
    assert answered == "500" and child.returncode == 0


def test_what_a_signal_handler_raises_is_raised(coords, inducing):
    def handler(number, frame):
        raise TimeoutError("alarm")

    coords = np.random.default_rng(1).random((100_000, 3))
    tree = rct.ResidualCoverTree(lengthscale=0.05)
    before = signal.signal(signal.SIGALRM, handler)
    signal.setitimer(signal.ITIMER_REAL, 0.3)
    try:
        with pytest.raises(TimeoutError, match="alarm"):
            tree.build(coords, coords[:300])
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert len(tree) == 0


def test_other_threads_run_during_a_call():
    """The GIL is released: a thread that counts goes on while calls run."""
    coords = np.random.default_rng(1).random((10_000, 3))
    counts, done = [0], threading.Event()

    def count():
        while not done.is_set():
            counts[0] += 1
            time.sleep(0.001)

    counter = threading.Thread(target=count)
    counter.start()
    before, clock = counts[0], time.perf_counter()
    while time.perf_counter() < clock + 0.2:
        rct.ResidualCoverTree(lengthscale=0.05, threads=1).build(coords, coords[:200])
    seconds, counted = time.perf_counter() - clock, counts[0] - before
    done.set()
    counter.join()
    assert counted > 50 * seconds, f"{counted} in {seconds} s"


def test_one_tree_serves_many_threads(tree, coords):
    expected = tree.vecchia_neighbors(k=8)[0]
    failures = []

    def ask(seed):
        ids = np.random.default_rng(seed).permutation(len(coords))
        for _ in range(20):
            if (tree.query_batch(ids=ids, k=8, id_limit=ids)[0] != expected[ids]).any():
                failures.append("another answer")
            try:
                tree.query_batch(ids=[-seed - 1], k=1)
                failures.append("no error")
            except rct.Error as error:
                if str(-seed - 1) not in str(error):
                    failures.append(f"the message of another thread: {error}")

    threads = [threading.Thread(target=ask, args=(seed,)) for seed in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures


def test_a_tree_under_construction_is_empty_to_others():
    coords = np.random.default_rng(1).random((5_000, 3))
    tree = rct.ResidualCoverTree(lengthscale=0.05)
    builder = threading.Thread(target=tree.build, args=(coords, coords[:200]))
    builder.start()
    refused = 0
    while builder.is_alive():
        try:
            tree.query_batch(ids=[1], k=1)
        except rct.Error as error:
            assert error.status == rct.Status.RCT_ERROR_INVALID_STATE
            refused += 1
        time.sleep(0.001)
    builder.join()
    assert refused > 0
    assert tree.query_batch(ids=[1], k=1)[0].tolist() == [[1]]


def _ask_in_child(tree, queue):
    queue.put(tree.vecchia_neighbors(k=8)[0])


# Newer versions of Python warn of a fork with threads about: they are the library's, which expects it.
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
@pytest.mark.skipif("fork" not in multiprocessing.get_all_start_methods(), reason="no fork")
def test_a_forked_child_may_ask(tree):
    expected = tree.vecchia_neighbors(k=8)[0]
    context = multiprocessing.get_context("fork")
    queue = context.Queue()
    child = context.Process(target=_ask_in_child, args=(tree, queue))
    child.start()
    np.testing.assert_array_equal(queue.get(timeout=60), expected)
    child.join()
    assert child.exitcode == 0


def test_progress_is_reported(coords, inducing):
    fractions = []
    with rct.progress(fractions.append):
        tree = rct.ResidualCoverTree(lengthscale=0.2).build(coords, inducing)
    assert fractions == sorted(fractions) and 0 <= fractions[0] and fractions[-1] == 1.0
    reported = len(fractions)
    tree.vecchia_neighbors(k=3)
    assert len(fractions) == reported


def test_what_a_progress_function_raises_is_raised(coords, inducing):
    def report(fraction):
        raise LookupError("mine")

    tree = rct.ResidualCoverTree(lengthscale=0.2)
    with rct.progress(report), pytest.raises(LookupError, match="mine"):
        tree.build(coords, inducing)
    assert len(tree) == 0


def test_progress_as_a_bar(coords, inducing, capsys):
    pytest.importorskip("tqdm")
    with rct.progress():
        rct.ResidualCoverTree(lengthscale=0.2).build(coords, inducing)
    shown = capsys.readouterr().err
    assert "build: 100%" in shown


def test_without_tqdm_there_is_a_warning(tree, monkeypatch):
    real_import = builtins.__import__

    def no_tqdm(name, *rest):
        if name.startswith("tqdm"):
            raise ImportError(name)
        return real_import(name, *rest)

    monkeypatch.setattr(builtins, "__import__", no_tqdm)
    with pytest.warns(UserWarning, match="tqdm is not installed"), rct.progress():
        tree.query_batch(ids=[1], k=1)


ENDLESS = {
    "progress": "with rct.progress(entered): rct.ResidualCoverTree(lengthscale=0.05).build(coords, coords[:300])",
    "kernel": "rct.ResidualCoverTree(metric='correlation', kernel=entered).build(coords)",
}


@pytest.mark.parametrize("call", ENDLESS)
def test_python_may_end_while_a_daemon_thread_calls(call):
    program = textwrap.dedent("""
        import atexit, threading
        import numpy as np
        first = []
        atexit.register(lambda: print(len(first[0].refit(variance=2.0).vecchia_neighbors(k=1)[0])))
        import residual_cover_tree as rct

        coords, begun = np.random.default_rng(1).random((200_000, 3)), threading.Event()
        first.append(rct.ResidualCoverTree(lengthscale=0.1).build(coords[:5]))

        def entered(x, others=None):
            begun.set()
            return None if others is None else np.exp(-np.abs(others - x).sum(1))

        def work():
            CALL

        threading.Thread(target=work, daemon=True).start()
        begun.wait()
    """).replace("CALL", ENDLESS[call])
    for _ in range(5):
        done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=120)
        assert (done.returncode, done.stdout, done.stderr) == (0, "5\n", "")


def test_calls_may_be_nested(coords, tree):
    """A covariance function that asks another tree, and survives its error."""
    def kernel(x, others):
        with pytest.raises(rct.Error):
            tree.query_batch(ids=[-1], k=1)
        return np.exp(-np.abs(others - x).sum(1))

    found = rct.ResidualCoverTree(metric="correlation", kernel=kernel).build(coords[:50]).vecchia_neighbors(k=3)[0]
    assert found[1].tolist() == [0, -1, -1]


def test_trees_are_freed(coords):
    """A tree's memory goes with it, and so does its covariance function."""
    def kernel(x, others):
        return np.exp(-np.abs(others - x).sum(1))

    held = weakref.ref(kernel)
    tree = rct.ResidualCoverTree(metric="correlation", kernel=kernel).build(coords[:50])
    del kernel
    gc.collect()
    tree.vecchia_neighbors(k=2)
    assert held() is not None
    del tree
    gc.collect()
    assert held() is None

    def resident():
        with open("/proc/self/statm") as statm:
            return int(statm.read().split()[1]) * os.sysconf("SC_PAGESIZE")

    if sys.platform == "linux":
        large = np.random.default_rng(1).random((20_000, 2))
        build = lambda: rct.ResidualCoverTree(metric="euclidean", lengthscale=0.1).build(large)
        size = build().stats()["memory_bytes"]
        for _ in range(3):
            build()
        before = resident()
        for _ in range(20):
            build()
        assert resident() - before < 5 * size
