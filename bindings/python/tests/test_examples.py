"""The example's algebra: an approximation that conditions on every earlier point is exact."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLE = Path(__file__).parents[1] / "examples/vecchia_kl.py"


def test_divergences(tmp_path):
    pytest.importorskip("scipy")
    pytest.importorskip("matplotlib")
    out = tmp_path / "kl.svg"
    command = [sys.executable, EXAMPLE, "--n", "200", "--m", "20", "--k", "5", "20", "199", "--out", out]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    rows = re.findall(r"^(Vecchia|VIF), (\w+) +(\S+) +(\S+) +(\S+) +\S+ s$", done.stdout, re.M)
    assert len(rows) == 15
    for _, _, few, many, all_earlier in rows:
        assert float(few) > float(many) > 1e-6
        assert abs(float(all_earlier)) < 1e-7
    assert "<svg" in out.read_text()
