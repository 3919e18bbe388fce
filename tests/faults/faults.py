"""Deliberate faults, each with the tests of which one must catch it; `run.py` tries them."""

from typing import NamedTuple


class Fault(NamedTuple):
    """A mistake that the product could have.

    Attributes:
        name: what is wrong.
        file: where, from the root of the tree.
        old: what stands there now, exactly once.
        new: what stands there instead.
        tests: files or node ids of pytest; one of their tests must fail.
    """

    name: str
    file: str
    old: str
    new: str
    tests: tuple[str, ...]


ENGINE = (
    # -- the search
    Fault(
        "a completed run is taken for a deadlock",
        "mmviz/engine/search.py",
        "elif self.deadlock is None and not model.is_complete(state):",
        "elif self.deadlock is None:",
        ("tests/engine/test_explore.py::test_a_lock_makes_it_never",),
    ),
    Fault(
        "Sometimes and Always are exchanged",
        "mmviz/engine/search.py",
        "return Verdict.SOMETIMES if avoided else Verdict.ALWAYS",
        "return Verdict.ALWAYS if avoided else Verdict.SOMETIMES",
        (
            "tests/engine/test_explore.py"
            "::test_every_run_violates_is_always_and_some_run_is_sometimes",
        ),
    ),
    Fault(
        "a search that was cut off says Never",
        "mmviz/engine/search.py",
        "return Verdict.NEVER if self.found_all else Verdict.UNKNOWN",
        "return Verdict.NEVER",
        ("tests/engine/test_explore.py::test_a_search_that_was_cut_off_never_says_never",),
    ),
    Fault(
        "the run to a state is spelled backwards",
        "mmviz/engine/search.py",
        "return tuple(reversed(names))",
        "return tuple(names)",
        (
            "tests/test_scenarios.py::test_each_counterexample_replays_to_its_violation_and_no_sooner"
            "[iommu_group/release_order]",
        ),
    ),
    Fault(
        "a dead machine goes on",
        "mmviz/engine/search.py",
        "            if state & dead.mask:\n                continue\n",
        "",
        (
            "tests/test_scenarios.py::test_each_case_gets_the_verdicts_and_the_count_it_declares"
            "[iommu_group/kernel_or_user]",
        ),
    ),
    Fault(
        "each switch between actors costs a preemption",
        "mmviz/engine/preemption.py",
        "cost = preempted + (could_go_on and p != last)",
        "cost = preempted + (p != last)",
        (
            "tests/engine/test_explore.py"
            "::test_the_lost_update_is_found_with_a_shortest_run_and_a_calm_one",
        ),
    ),
    Fault(
        "leaving a device costs a preemption",
        "mmviz/engine/preemption.py",
        "could_go_on = last not in daemons and any(p == last for p, _ in open_moves)",
        "could_go_on = any(p == last for p, _ in open_moves)",
        ("tests/engine/test_explore.py",),
    ),
    # -- the learned model
    Fault(
        "a blocked step forgets what its guard read",
        "mmviz/engine/learn.py",
        "return Effect(ledger.reads | set(ledger.writes), {}, blocked=True)",
        "return Effect(set(), {}, blocked=True)",
        ("tests/kernel/test_rcu.py",),
    ),
    Fault(
        "a table row is not keyed by the slots that its step writes",
        "mmviz/engine/learn.py",
        "\n        touched = effect.reads | set(effect.writes)\n",
        "\n        touched = effect.reads\n",
        (
            "tests/engine/test_explore.py"
            "::test_two_who_give_way_to_each_other_for_ever_are_a_livelock",
        ),
    ),
    Fault(
        "a variable that is read later is not live",
        "mmviz/engine/liveness.py",
        "now = uses[i] | (after & keeps[i])",
        "now = after & keeps[i]",
        ("tests/engine/test_liveness.py",),
    ),
    Fault(
        "the declaration of interchangeable actors is believed",
        "mmviz/engine/orbit.py",
        "self.symmetry.check(ends)",
        "list(ends)",
        ("tests/engine/test_symmetry.py::test_a_bad_state_that_looks_at_one_member_is_refused",),
    ),
    Fault(
        "the second pass finds no difference",
        "mmviz/engine/relearn.py",
        "        return str(different)",
        "        del different",
        ("tests/engine/test_relearn.py::test_a_search_whose_model_differs_is_not_decided",),
    ),
    Fault(
        "a step that is described and never awaited is not noticed",
        "mmviz/engine/piece.py",
        "            if not step.used:",
        "            if False:",
        ("tests/slips/test_slips.py",),
    ),
    Fault(
        "an actor may finish with a lock held",
        "mmviz/engine/learn.py",
        "        if held:",
        "        if held is None:",
        ("tests/engine/test_held.py::test_an_actor_that_finishes_with_a_lock_held_goes_wrong",),
    ),
    Fault(
        "a situation in which a step is blocked is left out of the closed tables",
        "mmviz/engine/closure.py",
        "return Row(when, blocked=True)",
        'return Row(when, left_out="is blocked")',
        ("tests/engine/test_promela.py::test_a_deadlock_is_an_invalid_end_state",),
    ),
    Fault(
        "a timer inside an object is not freed with it",
        "mmviz/engine/struct.py",
        "part._inside = self if part._inside is None else _SHARED",
        "part._inside = None",
        ("tests/engine/test_embedded.py::test_a_part_is_freed_with_its_object",),
    ),
    Fault(
        "a slot is widened one value too late",
        "mmviz/engine/bits.py",
        "if number >> room:",
        "if number >> (room + 1):",
        ("tests/engine/test_learn.py",),
    ),
    Fault(
        "the tables that hold a slot do not see its new bits",
        "mmviz/engine/bits.py",
        "            for row in self.rows:\n                row[0] |= chunk\n",
        "",
        ("tests/engine/test_explore.py",),
    ),
    Fault(
        "1 and True are one value",
        "mmviz/engine/bits.py",
        "    if kind in SIMPLE:\n        return (kind, value)",
        "    if kind in SIMPLE:\n        return value",
        ("tests/engine/test_explore.py",),
    ),
    # -- verdicts, livelocks, fates
    Fault(
        "the table of the judge does not look at complaints",
        "mmviz/engine/judge.py",
        "        reads.add(self.complaints)\n",
        "",
        ("tests/engine/test_struct.py",),
    ),
    Fault(
        "a bad state of the end is judged on the way, too",
        "mmviz/engine/judge.py",
        'for each in self.predicates if not getattr(each, "at_end", False)]',
        "for each in self.predicates]",
        (
            "tests/engine/test_explore.py"
            "::test_the_lost_update_is_found_with_a_shortest_run_and_a_calm_one",
        ),
    ),
    Fault(
        "a loop counts as a livelock although it starves an actor",
        "mmviz/engine/livelock.py",
        "starved = (left - moved) & threads",
        "starved = (moved - left) & threads",
        ("tests/engine/test_livelock.py",),
    ),
    Fault(
        "a loop of devices alone is called a livelock",
        "mmviz/engine/livelock.py",
        "if moved & threads:",
        "if moved:",
        ("tests/engine/test_explore.py::test_waiting_for_a_device_that_only_spins_is_stuck",),
    ),
    Fault(
        "a device that can end a wait is not asked",
        "mmviz/engine/livelock.py",
        "            elif after is not None:\n                ended.append(state)\n",
        "",
        ("tests/engine/test_livelock.py",),
    ),
    Fault(
        "a run that deadlocks does not count for Always",
        "mmviz/engine/search.py",
        "if not any(after is not None for after in nexts):",
        "if not nexts:",
        ("tests/engine/test_explore.py",),
    ),
    Fault(
        "moves that lead to one state are counted once",
        "mmviz/engine/graph.py",
        "ahead[i] += 1  # only",
        "ahead[i] = count + 1  # only",
        ("tests/engine/test_explore.py",),
    ),
    Fault(
        "a later phase does not hear the stop button",
        "mmviz/engine/search.py",
        "                self.watch.ask()\n                return find()\n",
        "                return find()\n",
        ("tests/engine/test_watch.py",),
    ),
    Fault(
        "the second Ctrl-C is taken for the first",
        "mmviz/engine/watch.py",
        "            self.again = True\n            raise KeyboardInterrupt\n",
        "            self.again = True\n",
        ("tests/engine/test_watch.py",),
    ),
    Fault(
        "the limit of memory forgets that a table is copied when it grows",
        "mmviz/engine/search.py",
        "            table *= 3\n",
        "            pass\n",
        ("tests/engine/test_watch.py::test_the_limit_of_memory_is_that_of_the_process",),
    ),
    Fault(
        "what no completed run can show is printed as Never",
        "mmviz/engine/report.py",
        "return str(verdict) if judged else NOT_JUDGED",
        "return str(verdict)",
        ("tests/engine/test_explore.py",),
    ),
    Fault(
        "a violation is unavoidable although one way on avoids it",
        "mmviz/engine/graph.py",
        "if not ahead[before] and not fates[before]:",
        "if ahead[before] <= 1 and not fates[before]:",
        (
            "tests/engine/test_explore.py"
            "::test_fates_tell_before_when_the_bad_state_became_unavoidable",
        ),
    ),
    Fault(
        "a device may not idle",
        "mmviz/engine/graph.py",
        "if len(threads) < len(self.model.actors):",
        "if len(threads) > len(self.model.actors):",
        (
            "tests/engine/test_explore.py"
            "::test_a_device_may_idle_so_its_violation_is_never_unavoidable",
        ),
    ),
    Fault(
        "the point of no return is one step early",
        "mmviz/engine/escape.py",
        "return k + 1",
        "return k",
        (
            "tests/engine/test_escape.py"
            "::test_a_lost_update_comes_from_a_load_that_a_store_overtook",
        ),
    ),
    Fault(
        "the safe run that parts first is taken for the nearest",
        "mmviz/engine/escape.py",
        "for k in range(at - 1, -1, -1):",
        "for k in range(at):",
        ("tests/engine/test_escape.py",),
    ),
    Fault(
        "a device that still moves hides a deadlock",
        "mmviz/engine/escape.py",
        "if run.finished or set(tip.enabled) - set(run.case.daemons):",
        "if run.finished or tip.enabled:",
        ("tests/engine/test_escape.py",),
    ),
    Fault(
        "happens-before is not transitive",
        "mmviz/engine/causes.py",
        "before |= past[i] | {i}",
        "before |= {i}",
        ("tests/engine/test_causes.py",),
    ),
    Fault(
        "a read and a later write do not conflict",
        "mmviz/engine/causes.py",
        "both = (mine[1] & (theirs[0] | theirs[1])) | (mine[0] & theirs[1])",
        "both = mine[1] & (theirs[0] | theirs[1])",
        ("tests/engine/test_causes.py",),
    ),
    Fault(
        "steps under one lock race with each other",
        "mmviz/engine/causes.py",
        "if fields and _earlier(run, past, i, j) is not None:",
        "if fields:",
        ("tests/engine/test_causes.py::test_two_critical_sections_race_at_their_locks_only",),
    ),
    Fault(
        "a chain of causes leaves out what an actor learned",
        "mmviz/engine/causes.py",
        "told = frame.answer is not None and frame.actor in asked",
        "told = False",
        ("tests/engine/test_escape.py",),
    ),
    # -- runs
    Fault(
        "a violation counts anew in each later frame",
        "mmviz/engine/frame.py",
        "self.broken - earlier,",
        "self.broken,",
        ("tests/engine/test_struct.py::test_a_complaint_is_remembered_and_the_run_goes_on",),
    ),
    Fault(
        "a write of the same value is a change",
        "mmviz/engine/frame.py",
        "if value != was[slot] and slot not in model.internal",
        "if slot not in model.internal",
        ("tests/engine/test_report.py",),
    ),
    Fault(
        "a lock is held since the latest step, whenever it was taken",
        "mmviz/engine/frame.py",
        "since = next((k for k, actor in writers if actor == who), 0)",
        "since = self.index if writers else 0",
        ("tests/engine/test_run.py",),
    ),
    Fault(
        "commas do not part the actors of a schedule",
        "mmviz/engine/run.py",
        r're.split(r"[\s,]+", schedule)',
        "schedule.split()",
        ("tests/engine/test_run.py::test_a_schedule_survives_being_written_down",),
    ),
    Fault(
        "a run in which only a device moved is called a loop",
        "mmviz/engine/run.py",
        "moved = moved or frame.actor in threads",
        "moved = True",
        ("tests/engine/test_escape.py",),
    ),
    Fault(
        "a list inside a tuple passes for immutable",
        "mmviz/engine/struct.py",
        "        for part in value:\n            immutable(part, where)\n",
        "",
        ("tests/engine/test_struct.py",),
    ),
    Fault(
        "freeing twice is not a use after free",
        "mmviz/engine/struct.py",
        'if not (key == "freed" and value is False):',
        'if key != "freed":',
        ("tests/engine/test_struct.py::test_freeing_twice_is_a_use_after_free",),
    ),
    Fault(
        "a step does not see what it has just written",
        "mmviz/engine/ledger.py",
        "return self.writes[slot] if slot in self.writes else self.cells[slot]",
        "return self.cells[slot]",
        ("tests/engine/test_escape.py",),
    ),
    Fault(
        "a field that was read between two steps may be written later",
        "mmviz/engine/ledger.py",
        "        if slot in self.frozen:\n"
        "            raise self._between_steps(slot, self.frozen[slot])\n",
        "",
        ("tests/engine/test_struct.py",),
    ),
    # -- cases, mutants, results
    Fault(
        "a bad state may be named Sometimes and Always",
        "mmviz/engine/race.py",
        "if expect[bad] != Verdict.NEVER:",
        "if expect[bad] == verdict:",
        ("tests/engine/test_race.py",),
    ),
    Fault(
        "an actor is given the variant in place of an argument with a default",
        "mmviz/engine/race.py",
        "return int(code.co_argcount) - given",
        "return int(code.co_argcount)",
        ("tests/engine/test_race.py",),
    ),
    Fault(
        "two cases of a race may have one id",
        "mmviz/engine/race.py",
        "if known.name == case.name or (case.id and known.id == case.id):",
        "if known.name == case.name:",
        ("tests/engine/test_race.py",),
    ),
    Fault(
        "the verdicts that a case declares are lost",
        "mmviz/engine/case.py",
        "never | expect)",
        "expect | never)",
        ("tests/engine/test_race.py",),
    ),
    Fault(
        "a mutant that deadlocks for some answers only counts as killed",
        "mmviz/engine/mutation.py",
        "if all(found) else frozenset()",
        "if any(found) else frozenset()",
        ("tests/engine/test_mutation.py",),
    ),
    Fault(
        "a lock is left out, and its dropping is not",
        "mmviz/engine/mutation.py",
        "        elif at in model.takes and answer is not False:",
        "        elif False:",
        ("tests/engine/test_mutation.py::test_a_lock_is_left_out_with_its_dropping",),
    ),
    Fault(
        "a state count above the declared one is accepted",
        "mmviz/engine/report.py",
        "if counts and case.states and case.states != self.states:",
        "if counts and case.states > self.states:",
        ("tests/engine/test_explore.py",),
    ),
    Fault(
        "the HTML of a notebook is not escaped",
        "mmviz/engine/html.py",
        "return html.escape(printable(text))",
        "return printable(text)",
        ("tests/engine/test_report.py",),
    ),
)

