"""Files that users write: each word means what it says, or is refused with its key and line."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest

from rollq.tasks.errors import BadInput, SettingsError, TemplateError
from rollq.tasks.files.user_file import UserFile, read_toml, read_yaml


def read(folder: Path, text: str | bytes) -> UserFile:
    path = folder / "mine.yaml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return read_yaml(path)


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        # what the rules of YAML 1.1 turn into something else
        *(
            (word, word)
            for word in ("NO", "ON", "yes", "Off", "y", "063", "012", "0x10", "0o17", "0b1", "1_000", "1:30")
        ),
        *(
            (word, word)
            for word in ("2018-12-31", "2018-02-30", "2018-12-31 16:00:00+08:00", "=", "01.5", "1e", ".", "-1-")
        ),
        ("5e-2", 0.05),
        ("1e3", 1000.0),
        (".5", 0.5),
        ("1.", 1.0),
        ("-2.5E+3", -2500.0),
        ("-.inf", -math.inf),
        ("600519", 600519),
        ("-7", -7),
        ("0", 0),
        ("true", True),
        ("FALSE", False),
        ("~", None),
        ("NULL", None),
        ('"true"', "true"),
        ("!!str 12", "12"),
    ],
)
def test_a_plain_word_means_what_it_says(tmp_path: Path, text: str, meant: Any) -> None:
    found = read(tmp_path, f"a: {text}").content["a"]
    assert found == meant
    assert type(found) is type(meant)


def test_not_a_number_is_read_as_such(tmp_path: Path) -> None:
    assert math.isnan(read(tmp_path, "a: .NaN").content["a"])


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a: 1\nb: 2\na: 3", r"a: the key is there twice, first on line 1 \(mine.yaml, line 3\)"),
        ("a:\n- {b: 1, c: 2, b: 1}", r"a\[0\].b: the key is there twice.*line 2"),
        ("{<<: {a: 1}, <<: {b: 1}}", "<<: the key is there twice"),
        ("a:\n  063: 1\n  1: 2", r"a.1: the key is no text \(mine.yaml, line 3\)"),
        ("on: 1\nfalse: 2", "false: the key is no text"),
        ("? [a, b]\n: 1", "a key that is no text"),
        ("a: 1\n---\nb: 2", "second document begins in mine.yaml, line 3"),
        ("a:\n\t- 1", "line 2: a tab stands"),
        ("a: !!python/object/apply:os.getcwd []", "tag tag:yaml.org,2002:python/object/apply:os.getcwd is not known"),
        ("a: !!timestamp 2018-02-30", "cannot have the tag"),
        ("a: !!int 5.5", "cannot have the tag"),
        ("a: !mine {b: 1}", "tag !mine is not known"),
        ("a: &a [1, *a]", r"a\[1\]: the alias stands for something that holds itself"),
        ("a: *nowhere", "undefined alias"),
        ("a: {<<: 3}", "a.<<: it merges no mapping"),
        ("a: [1", "line 1: it is not valid YAML"),
        ("a: " + "9" * 500, "the number has 500 digits"),
        ("[" * 5000, "nested too deep"),
        ("- " * 150 + "a", "levels deep"),
        ("", "mine.yaml is empty"),
        ("# nothing\n", "mine.yaml is empty"),
        (b"PAR1\x15\x04\xff\xfe", "line 1: it is no UTF-8 text"),
        ("a: b\x01c", "not YAML: unacceptable character"),
        (b"#" * 4_000_001, "larger than 4 MB"),
    ],
)
def test_what_could_be_meant_in_two_ways_is_refused(tmp_path: Path, text: str | bytes, said: str) -> None:
    with pytest.raises(TemplateError, match=said) as raised:
        read(tmp_path, text)
    assert raised.value.fix


def test_aliases_do_not_multiply_without_end(tmp_path: Path) -> None:
    rows = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    rows += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 10)]
    with pytest.raises(TemplateError, match="more than 1,000,000 values"):
        read(tmp_path, "\n".join(rows))


def test_anchors_and_merges(tmp_path: Path) -> None:
    text = "x: &x {p: 1, q: 2}\ny:\n  <<: *x\n  q: 3\nz: {<<: [{q: 9}, *x], r: *x}\n"
    found = read(tmp_path, text)
    assert found.content["y"] == {"p": 1, "q": 3}
    assert found.content["z"] == {"q": 9, "p": 1, "r": {"p": 1, "q": 2}}
    assert (found.lines["y.p"], found.lines["y.q"]) == (1, 4)


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_a_byte_order_mark_is_no_part_of_the_text(tmp_path: Path, encoding: str) -> None:
    assert read(tmp_path, "näme: 1\r\n".encode(encoding)).content == {"näme": 1}


@pytest.mark.parametrize(
    ("name", "said"), [("", "is a folder"), ("none", "There is no template"), ("a\0b", "null byte")]
)
def test_what_is_no_file(tmp_path: Path, name: str, said: str) -> None:
    with pytest.raises(TemplateError, match=said):
        read_yaml(tmp_path / name)


def test_an_error_says_where_its_key_stands(tmp_path: Path) -> None:
    found = read(tmp_path, "a:\n  b:\n    - c: 1\n")
    assert found.place("a.b[0].c.d") == "mine.yaml, line 3"
    assert found.place("z") == ""
    with pytest.raises(BadInput, match=r"^a.b: it is wrong \(mine.yaml, line 2\)\. Correct it\.$"), found.placed():
        raise TemplateError("it is wrong.", "Correct it.", "a.b")
    with pytest.raises(BadInput, match=r"^It is wrong\.$"), found.placed():
        raise TemplateError("It is wrong.")


def test_toml(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text('\ufeffa = 1\n\n"b" = 2\n[c]\nd = 3\n')
    found = read_toml(path, "settings file", SettingsError)
    assert found.content == {"a": 1, "b": 2, "c": {"d": 3}}
    assert found.lines == {"a": 1, "b": 3, "c": 4}
    path.write_text("a = 1\na = 2\n")
    with pytest.raises(SettingsError, match="line 2"):
        read_toml(path, "settings file", SettingsError)
