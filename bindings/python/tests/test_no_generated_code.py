"""In a process that may not map memory writable and executable (PR_SET_MDWE), everything works, and Ctrl-C too."""

import signal
import subprocess
import sys
import textwrap
import time

import pytest

PRELUDE = """
    import ctypes, mmap, signal, sys, time
    import numpy as np
    import residual_cover_tree as rct
    PR_SET_MDWE, PR_MDWE_REFUSE_EXEC_GAIN = 65, 1
    if ctypes.CDLL(None).prctl(PR_SET_MDWE, PR_MDWE_REFUSE_EXEC_GAIN, 0, 0, 0) != 0:
        print("no PR_SET_MDWE")
        raise SystemExit
    try:
        mmap.mmap(-1, mmap.PAGESIZE, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
        raise SystemExit("the kernel maps writable and executable memory")
    except PermissionError:
        pass
    # As a terminal starts it: a shell's background job has Ctrl-C ignored, and so have its children.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    coords = np.random.default_rng(1).random((2000, 2))
    kernel = lambda x, others: np.exp(-5 * np.sqrt(((others - x) ** 2).sum(1)))
"""


def run(program, **options):
    command = [sys.executable, "-c", textwrap.dedent(PRELUDE) + textwrap.dedent(program)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **options)


def output(child):
    try:
        out, err = child.communicate(timeout=120)
    finally:
        child.kill()
    if "no PR_SET_MDWE" in out:
        pytest.skip("this kernel has no PR_SET_MDWE")
    assert child.returncode == 0, err
    return out


@pytest.mark.skipif(sys.platform != "linux", reason="PR_SET_MDWE is Linux's")
def test_all_verbs():
    child = run("""
        order, fractions = rct.order(coords), []
        inducing = rct.select_inducing(coords, 50)
        with rct.progress(fractions.append):
            tree = rct.ResidualCoverTree(lengthscale=0.2).build(coords[order], inducing)
        assert fractions[-1] == 1.0
        own = rct.ResidualCoverTree(metric="correlation", kernel=kernel).build(coords[:300])
        named = rct.ResidualCoverTree(metric="correlation", kernel="matern12", lengthscale=0.2).build(coords[:300])
        assert (own.vecchia_neighbors(k=5)[0] == named.vecchia_neighbors(k=5)[0]).all()
        with rct.progress():
            tree.remove(tree.insert(coords[:5]))
            tree.refit(variance=2.0).query_batch(coords[:5], k=3)
        print(tree.vecchia_neighbors(k=3)[0].shape)
    """)
    assert output(child) == "(2000, 3)\n"


@pytest.mark.skipif(sys.platform != "linux", reason="PR_SET_MDWE is Linux's")
def test_what_callbacks_raise_is_raised():
    child = run("""
        def fail(*arguments):
            raise LookupError("mine")

        def alarm(number, frame):
            raise TimeoutError("alarm")

        for call in (lambda: rct.ResidualCoverTree(kernel=fail).build(coords),
                     lambda: rct.ResidualCoverTree(lengthscale=0.1).build(coords)):
            try:
                with rct.progress(fail):
                    call()
            except LookupError as error:
                assert error.__traceback__.tb_next is not None
                print(error)
        # From a timer of its own, while the library is at work.
        signal.signal(signal.SIGALRM, alarm)
        signal.setitimer(signal.ITIMER_REAL, 0.3)
        many = np.random.default_rng(1).random((100_000, 3))
        try:
            rct.ResidualCoverTree(lengthscale=0.05).build(many, many[:300])
        except TimeoutError as error:
            print(error)
    """)
    assert output(child) == "mine\nmine\nalarm\n"


LONG = {
    "build": "rct.ResidualCoverTree(lengthscale=0.1).build(many, many[:300].copy())",
    "order": "rct.order(np.repeat(many, 10, 0))",
    "select_inducing": "rct.select_inducing(np.repeat(many, 10, 0), 50_000)",
    "kernel": "rct.ResidualCoverTree(metric='correlation', kernel=kernel).build(many)",
}


@pytest.mark.skipif(sys.platform != "linux", reason="PR_SET_MDWE is Linux's")
@pytest.mark.parametrize("call", LONG)
def test_ctrl_c(call):
    """Sent by another process."""
    child = run("""
        many = np.random.default_rng(1).random((480_000, 3))
        print("started", flush=True)
        try:
            with rct.progress():
                CALL
            print("was not interrupted")
        except KeyboardInterrupt:
            print("KeyboardInterrupt")
    """.replace("CALL", LONG[call]))
    if child.stdout.readline() == "started\n":
        time.sleep(1.0)
        child.send_signal(signal.SIGINT)
    assert output(child) == "KeyboardInterrupt\n"
