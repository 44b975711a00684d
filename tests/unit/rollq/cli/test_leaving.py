"""How the command line leaves: an error of the world around, or of the user's code, is no defect of rollq."""

from __future__ import annotations

import errno
import subprocess
import sys
from pathlib import Path

import pytest

from rollq.cli.main import _leave


def _code(error: Exception, capsys: pytest.CaptureFixture[str]) -> tuple[object, str]:
    with pytest.raises(SystemExit) as left:
        _leave(error, debug=False)
    return left.value.code, capsys.readouterr().err


def _own() -> Exception:
    with pytest.raises(RuntimeError) as caught:
        raise RuntimeError("no such factor")
    return caught.value


@pytest.mark.parametrize(
    ("error", "code", "says"),
    [
        (_own(), 1, f"no such factor ({__file__}, line"),
        (OSError(errno.EROFS, "Read-only file system", "out.csv"), 4, "out.csv"),
        (PermissionError(errno.EACCES, "Permission denied", "out.csv"), 2, "out.csv: Permission denied"),
        (ValueError("of nobody"), 70, "defect of rollq"),
    ],
    ids=repr,
)
def test_an_error_is_told_by_its_kind(
    error: Exception, code: int, says: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rollq.cli.main._forget_output", lambda: None)
    left, told = _code(error, capsys)
    assert left == code
    assert says in told
    assert (code == 70) == ("defect" in told)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="Linux only")
def test_output_that_finds_no_space_is_exit_code_4() -> None:
    with Path("/dev/full").open("w") as output:
        left = subprocess.run(
            [sys.executable, "-P", "-m", "rollq", "--version"],
            stdout=output,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert left.returncode == 4
    assert "no space left" in left.stderr


def test_ctrl_c_says_that_nothing_is_lost() -> None:
    code = (
        "import os, signal, time; signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "from rollq.cli import main\n"
        "def verb(): os.kill(os.getpid(), signal.SIGINT); time.sleep(60)\n"
        "main.app.command('verb')(verb); main.main()"
    )
    left = subprocess.run([sys.executable, "-P", "-c", code, "verb"], capture_output=True, text=True, check=False)
    assert (left.returncode, left.stderr) == (130, "\nStopped. What is done stays done.\n")