SCENE = (
    Fault(
        "a page of the timeline ends before the cursor",
        "mmviz/scene/timeline.py",
        "fresh = most - KEPT",
        "fresh = most",
        ("tests/scene/test_timeline.py",),
    ),
    Fault(
        "a future step shows its return value",
        "mmviz/scene/timeline.py",
        'seen = CLEAR if role == "future" else role',
        "seen = role",
        ("tests/scene/test_timeline.py",),
    ),
    Fault(
        "a field that was written and read is lit as read",
        "mmviz/scene/objects.py",
        '    if row.path in written:\n        return "written"\n'
        '    if row.path in frame.reads:\n        return "read"\n',
        '    if row.path in frame.reads:\n        return "read"\n'
        '    if row.path in written:\n        return "written"\n',
        ("tests/scene/test_pagetable.py::test_a_step_that_changes_one_field_highlights_one_row",),
    ),
    Fault(
        "a reference to a freed object looks like any other",
        "mmviz/scene/objects.py",
        '            role = "dangling"\n',
        '            role = "link"\n',
        ("tests/scene/test_objects.py",),
    ),
    Fault(
        "a shelf of cards lies on the one above",
        "mmviz/scene/layout.py",
        "x, y, shelf = left, y + shelf + GAP / 2, 0.0",
        "x, y, shelf = left, y + GAP / 2, 0.0",
        (
            "tests/scene/test_every_scene.py::test_every_picture_is_legible_and_its_marks_stay_in_place[iommu_group/warn_at_removal]",
        ),
    ),
    Fault(
        "the end of an invalidation closes another actor's",
        "mmviz/scene/windows.py",
        "mine = [one for one in mine if one.actor == frame.actor][::-1] or mine",
        "mine = mine[::-1]",
        ("tests/scene/test_notifier.py::test_overlapping_windows_are_listed_apart",),
    ),
    Fault(
        "a sample stays fresh when an invalidation begins",
        "mmviz/scene/samples.py",
        "if begins and (other or not sample.stale):",
        "if begins and not other:",
        (
            "tests/scene/test_notifier.py"
            "::test_a_sample_is_stale_from_the_step_that_begins_an_invalidation",
        ),
    ),
    Fault(
        "entries that agree are flagged, and those that do not are not",
        "mmviz/scene/peers.py",
        "return same if theirs is mine else differs",
        "return differs if theirs is mine else same",
        (
            "tests/scene/test_pagetable.py"
            "::test_cpu_and_device_entries_with_different_pages_are_flagged",
        ),
    ),
    Fault(
        "a lifetime shows the step after the cursor",
        "mmviz/scene/lifetime.py",
        "if index > k:",
        "if index > k + 1:",
        ("tests/scene/test_lifetime.py::test_steps_after_the_cursor_stay_hidden",),
    ),
    Fault(
        "the text of an SVG is not escaped",
        "mmviz/scene/svg.py",
        'xml:space="preserve">{escape(text.text)}</text>',
        'xml:space="preserve">{text.text}</text>',
        ("tests/scene/test_svg.py",),
    ),
    Fault(
        "quiet text is too pale to read",
        "mmviz/scene/theme.py",
        '"quiet": Style("#111111", "#4b535c", "#a3adb8"),',
        '"quiet": Style("#111111", "#4b535c", "#6b7580"),',
        ("tests/scene/test_theme.py",),
    ),
    Fault(
        "hidden causes can be clicked",
        "mmviz/scene/causes.py",
        'key = mark.key if is_visible else ""',
        "key = mark.key",
        ("tests/scene/test_causes.py::test_causes_stay_hidden_until_the_violation",),
    ),
    Fault(
        "a view that looks ahead says that it does not",
        "mmviz/scene/causes.py",
        'name, title, looks_ahead = "causes", "Causes", True',
        'name, title, looks_ahead = "causes", "Causes", False',
        (
            "tests/scene/test_every_scene.py::test_only_a_view_that_declares_it_looks_ahead"
            "[iommu_group/release_order]",
        ),
    ),
    Fault(
        "a deadlock is shown only for an actor that waits for itself",
        "mmviz/scene/locks.py",
        "if edge.other == start:",
        "if edge.other == here:",
        ("tests/scene/test_lock_view.py::test_a_deadlock_names_a_cycle_of_blocked_actors",),
    ),
    Fault(
        "locks that are taken in both orders are drawn like any others",
        "mmviz/scene/lock_order.py",
        'role = "bad" if order in ring else "blocked" if only_wants else "link"',
        'role = "blocked" if only_wants else "link"',
        (
            "tests/scene/test_lock_view.py::test_two_opposite_orders_are_a_cycle_and_one_order_is_not",
        ),
    ),
    Fault(
        "the strokes through a freed object come and go",
        "mmviz/scene/objects.py",
        "if can_be_freed(card.struct):",
        "if is_gone:",
        (
            "tests/scene/test_every_scene.py"
            "::test_every_picture_is_legible_and_its_marks_stay_in_place"
            "[iommu_group/release_order]",
        ),
    ),
    Fault(
        "the text of the page tables leaves the verdicts out",
        "mmviz/scene/pagetable.py",
        'words += f"  {verdict(table.entries[index], frame.values).words}"',
        'words += ""',
        (
            "tests/scene/test_pagetable.py"
            "::test_the_text_has_every_value_and_verdict_of_the_picture[sva/munmap_under_dma]",
        ),
    ),
    Fault(
        "an actor has no tip",
        "mmviz/scene/tips.py",
        'found[f"actor:{actor}"] = ',
        "found[actor] = ",
        (
            "tests/scene/test_every_scene.py"
            "::test_everything_that_a_reader_can_point_at_has_a_tip"
            "[iommu_group/release_order]",
        ),
    ),
    Fault(
        "a caption leaves out the return value",
        "mmviz/scene/words.py",
        "if frame.answer is not None:",
        "if frame.answer is None:",
        ("tests/scene/test_words.py",),
    ),
)

