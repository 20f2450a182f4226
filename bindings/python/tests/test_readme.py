"""The Python program of README.md runs, and prints what README.md says."""

import contextlib
import io
import subprocess
import sys
from pathlib import Path

import numpy as np

import residual_cover_tree as rct

README = Path(__file__).resolve().parents[3] / "README.md"


def test_the_programs_print_what_readme_says(tmp_path, monkeypatch):
    _, after, life = README.read_text().split("```python\n")
    program, after = after.split("```", 1)
    shown = after.split("```text\n", 1)[1].split("```", 1)[0]
    printed = io.StringIO()
    names = {}
    with contextlib.redirect_stdout(printed):
        exec(program, names)
    assert printed.getvalue() == shown
    monkeypatch.chdir(tmp_path)
    exec(life.split("```", 1)[0], names)
    anew = rct.ResidualCoverTree(lengthscale=0.3, variance=2.0).build(names["coords"], names["inducing"])
    np.testing.assert_array_equal(names["ids"], anew.vecchia_neighbors(k=5)[0])


def test_the_package_readme_runs():
    program = (Path(__file__).parents[1] / "README.md").read_text().split("```python\n", 1)[1].split("```", 1)[0]
    names = {}
    exec(program, names)
    assert names["ids"].shape == (2000, 10)


def test_the_program_warns_of_nothing(tmp_path):
    _, program, life = README.read_text().split("```python\n")
    program, life = program.split("```", 1)[0], life.split("```", 1)[0]
    command = [sys.executable, "-W", "error", "-X", "dev", "-c", program + life]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0 and done.stderr == "", done.stderr
