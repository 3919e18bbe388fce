"""The debate of a thread, the catalogue, and which release is before which."""

import inspect
import re
from dataclasses import replace

import pytest

import mmviz
from mmviz.engine import Case, Run, Verdict, explore, replay
from mmviz.kernel.provenance import CONSTRUCTED, Origin, candidate, mistake, proposed, shipped
from mmviz.kernel.releases import release
from mmviz.scenarios import every_case, find, load, names
from mmviz.survey import debate as debates  # the module
from mmviz.survey.catalogue import Catalogue
from mmviz.survey.debate import Row

THREADS = sorted({name.partition("/")[0] for name in names()})
RACE, BUG, FIX = "iommu_group/release_order", "DelistThenRelease", "ReleaseUnderMutex"


@pytest.fixture(scope="module", params=THREADS)
def told(request):
    return mmviz.debate(request.param)


def row_of(table, name):
    return next(row for row in table if row.case.name == name)


# -- releases ------------------------------------------------------------------------------


def test_releases_are_in_the_order_linus_made_them():
    words = ["2.6.9", "v2.6.27", "v2.6.39", "3.0", "v3.19", "v4.0", "4.20", "5.3", "v5.10", "6.0"]
    assert sorted(words, key=release) == words


@pytest.mark.parametrize("text", ["5.3", "v5.3", " v5.3 ", "5.3.0", "v5.3.18"])
def test_a_stable_update_counts_as_its_release(text):
    assert release(text) == (5, 3)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "5",
        "v5.",
        "2.6",
        "2.4.20",
        "2.6.40",
        "3.20",
        "5.20",
        "5.3-rc1",
        "5.3\n5.4",
        "\N{ARABIC-INDIC DIGIT FIVE}.3",
        5.3,
    ],
)
def test_what_is_no_release_is_refused_and_named(text):
    with pytest.raises(mmviz.MmvizError, match=re.escape(repr(text))):
        release(text)


NOW = ("v6.15", "2026-11-28")


@pytest.mark.parametrize(
    ("source", "words", "inside", "outside"),
    [
        (CONSTRUCTED, "constructed for this model", [], ["5.3"]),
        (proposed("2021-03-26", "<a@b>"), "proposed in the thread", [], ["5.3"]),
        (candidate("v5.8", "9ac8545199a1"), "release candidate of v5.8", [], ["5.8", "5.7"]),
        (mistake("<a@b>: most drivers"), "known mistake of drivers", [], ["5.3"]),
        (shipped("v5.2", "v5.4"), "shipped v5.2 to v5.4", ["5.2", "5.4.99"], ["5.1", "5.10"]),
        (shipped("v5.9", checked=NOW), "shipped since v5.9", ["5.9", "5.10", "6.0"], ["5.8"]),
        (shipped("v6.14", "v6.14"), "shipped v6.14", ["6.14"], ["6.1", "6.15"]),
    ],
)
def test_a_case_says_where_it_comes_from(source, words, inside, outside):
    assert source.era == words
    assert all(source.behaved_in(kernel) for kernel in inside)
    assert not any(source.behaved_in(kernel) for kernel in outside)


def test_what_shipped_and_never_changed_says_when_that_was_checked():
    with pytest.raises(mmviz.MmvizError, match="checked="):
        shipped("v5.9")
    with pytest.raises(mmviz.MmvizError, match="YYYY-MM-DD"):
        shipped("v5.9", checked=("v6.15", "yesterday"))


def test_what_was_proposed_says_where():
    with pytest.raises(mmviz.MmvizError, match="name the message, commit or document"):
        proposed("2021-03-26", "")


def test_the_day_of_a_proposal_counts_where_it_shipped_later():
    said = proposed("2022-09-09", "<a@b>")
    merged = shipped("v6.4", said=said, checked=NOW)
    assert (merged.when, merged.evidence) == ("2022-09-09", "<a@b>")
    assert shipped("v5.2", "v5.4").when == "2019-07-07"


def test_releases_of_the_catalogue_can_be_compared_and_have_a_day():
    for case in every_case():
        source = case.source
        if source.kind == Origin.SHIPPED:
            assert not source.last or release(source.first) <= release(source.last), case.name
            assert source.when, f"releases.DAYS lacks {source.first}"


# -- the debate ----------------------------------------------------------------------------


def test_a_row_for_every_case_of_the_thread(told):
    cases = [case for case in every_case() if case.scenario.startswith(told.thread + "/")]
    assert sorted((row.case.scenario, row.case.name) for row in told) == sorted(
        (case.scenario, case.name) for case in cases
    )