WIDGETS = (
    Fault(
        "an impossible run from the browser is taken",
        "mmviz/widgets/received.py",
        "        if after is None:",
        "        if after is None and not found:",
        ("tests/widgets/test_stage.py::test_an_impossible_run_is_refused_corrected_and_told",),
    ),
    Fault(
        "a choice made before begins another run",
        "mmviz/widgets/driver.py",
        "if each[: k + 1] == wanted]",
        "if each == wanted]",
        ("tests/widgets/test_stage.py::test_choosing_what_was_chosen_before_stays_on_the_run",),
    ),
    Fault(
        "a Driver lists the runs that break the promise",
        "mmviz/widgets/runs.py",
        "hidden = sealed and BAD in kinds.values()",
        "hidden = sealed and BAD not in kinds.values()",
        (
            "tests/widgets/test_stage.py::test_runs_that_give_the_answer_away_are_sealed_in_a_driver",
        ),
    ),
    Fault(
        "a closed stage keeps its film",
        "mmviz/widgets/stage.py",
        "self._prepared, self._is_away = None, False",
        "self._is_away = False",
        ("tests/widgets/test_stage.py::test_a_closed_stage_holds_no_film_and_says_so",),
    ),
    Fault(
        "a table keeps the stages that were opened before",
        "mmviz/widgets/cases.py",
        "                old.close()",
        "                del old",
        (
            "tests/widgets/test_debate.py::test_another_button_takes_the_stage_and_the_first_is_closed",
        ),
    ),
    Fault(
        "a complaint about an entry is not escaped",
        "mmviz/widgets/entry.py",
        "✗ {escape(words)}</div>",
        "✗ {words}</div>",
        ("tests/widgets/test_entry.py",),
    ),
    Fault(
        "the browser may set what only Python sets",
        "mmviz/widgets/stage.py",
        "                if check is None:\n                    continue",
        "                if check is None:\n                    taken[name] = value\n"
        "                    continue",
        ("tests/widgets/test_stage.py::test_what_python_alone_sets_is_not_taken_from_the_browser",),
    ),
    Fault(
        "each finding of a debate is a button",
        "mmviz/widgets/debate.py",
        'each.what if each in row.failing else "",',
        "each.what,",
        ("tests/widgets/test_debate.py::test_each_failing_cell_is_a_button_and_no_other",),
    ),
)

