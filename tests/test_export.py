"""`mmviz export`: a case as Promela, on stdout or in a file; and what it refuses."""

import pytest

from mmviz.cli import main
from mmviz.engine.closure import Closure
from mmviz.engine.promela import digest, promela
from mmviz.scenarios import find, load

RACE, CASE = "iommu_group/release_order", "ReleaseUnderMutex"
FAMILY = "invalidate_page/faults_and_invalidators"


def test_a_case_is_printed_or_written_to_a_file(capsys, tmp_path):
    text = promela(Closure(find(RACE, CASE)))
    path = tmp_path / "case.pml"

    assert main(["export", RACE, CASE]) == 0
    out, err = capsys.readouterr()
    assert out == text
    assert err.startswith(f"{RACE}:{CASE} as Promela: ")
    assert f"sha256 {digest(text)}" in err

    assert main(["export", RACE, CASE, "-o", str(path)]) == 0
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith(f"Written: {path}, {len(text.encode()):,} bytes\n")
    assert path.read_text("utf-8") == text


def test_another_member_of_a_family_says_what_was_left_out(capsys):
    sizes = ["--set", "faults=3", "--set", "invalidators=3"]

    assert main(["export", FAMILY, *sizes, "--sample", "100"]) == 0
    out, err = capsys.readouterr()
    assert "run_GPU2" in out
    assert "Left out; spin reports known_situation" in out
    assert "Then write a larger --sample." in err


def test_one_case_is_needed(capsys):
    for words in ([FAMILY], [FAMILY, "SequenceOnly1x1x1", "--set", "faults=3"]):
        assert main(["export", *words]) == 2
        assert "export needs one case" in capsys.readouterr().err
    assert main(["export", RACE, "-o", "x.svg"]) == 2
    err = capsys.readouterr().err
    assert all(case.name in err for case in load(RACE).cases)


@pytest.mark.parametrize("views", ["", " ", ",,", " , "])
def test_a_picture_of_no_view_is_refused(capsys, tmp_path, views):
    path = tmp_path / "x.svg"
    assert main(["export", RACE, CASE, "-o", str(path), "--views", views]) == 2
    assert "names no view; write --views timeline,memory" in capsys.readouterr().err
    assert not path.exists()


def test_a_file_whose_name_does_not_say_its_form_is_refused(capsys, tmp_path):
    path = tmp_path / "x"
    assert main(["export", RACE, CASE, "-o", str(path)]) == 2
    assert ".html, .svg, .png, .pdf, .gif, .txt" in capsys.readouterr().err
    assert not path.exists()
    assert main(["export", RACE, CASE, "-o", str(path), "--form=pml"]) == 0
    assert path.exists()
