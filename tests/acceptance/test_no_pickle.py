"""No unpickling on rollq's data paths, in a whole demo, in all of its processes: seen by an audit hook."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.acceptance.test_command_line import run, template

AUDIT = Path(__file__).parent / "audit"


def audited(folder: Path) -> dict[str, str]:
    return {"PYTHONPATH": str(AUDIT), "PICKLE_AUDIT": str(folder / "audit.log")}


def test_the_demo_unpickles_nothing(tmp_path: Path) -> None:
    found = run(
        "demo", "--json", "--workers", "2", "--template", template(tmp_path), cwd=tmp_path, env=audited(tmp_path)
    )
    assert found.returncode == 0, found.stderr
    lines = (tmp_path / "audit.log").read_text().splitlines()
    assert sum(line.startswith("process") for line in lines) >= 2, "the workers were audited too"
    assert [line for line in lines if line.startswith("ours")] == []


def test_the_hook_sees_an_unpickling_of_ours(tmp_path: Path) -> None:
    script = tmp_path / "tasks" / "data.py"
    script.parent.mkdir()
    script.write_text("import pickle, datetime\npickle.loads(pickle.dumps(datetime.date(2020, 1, 1)))\n")
    subprocess.run([sys.executable, str(script)], env=audited(tmp_path), check=True)
    assert "ours" in (tmp_path / "audit.log").read_text()