def test_rows_are_in_the_order_of_the_days_and_those_without_a_day_come_last(told):
    dated = [row for row in told if row.case.source.when]
    days = [row.case.source.when for row in dated]
    assert days == sorted(days)
    assert [row.when for row in told] == days + [debates.UNDATED] * (len(told) - len(dated))
    assert [row.where for row in told] == [row.case.source.evidence for row in told]
    rest = [row.case for row in told.rows[len(dated) :]]
    assert [case for case in every_case() if case in rest] == rest


def test_each_row_says_what_kind_of_thing_its_case_is(told):
    for row in told:
        source = row.case.source
        assert any(cell.splitlines()[:1] == [source.era] for cell in row.cells)
        assert source.still in "\n".join(row.cells)


def test_the_days_messages_and_commits_stand_in_text_and_markdown(told):
    for row in told:
        assert f"\n{row.when}\n" in str(told)
        assert row.where in " ".join(str(told).split())
        assert debates.marked(row.where) in told.markdown()
        assert row.case.scenario.partition("/")[2] in str(told)


def test_the_markdown_of_a_debate_is_the_same_every_time():
    assert mmviz.debate("iommu_group").markdown() == mmviz.debate("iommu_group").markdown()


def test_every_failing_cell_carries_a_run_in_which_it_fails(told):
    for row in told:
        for finding in row.findings:
            if finding.verdict in (Verdict.NEVER, Verdict.UNKNOWN, "Not judged"):
                assert finding.schedule is None
            elif finding.what == "deadlock":
                assert replay(row.case, finding.schedule).deadlock
                assert finding.schedule == row.report.deadlock.shortest
            elif finding.what == "livelock":
                before = len(row.report.livelock.prefix)
                run = replay(row.case, finding.schedule)
                again, start = run.tip, run.frames[before]
                assert again.index > start.index
                assert (again.next, again.enabled) == (start.next, start.enabled)
            else:
                assert finding.what in replay(row.case, finding.schedule).violated
                assert finding.schedule == row.report.counterexamples[finding.what].shortest


def test_the_lines_below_the_table_replay_as_they_stand(told):
    lines = re.findall(r"^mmviz\.replay\(.*\)$", str(told), flags=re.MULTILINE)
    assert len(lines) == sum(len(row.failing) for row in told) > 0
    for line in lines:
        run = eval(line, {"mmviz": mmviz})
        assert f"`{line}`" in told.markdown()
        assert run.frames


def test_the_table_can_be_read_at_100_columns(told):
    above, _, _ = str(told).partition(debates.RUNS)
    assert max(map(len, above.splitlines())) <= 100
    for row in told:
        assert row.case.name in above
        for finding in row.findings:
            assert finding.what in above


def test_markdown_has_a_row_of_as_many_cells_for_every_case(told):
    table = told.markdown().partition(debates.LISTENERS)[0]
    lines = [line for line in table.splitlines() if line.startswith("|")]
    assert len(lines) == len(told) + 2
    assert {len(re.findall(r"(?<!\\)\|", line)) for line in lines} == {len(debates.HEAD) + 1}


def test_verdicts_are_searched_and_never_copied(monkeypatch):
    lying = dict.fromkeys(find(RACE, BUG).bad_states, Verdict.UNKNOWN)
    lies = tuple(replace(case, expect=lying, deadlock=True, states=7) for case in load(RACE).cases)
    monkeypatch.setattr(debates, "catalogue", lambda **_: Catalogue(lies, ""))
    rows = {row.case.name: row for row in mmviz.debate("iommu_group")}
    assert len(rows) == len(lies)
    for case in load(RACE).cases:
        row = rows[case.name]
        assert (row.report.verdicts, row.report.states) == (dict(case.expect), case.states)
        assert any(finding.what == "deadlock" for finding in row.findings) == case.deadlock


def test_a_debate_uses_the_words_of_reports():
    case = find("exclusive/retry_loop", "MutexAroundConversion")
    found = {each.what: (each.verdict, each.sign) for each in Row(case, explore(case)).findings}
    assert found["page_leaked"] == ("Not judged", "?")
    assert found["deadlock"] == ("Always", "✗")


def test_each_driver_of_a_thread_leads_to_searched_cases(told):
    texts = (" ".join(str(told).split()), told.markdown(), told._repr_html_())
    assert all((debates.LISTENERS in text) == bool(told.listeners) for text in texts)
    for listener in told.listeners:
        assert listener.cases
        assert listener.source.evidence in texts[0]
        for name in listener.cases:
            race, _, case = name.partition(":")
            row = next(
                r
                for r in told
                if r.case.scenario == f"{told.thread}/{race}" and r.case.name == case
            )
            line = (
                f"{told.thread}/{name} ({', '.join(map(str, row.failing)) or 'nothing goes wrong'})"
            )
            assert line in texts[0]
            assert debates.marked(line) in texts[1]
            assert line in texts[2]


def test_the_first_thread_has_a_driver_for_each_patch_but_the_last():
    patches = [each.source.where for each in debates.listeners_of("invalidate_page")]
    numbers = [int(where.split("-")[1]) - 1 for where in patches]  # the cover letter has 1
    assert numbers == list(range(1, 13))


