"""The Python program of README.md runs, and prints what README.md says."""

import contextlib
import io
from pathlib import Path

README = Path(__file__).resolve().parents[3] / "README.md"


def test_the_program_prints_what_readme_says():
    _, after = README.read_text().split("```python\n", 1)
    program, after = after.split("```", 1)
    shown = after.split("```text\n", 1)[1].split("```", 1)[0]
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(program, {})
    assert printed.getvalue() == shown


def test_the_package_readme_runs():
    program = (Path(__file__).parents[1] / "README.md").read_text().split("```python\n", 1)[1].split("```", 1)[0]
    names = {}
    exec(program, names)
    assert names["ids"].shape == (2000, 10)