SURVEY = (
    Fault(
        "a case is found by one of several words",
        "mmviz/survey/catalogue.py",
        "return all(word in _steps(Whole(case)) for word in missing)",
        "return len(missing) < 2",
        ("tests/survey/test_debate.py::test_all_words_must_fit_and_nonsense_fits_nothing",),
    ),
    Fault(
        "cases without a day come first",
        "mmviz/survey/debate.py",
        'key=lambda case: provenance(case).when or "later"',
        "key=lambda case: provenance(case).when",
        (
            "tests/survey/test_debate.py::test_rows_are_in_the_order_of_the_days_and_those_without_a_day_come_last",
        ),
    ),
    Fault(
        "a bar in a cell ends the cell of a Markdown table",
        "mmviz/survey/markdown.py",
        r're.compile(r"([\\`*_\[\]<>|#~&])"',
        r're.compile(r"([\\`*_\[\]<>#~&])"',
        ("tests/survey/test_debate.py::test_text_is_escaped",),
    ),
    Fault(
        "a contract is called a bug",
        "mmviz/survey/debate.py",
        "NOT_COHERENT if agreed else report.said(bad_state)",
        "report.said(bad_state)",
        ("tests/survey/test_debate.py::test_a_contract_is_not_called_a_bug",),
    ),
    Fault(
        "a line of the race itself is called not decisive",
        "mmviz/survey/mutations.py",
        "                self.wrong - each and not unknown & each\n",
        "                each - self.wrong and not unknown & each\n",
        (
            "tests/survey/test_mutations.py::test_the_lines_of_the_race_itself_are_what_a_failing_case_needs_to_fail",
        ),
    ),
    Fault(
        "the status of a check is 0 whatever it finds",
        "mmviz/cli/check.py",
        "return 1 if report_unread(lost) or wrong else 0",
        "return 0",
        ("tests/test_cli.py::test_status_1_for_another_count_deadlock_or_livelock",),
    ),
    Fault(
        "mypy leaves its cache beside the file that is verified",
        "mmviz/cli/verify.py",
        'f"--cache-dir={os.devnull}"',
        '"--cache-dir=.mypy_cache"',
        ("tests/test_own_race.py::test_a_new_file_passes_every_check_and_is_not_written_over",),
    ),
    Fault(
        "the course replaces a file that the reader changed",
        "mmviz/cli/lab.py",
        "if found not in (mark, shipped_before.get(name)):",
        "if found in (mark, shipped_before.get(name)):",
        ("tests/test_cli.py::test_a_file_that_was_changed_is_kept_and_said",),
    ),
)