def test_a_release_has_no_table_of_drivers():
    assert not mmviz.debate("invalidate_page", kernel="4.13").listeners


def test_a_contract_is_not_called_a_bug():
    contracts = [case for case in every_case() if case.kind == "contract"]
    assert contracts
    for case in contracts:
        row = Row(case, explore(case))
        assert "by contract" in row.cells
        assert {f.verdict for f in row.failing} == {"not coherent"}
        assert {f.sign for f in row.failing} == {"≠"}


def test_a_search_that_was_cut_off_is_not_shown_as_safe():
    row = Row(find(RACE, FIX), explore(find(RACE, FIX), max_states=10))
    assert {finding.verdict for finding in row.findings} == {Verdict.UNKNOWN}
    assert {finding.sign for finding in row.findings} == {"?"}
    assert "1 cut off" in debates.Debate("iommu_group", "", (row,)).small_print


def test_a_kernel_leaves_only_what_it_does():
    table = mmviz.debate("hmm", kernel="5.3")
    assert 0 < len(table) < len(mmviz.debate("hmm"))
    assert all(row.case.source.behaved_in("5.3") for row in table)
    assert "what v5.3 does" in str(table)


def test_a_kernel_before_the_thread_is_an_empty_table_that_says_so():
    table = mmviz.debate("exclusive", kernel="2.6.30")
    assert len(table) == 0
    for text in (str(table), table.markdown(), table._repr_html_()):
        assert debates.NONE in text


def test_an_unknown_thread_is_told_the_nearest():
    with pytest.raises(mmviz.UnknownName, match="iommu_group"):
        mmviz.debate("iomu_group")


def test_progress_hears_of_every_case():
    said: list[tuple[int, int, Case]] = []
    table = mmviz.debate("iommu_group", lambda *now: said.append(now))
    assert [(done, case) for done, _, case in said] == [(n, r.case) for n, r in enumerate(table)]
    assert {total for _, total, _ in said} == {len(table)}


def test_text_is_escaped(monkeypatch):
    evil = "<script>alert(1)</script> a|b `c` *d*"
    case = replace(find(RACE, BUG), name="x", id=evil)
    table = debates.Debate("t", evil, (Row(case, explore(case)),))
    assert "<script>" not in table._repr_html_()
    (line,) = [line for line in table.markdown().splitlines() if "alert" in line and line[0] == "|"]
    assert "\\<script\\>" in line
    assert "a\\|b" in line


# -- the catalogue -------------------------------------------------------------------------


def test_the_catalogue_of_nothing_in_particular_is_everything():
    assert list(mmviz.catalogue()) == list(every_case())
    assert str(len(mmviz.catalogue())) in str(mmviz.catalogue()).splitlines()[0]


def test_a_case_is_found_by_each_function_that_runs_in_it():
    only_run = 0
    for case in load(RACE).cases:
        run = Run(case)
        while run.enabled():
            run.step(run.enabled()[0])
        functions = {frame.label.partition("(")[0] for frame in run.frames[1:]}
        assert functions
        written = inspect.getdoc(load(RACE).module).lower()
        for function in functions:
            assert case in mmviz.catalogue(function.upper(), thread="iommu_group").cases
            only_run += function not in written
    assert only_run, "no function of these is left out of the text: the test shows nothing"


def test_all_words_must_fit_and_nonsense_fits_nothing():
    some, fewer = mmviz.catalogue("mutex"), mmviz.catalogue("mutex srcu")
    assert 0 < len(fewer) < len(some)
    assert set(map(str, fewer)) < set(map(str, some))
    assert len(mmviz.catalogue("no_such_function_anywhere", thread="sva")) == 0


def test_property_thread_and_kernel_narrow_it():
    found = mmviz.catalogue(bad_state="use_after_free", thread="hmm", kernel="5.3")
    assert 0 < len(found) < len(mmviz.catalogue(thread="hmm"))
    for case in found:
        assert "use_after_free" in case.bad_states
        assert case.scenario.startswith("hmm/")
        assert case.source.behaved_in("v5.3")


@pytest.mark.parametrize(
    ("asked", "nearest"),
    [({"bad_state": "use_after_fre"}, "use_after_free"), ({"thread": "svaa"}, "sva")],
)
def test_the_catalogue_suggests_the_nearest(asked, nearest):
    with pytest.raises(mmviz.UnknownName, match=nearest):
        mmviz.catalogue(**asked)


def test_the_catalogue_is_a_table_in_text_and_html():
    found = mmviz.catalogue(thread="iommu_group")
    assert max(map(len, str(found).splitlines())) <= 100
    for case in found:
        assert case.name in str(found)
        assert f">{case.name}<" in found._repr_html_()