KERNEL = (
    Fault(
        "a spinlock lets its holder sleep",
        "mmviz/kernel/sync/locks.py",
        "forbids_sleep: ClassVar[bool] = True",
        "forbids_sleep: ClassVar[bool] = False",
        ("tests/kernel/test_locks.py",),
    ),
    Fault(
        "a lock is dropped without being held, and nothing complains",
        "mmviz/kernel/sync/locks.py",
        "    if section not in held or not this_way:\n",
        "    if section not in held or not this_way:\n        return\n",
        ("tests/kernel/test_locks.py",),
    ),
    Fault(
        "a semaphore held for writing is dropped by up_read(), and nothing complains",
        "mmviz/kernel/sync/locks.py",
        "    if section not in held or not this_way:\n",
        "    if section not in held:\n",
        ("tests/kernel/test_locks.py",),
    ),
    Fault(
        "a last step that returns an object is learned differently the second time",
        "mmviz/engine/relearn.py",
        "return super()._known_after(location, _moved(answer, self.back))",
        "return super()._known_after(location, answer)",
        ("tests/engine/test_held.py",),
    ),
    Fault(
        "a step that ends the run counts as learned each time, so a search has no end",
        "mmviz/engine/learn.py",
        "        self.learned += not effect.oops\n",
        "        self.learned += 1\n",
        ("tests/engine/test_livelock.py",),
    ),
    Fault(
        "a grace period waits for readers that came later",
        "mmviz/kernel/sync/rcu.py",
        "return any((waiter, reader) in self.awaited for reader in self.readers)",
        "return bool(self.readers)",
        ("tests/kernel/test_rcu.py",),
    ),
    Fault(
        "the last put of a reference returns False",
        "mmviz/kernel/sync/refcount.py",
        "        self.refs -= 1\n        return self.refs == 0",
        "        self.refs -= 1\n        return self.refs < 0",
        ("tests/kernel/test_refcount.py",),
    ),
    Fault(
        "a flush leaves the entry in the TLB",
        "mmviz/kernel/mm/tlb.py",
        "self.entries[address] = None",
        "self.entries[address] = self.entries[address]",
        ("tests/kernel/test_tlb.py",),
    ),
    Fault(
        "retry looks at the sequence and not at the count",
        "mmviz/kernel/notifier/mmu_notifier.py",
        "return self.mmu_invalidate_in_progress > 0 or self.mmu_invalidate_seq != seq",
        "return self.mmu_invalidate_seq != seq",
        ("tests/kernel/test_notifier.py",),
    ),
    Fault(
        "the no-execute bit is one too low",
        "mmviz/kernel/x86/layout.py",
        'flag("NX", 63, "nx", "The CPU may not',
        'flag("NX", 62, "nx", "The CPU may not',
        ("tests/kernel/test_x86_entry.py",),
    ),
    Fault(
        "the last release of a behaviour is left out",
        "mmviz/kernel/provenance.py",
        "asked <= release(self.last)",
        "asked < release(self.last)",
        ("tests/survey/test_debate.py::test_a_case_says_where_it_comes_from",),
    ),
)


ORDER = "mmviz/scenarios/iommu_group/release_order.py"
SCENARIOS = (
    Fault(
        "a fix drops the mutex for a moment",
        ORDER,
        "        await k.group.list_del(dev)\n        domain = await k.iommu.release_device(dev)\n"
        "        await k.iommu.detach_and_free(dev, domain)\n        await k.group.mutex",
        "        await k.group.list_del(dev)\n"
        "        await k.group.mutex.mutex_unlock()\n"
        "        await k.group.mutex.mutex_lock()\n"
        "        domain = await k.iommu.release_device(dev)\n"
        "        await k.iommu.detach_and_free(dev, domain)\n        await k.group.mutex",
        (
            "tests/test_scenarios.py::test_each_case_gets_the_verdicts_and_the_count_it_declares"
            "[iommu_group/release_order]",
        ),
    ),
    Fault(
        "a fix forgets to note the invalidation",
        "mmviz/scenarios/hmm/wait_is_no_proof.py",
        "        await k.interval.mmu_interval_set_seq(cur_seq)\n",
        "",
        (
            "tests/test_scenarios.py::test_each_case_gets_the_verdicts_and_the_count_it_declares"
            "[hmm/wait_is_no_proof]",
        ),
    ),
    Fault(
        "a case declares Always what is Sometimes",
        ORDER,
        'sometimes=[device_attached_to_freed_domain, "use_after_free"],\n    states=92,',
        'always=[device_attached_to_freed_domain, "use_after_free"],\n    states=92,',
        (
            "tests/test_scenarios.py::test_each_case_gets_the_verdicts_and_the_count_it_declares"
            "[iommu_group/release_order]",
        ),
    ),
    Fault(
        "a case declares one state too many",
        ORDER,
        "states=53,",
        "states=54,",
        (
            "tests/test_scenarios.py::test_each_case_gets_the_verdicts_and_the_count_it_declares"
            "[iommu_group/release_order]",
        ),
    ),
    Fault(
        "a case has no source",
        ORDER,
        "    source=RELEASE_FIRST,\n",
        "",
        ("tests/test_scenarios.py::test_every_case_says_where_it_comes_from",),
    ),
    Fault(
        "a comment calls a needed line redundant",
        "mmviz/scenarios/hmm/wait_is_no_proof.py",
        "await k.mm.wait_event(begun.seq)",
        "await k.mm.wait_event(begun.seq)  # redundant: the comparison comes later",
        (
            "tests/survey/test_mutations.py"
            "::test_no_comment_explains_a_line_whose_mutants_are_all_killed",
        ),
    ),
    Fault(
        "a redundant line has no comment",
        ORDER,
        "  # redundant: the extra reference keeps D\n",
        "\n",
        (
            "tests/test_scenarios.py"
            "::test_each_mutant_of_a_safe_case_is_killed_or_explained[iommu_group/release_order]",
        ),
    ),
    Fault(
        "a stored schedule has one step too many",
        ORDER,
        "CPU0*3 CPU1*10 CPU0*2",
        "CPU0*3 CPU1*11 CPU0*2",
        ("tests/test_scenarios.py::test_named_schedules_replay[iommu_group/release_order]",),
    ),
    Fault(
        "a mark forgets a value that the actor still needs",
        "mmviz/scenarios/hmm/wait_is_no_proof.py",
        "            await self.wait(k, begun)\n",
        '            mark("begun")\n            await self.wait(k, begun)\n',
        (
            "tests/test_scenarios.py::test_the_marks_of_the_actors_forget_nothing_they_need"
            "[hmm/wait_is_no_proof]",
        ),
    ),
    Fault(
        "an actor writes to the world itself",
        "mmviz/scenarios/exclusive/late_read_begin.py",
        "            await k.svmm.mmu_interval_read_begin()\n            if not",
        "            k.page = page\n"
        "            await k.svmm.mmu_interval_read_begin()\n            if not",
        ("tests/test_architecture.py::test_an_actor_writes_nothing_itself",),
    ),
    Fault(
        "a step does not cite its kernel file",
        "mmviz/kernel/sync/locks.py",
        '@atomic("kernel/locking/mutex.c", when=',
        '@atomic("mutex", when=',
        (
            "tests/test_scenarios.py::test_every_step_says_what_it_does_and_where_it_comes_from"
            "[iommu_group/release_order]",
        ),
    ),
)

HOUSE = (
    Fault(
        "a view has a colour of its own",
        "mmviz/scene/objects.py",
        "HATCH, SLANT = 4.0, 2.0",
        'INK, HATCH, SLANT = "#d0d0d0", 4.0, 2.0',
        ("tests/test_architecture.py::test_only_the_theme_holds_a_colour",),
    ),
    Fault(
        "a view imports the races",
        "mmviz/scene/reach.py",
        "from mmviz.engine import ",
        "from mmviz.scenarios import names as races\nfrom mmviz.engine import ",
        ("tests/test_architecture.py::test_imports_look_down",),
    ),
    Fault(
        "a view writes to the world of a frame",
        "mmviz/scene/objects.py",
        "    marks: list[Box | Line | Text] = []\n    for card in plan.cards:",
        "    frame.world.name = actors\n"
        "    marks: list[Box | Line | Text] = []\n    for card in plan.cards:",
        ("tests/test_architecture.py::test_only_the_engine_acts",),
    ),
    Fault(
        "a view reads packed states",
        "mmviz/scene/reach.py",
        "len(self.values[path]) > 1",
        "bool(self.world._ledger.bits[0].mask)",
        ("tests/test_architecture.py::test_a_view_asks_the_model_and_reads_no_packed_deltas",),
    ),
    Fault(
        "two models have one name",
        "mmviz/kernel/mm/tlb.py",
        "class Tlb(Struct):",
        "class Page(Struct):",
        ("tests/test_architecture.py::test_no_name_of_the_kernel_is_defined_twice",),
    ),
    Fault(
        "the text of a table is parsed as HTML",
        "mmviz/widgets/cases.js",
        "part.append(...breakable(text));",
        "part.innerHTML = text;",
        (
            "tests/widgets/test_stage.py"
            "::test_what_runs_in_the_browser_needs_no_network_and_never_parses_data_as_html",
        ),
    ),
)

BROWSER = (
    Fault(
        "an arrow key goes the wrong way",
        "mmviz/browser/keys.js",
        'ArrowUp: "back",',
        'ArrowUp: "next",',
        ("tests/ui/test_stage.py::test_keys_step_and_none_leaks_to_jupyterlab_and_tab_leaves",),
    ),
    Fault(
        "each view of a stage has a run of its own",
        "mmviz/browser/stage.js",
        'layout && typeof layout === "object" ? layout : model;',
        "model;",
        ("tests/ui/test_stage.py::test_two_views_of_one_stage_show_one_run",),
    ),
)

LITMUS_TESTS = ("tests/reading/test_litmus.py",)
LITMUS = (
    Fault(
        "a store buffer drains its newest store first",
        "mmviz/kernel/sync/store_buffer.py",
        "oldest, *rest = self.stores",
        "*rest, oldest = self.stores",
        LITMUS_TESTS,
    ),
    Fault(
        "a read-side section ends before its stores have drained",
        "mmviz/reading/litmus_race.py",
        'use.buffer.put(own, "left", own.entered)',
        "own.left = own.entered",
        LITMUS_TESTS,
    ),
    Fault(
        "a lock is dropped while the stores under it still wait",
        "mmviz/reading/litmus_race.py",
        'buffer.put(lock, "owner", None)',
        "lock.owner = None",
        LITMUS_TESTS,
    ),
    Fault(
        "a locked instruction does not wait for the store buffer",
        "mmviz/reading/litmus_race.py",
        "WAITS = {steps.FENCE, steps.LOCKED,",
        "WAITS = {steps.FENCE,",
        LITMUS_TESTS,
    ),
    Fault(
        "the reduction forgets that a store meets a later load",
        "mmviz/reading/litmus_order.py",
        "if writes & (its_reads | its_writes) or reads & its_writes:",
        "if writes & its_writes or reads & its_writes:",
        LITMUS_TESTS,
    ),
    Fault(
        "the reduction forgets what waits in other store buffers",
        "mmviz/reading/litmus_order.py",
        "later.append(place.later | waiting.later)",
        "later.append(place.later)",
        LITMUS_TESTS,
    ),
    Fault(
        "an implication binds less than a conjunction",
        "mmviz/reading/litmus_text.py",
        "found = [self._implies()]",
        "found = [self._not()]",
        LITMUS_TESTS,
    ),
    Fault(
        "of a comparison the operands are exchanged",
        "mmviz/reading/litmus_x86.py",
        "return left - right",
        "return right - left",
        LITMUS_TESTS,
    ),
)

COMMAND_LINE = (
    Fault(
        "a link whose checksum is wrong is opened",
        "mmviz/engine/link.py",
        "if _in_letters(said.digest(), CHECKED) == last[1]:",
        "if last[1]:",
        ("tests/test_link.py",),
    ),
    Fault(
        "a damaged link is passed over where another is whole",
        "mmviz/engine/link.py",
        '''            yield ""''',
        """            continue""",
        ("tests/test_link.py",),
    ),
    Fault(
        "a run that does something else is not told",
        "mmviz/engine/link.py",
        "if mine != other",
        "if mine + other in ()",
        ("tests/test_link.py",),
    ),
    Fault(
        "a text of a reader steers the terminal",
        "mmviz/cli/__init__.py",
        "shown = printable(text)",
        "shown = text",
        ("tests/test_command_words.py",),
    ),
    Fault(
        "a docstring of a reader turns the text on the stage",
        "mmviz/engine/case.py",
        """printable(lines[0].rstrip("."))""",
        """lines[0].rstrip(".")""",
        ("tests/ui/test_hostile_pages.py",),
    ),
    Fault(
        "colours are forced on a terminal that wants none",
        "mmviz/cli/colour.py",
        """if os.environ.get("NO_COLOR"):""",
        """if os.environ.get("NO_COLOUR"):""",
        ("tests/test_command_words.py",),
    ),
)

LESSONS = (
    Fault(
        "a student gets the answers",
        "mmviz/lessons/editions.py",
        "ANSWER: {TEACHER},",
        "ANSWER: {TEACHER, STUDENT},",
        ("tests/lessons/test_editions.py",),
    ),
    Fault(
        "a student gets the teacher's board in the metadata",
        "mmviz/lessons/editions.py",
        'else ("minutes",)',
        'else ("minutes", "board")',
        ("tests/lessons/test_editions.py",),
    ),
    Fault(
        "a question reveals its answer in the student's file",
        "mmviz/lessons/editions_code.py",
        "isinstance(part.value, str) and part.value not in MADE_THEN",
        "part.value is None",
        ("tests/lessons/test_editions.py",),
    ),
    Fault(
        "code that was not touched earns points",
        "mmviz/lessons/grading_points.py",
        "if not card.right and not _improves(rows, asked):",
        "if not rows:",
        ("tests/lessons/test_grading.py",),
    ),
    Fault(
        "code that does nothing earns points",
        "mmviz/lessons/grading_points.py",
        "if not card.does_its_job:",
        "if not card:",
        ("tests/lessons/test_grading.py",),
    ),
    Fault(
        "every run that breaks the promise is a shortest one",
        "mmviz/lessons/grading_points.py",
        "if broken <= best:",
        "if broken:",
        ("tests/lessons/test_grading.py",),
    ),
    Fault(
        "the default of an argument runs before it is judged",
        "mmviz/lessons/grading_answer.py",
        'raise Refused(f"{at}the default of an argument is a plain value")',
        "pass",
        ("tests/lessons/test_grading.py",),
    ),
    Fault(
        "two kernels write progress without a lock",
        "mmviz/lessons/progress_file.py",
        "while not _take(file):",
        "while not file:",
        ("tests/lessons/test_progress.py",),
    ),
    Fault(
        "a kernel that is killed leaves half a file",
        "mmviz/lessons/progress_file.py",
        """        os.replace(name, path)
""",
        """        path.write_text(content[:9])
        os.replace(name, path)
""",
        ("tests/lessons/test_progress.py",),
    ),
    Fault(
        "a file that cannot be read is lost",
        "mmviz/lessons/progress_file.py",
        "os.link(path, aside)",
        "aside.write_bytes(bytes())",
        ("tests/lessons/test_progress.py",),
    ),
    Fault(
        "a later answer replaces the first",
        "mmviz/lessons/progress.py",
        "entries.setdefault(question,",
        "entries.__setitem__(question,",
        ("tests/lessons/test_progress.py",),
    ),
    Fault(
        "a run counts as seen before it is watched",
        "mmviz/widgets/kept.py",
        "tried.append(seen[:k])",
        "tried.append(seen)",
        ("tests/lessons/test_progress.py",),
    ),
)

FAULTS = (*ENGINE, *SCENE, *WIDGETS, *SURVEY, *KERNEL, *SCENARIOS, *HOUSE, *BROWSER, *LITMUS)
FAULTS += COMMAND_LINE
FAULTS += LESSONS
