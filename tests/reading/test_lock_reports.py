"""Reports of lockdep, words replaced and layout kept, and some written here: each is a race."""

import json
import textwrap
import time
from pathlib import Path

import pytest

import mmviz
from mmviz.cli import main
from mmviz.engine import MmvizError, replay

REPORTS = Path(__file__).parent / "reports"
SAMPLES = {  # kind, locks, actors, "" or a part of why it is refused
    "02": ("circular", 4, 5, ""),
    "05": ("circular", 2, 2, ""),
    "09": ("inconsistent", 1, 1, ""),
    "10": ("irq inversion", 2, 2, ""),
    "14": ("recursive", 1, 1, ""),
    "19": ("", 0, 0, "names no order of them"),
    "25": ("circular", 2, 2, ""),
    "30": ("circular", 3, 3, ""),
    "33": ("recursive", 1, 1, ""),
    "36": ("circular", 11, 9, ""),
    "41": ("circular", 0, 0, "lacks its link #1"),
}


def text_of(name):
    return (REPORTS / f"{name}.txt").read_bytes().decode("utf-8")


@pytest.mark.parametrize("name", SAMPLES)
def test_a_report_is_a_race_that_deadlocks(name):
    kind, locks, actors, refused = SAMPLES[name]
    found = mmviz.lockdep(text_of(name))

    assert (found.kind, len(found.locks), len(found.actors)) == (kind, locks, actors)
    assert refused in found.refused
    assert found.deadlock == (not refused)
    assert bool(found.refused) == bool(refused)
    if not refused:
        assert replay(found.case, found.schedule).deadlock
        assert found.notes[0].startswith("In the order of the report it deadlocks: ")


def test_a_table_that_shows_the_ends_of_a_chain_is_no_deadlock_by_itself():
    notes = " ".join(mmviz.lockdep(text_of("30")).notes)

    assert "The report's own table is no deadlock: it leaves out CPU2" in notes


def test_a_worker_holds_its_workqueue_and_its_work():
    found = mmviz.lockdep(text_of("36"))
    worker = [what for what, _ in found.actors["CPU8"]]

    assert worker == ["lock", "lock", "lock", "unlock", "complete", "complete"]
    assert found.actors["CPU0"][1] == ("wait", "(wq_completion)lemute")


def test_the_functions_between_are_those_above_the_one_that_the_report_names():
    chain = mmviz.lockdep(text_of("02")).chain

    assert chain[0] == ("pus_gura", "gah_sef_sebac")
    assert chain[-1] == ("&tah->zotot_kule", "tal_go_ifeg_sarur")


# -- reports written here ----------------------------------------------------------------------


def circular(locks, table=True, how=("lock", "lock", "lock", "lock")):
    """Return a report: locks[0] is being taken, locks[-1] is held."""
    last, usage = locks[-1], "{+.+.}-{4:4}"
    rows = [
        "======================================================",
        "WARNING: possible circular locking dependency detected",
        "6.15.0 #1 Not tainted",
        "------------------------------------------------------",
        "cat/812 is trying to acquire lock:",
        f"ffff88810b0a1234 ({locks[0]}){usage}, at: first_taker+0x25/0x80",
        "",
        "but task is already holding lock:",
        f"ffff88810b0a5678 ({last}){usage}, at: last_taker+0x15/0x80",
        "",
        "which lock already depends on the new lock.",
        "",
        "the existing dependency chain (in reverse order) is:",
    ]
    for number in range(len(locks) - 1, -1, -1):
        rows += ["", f"-> #{number} ({locks[number]}){usage}:"]
        rows += [
            f"       __mutex_lock+0x{number + 1}a/0xb40",
            f"       taker_of_{number}+0x17/0x30",
        ]
    if table:
        rows += ["", "other info that might help us debug this:", ""]
        if len(locks) > 2:
            rows += ["Chain exists of:", f"  {locks[0]} --> {locks[-2]} --> {last}", ""]
        rows += [" Possible unsafe locking scenario:", ""]
        rows += ["       CPU0                    CPU1", "       ----                    ----"]
        rows += [f"  {how[0]}({last});"]
        rows += [" " * 31 + f"{how[1]}({locks[-2]});", " " * 31 + f"{how[2]}({last});"]
        rows += [f"  {how[3]}({locks[0]});", "", " *** DEADLOCK ***", ""]
    return "\n".join(rows) + "\n"


NAMES = [
    "&q->limits_lock",
    "fs_reclaim",
    "&(&mm->lock)->rlock",
    "cpu_hotplug_lock",
    "&sb->s_type#8",
]
DRESSES = {
    "plain": lambda text: text,
    "quoted": lambda text: textwrap.indent(text, "> ", lambda _: True),
    "with times": lambda text: "".join(
        f"[ {100 + n / 1000:8.6f}] {row}\n" for n, row in enumerate(text.splitlines())
    ),
    "with thread ids": lambda text: "".join(
        f"[  607.{n:06}] [   T1313] {row}\n" for n, row in enumerate(text.splitlines())
    ),
    "from syslog": lambda text: "".join(
        f"Mar 26 20:52:22 host kernel: [  12.{n:06}] {row}\n"
        for n, row in enumerate(text.splitlines())
    ),
    "with levels": lambda text: "".join(
        f"<4>[    1.{n:06}] {row}\n" for n, row in enumerate(text.splitlines())
    ),
    "times on some rows": lambda text: "".join(
        f"[ 540.{n:06}] {row}\n" if n % 3 else f"{row}\n" for n, row in enumerate(text.splitlines())
    ),
    "wrapped": lambda text: text.replace(", at: ", ",\nat: "),
    "in a mail": lambda text: f"Hi,\n\nI see this:\n\n{text}\nThanks\n",
    "line ends of another system": lambda text: text.replace("\n", "\r\n"),
}


@pytest.mark.parametrize("dress", DRESSES)
@pytest.mark.parametrize("count", [2, 3, 5])
def test_what_mailers_and_loggers_add_does_not_matter(dress, count):
    found = mmviz.lockdep(DRESSES[dress](circular(NAMES[:count])))

    assert (found.refused, found.kind, found.deadlock) == ("", "circular", True)
    assert found.locks == NAMES[:count]
    assert [lock for lock, _ in found.chain] == NAMES[count - 1 :: -1]
    assert [function for _, function in found.chain] == [
        f"taker_of_{number}" for number in range(count - 1, -1, -1)
    ]


def test_a_chain_is_enough():
    with_table, without = (mmviz.lockdep(circular(NAMES[:3], table)) for table in (True, False))

    assert without.actors == with_table.actors
    assert without.deadlock


def test_a_table_is_enough():
    text = circular(NAMES[:2])
    found = mmviz.lockdep(text[text.index(" Possible unsafe") :])

    assert found.deadlock
    assert found.actors["CPU1"][:2] == [("lock", NAMES[0]), ("lock", NAMES[1])]


def test_readers_and_writers():
    found = mmviz.lockdep(circular(NAMES[:2], how=("rlock", "lock", "lock", "rlock")))

    assert found.deadlock
    assert found.actors["CPU0"][:2] == [("rlock", NAMES[1]), ("rlock", NAMES[0])]


def test_a_grace_period_waits_for_readers():
    text = circular(["&srcu", "&mm->lock"], how=("lock", "rlock", "lock", "sync"))
    found = mmviz.lockdep(text)

    assert found.deadlock
    assert found.actors["CPU0"] == [
        ("lock", "&mm->lock"),
        ("sync", "&srcu"),
        ("unlock", "&mm->lock"),
    ]


UNSAFE = """
=====================================================
WARNING: SOFTIRQ-safe -> SOFTIRQ-unsafe lock order detected
6.15.0 #1 Not tainted
-----------------------------------------------------
cat/812 [HC0[0]:SC0[2]:HE1:SE0] is trying to acquire:
ffff8881 (&b->lock){+.+.}-{3:3}, at: taker+0x25/0x80

and this task is already holding:
ffff8882 (&a->lock){..-.}-{3:3}, at: holder+0x25/0x80
which would create a new lock dependency:
 (&a->lock){..-.}-{3:3} -> (&b->lock){+.+.}-{3:3}

other info that might help us debug this:

 Possible interrupt unsafe locking scenario:

       CPU0                    CPU1
       ----                    ----
  lock(&b->lock);
                               local_irq_disable();
                               lock(&a->lock);
                               lock(&b->lock);
  <Interrupt>
    lock(&a->lock);

 *** DEADLOCK ***
"""


def test_an_interrupt_takes_a_lock_whose_holder_waits():
    found = mmviz.lockdep(UNSAFE)

    assert (found.kind, found.deadlock) == ("irq unsafe", True)
    assert found.actors["CPU0"][:3] == [
        ("lock", "&b->lock"),
        ("interrupt", None),
        ("lock", "&a->lock"),
    ]
    assert found.actors["CPU1"][0] == ("irq_off", None)
    assert found.actors["CPU1"][-1] == ("irq_on", None)


def test_reading_twice_deadlocks_with_a_writer_between():
    text = text_of("14").replace("lock(butusu", "rlock(butusu")
    found = mmviz.lockdep(text)

    assert found.deadlock
    assert set(found.actors) == {"CPU0", "CPU1"}


def test_a_writer_that_is_added_is_no_longer_chain():
    text = circular(NAMES[:2], how=("rlock", "lock", "rlock", "lock"))
    notes = " ".join(mmviz.lockdep(text[text.index(" Possible unsafe") :]).notes)

    assert "CPU2 is a writer that waits between them" in notes
    assert "longer chain" not in notes


def test_reclaim_may_take_a_lock_that_sleeps():
    found = mmviz.lockdep(text_of("reclaim"))
    run = replay(found.case, found.schedule)

    assert [frame.label for frame in run.frames[1:]] == [
        "mutex_lock(&teal->pond)",
        "try_to_free_pages(allocation of CPU0)",
    ]


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("WARNING: suspicious RCU usage\n6.1 #1\n", "outside of its read section"),
        ("[ BUG: bad unlock balance detected! ]\n", "dropped that is not held"),
        ("[ BUG: Invalid wait context ]\n", "sleeping is forbidden"),
        ("Dear all,\n\nplease find attached.\n", "no report of lockdep"),
        ("", "no report of lockdep"),
        ("x" * 70_000, "64 KiB"),
        (circular(NAMES[:2])[:500], "neither its chain"),
    ],
)
def test_what_lacks_a_lock_order_is_refused(text, why):
    found = mmviz.lockdep(text)

    assert why in found.refused
    assert found.case is None
    assert found.json()["deadlock"] is False


def test_the_race_can_be_played_and_safe_orders_are_there():
    case = mmviz.lockdep(circular(NAMES[:2])).case

    assert case.deadlock  # so a Driver asks for it
    assert replay(case, "CPU0*4 CPU1*4").finished
    assert mmviz.possible(case, "CPU0 is done and CPU1 is done")


def test_nothing_of_a_report_is_markup_or_runs():
    text = circular(["<b>&x</b>", "__import__('os').abort()"])
    found = mmviz.lockdep(text)

    assert found.deadlock
    assert "<b>" not in found._repr_html_()


@pytest.mark.parametrize("wrong", [5, None, b"WARNING"])
def test_a_report_is_text(wrong):
    with pytest.raises(MmvizError, match="a lock report is text, not"):
        mmviz.lockdep(wrong)


def test_the_command(tmp_path, capsys):
    file = tmp_path / "report.txt"
    file.write_text(circular(NAMES[:2]))

    assert main(["lockdep", str(file), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["schedule"] == ["CPU0", "CPU1"]
    assert found["chain"][0] == {"lock": NAMES[1], "function": "taker_of_1"}
    file.write_text("no report")
    assert main(["lockdep", str(file)]) == 1


def test_the_command_writes_its_stage(tmp_path, capsys):
    hostile = "</script><img src=x onerror=alert(1)>"
    report, page = tmp_path / "report.txt", tmp_path / "stage.html"
    report.write_text(circular([hostile, "&b->lock"]), "utf-8")

    assert main(["lockdep", str(report), "-o", str(page)]) == 0
    written = page.read_text("utf-8")
    assert "<img" not in written
    assert written.count("<table") == 1  # what the actors do, below the stage
    report.write_text("no report")
    assert main(["lockdep", str(report), "-o", str(page)]) == 1


HEADING = "WARNING: possible circular locking dependency detected\n"
LARGEST = 64 * 1024
LARGE = {
    "brackets": ("(" * 400 + "\n") * LARGEST,
    "uses": HEADING + "(a){\n" * LARGEST,
    "links": HEADING + "".join(f"-> #{n} (a{n}){{+.+.}}:\n" for n in range(999, -1, -1)),
    "open names": HEADING + "-> #1 (\nab\n" * LARGEST,
    "headings": HEADING * LARGEST,
    "tables": HEADING + "CPU0          CPU1\nlock(a);\n" * LARGEST,
    "a number": HEADING + "-> #999999999 (a){+.+.}:\n-> #0 (b){+.+.}:\n",
}


@pytest.mark.parametrize("name", LARGE)
def test_the_largest_text_is_answered_in_time(name):
    began = time.process_time()
    found = mmviz.lockdep(LARGE[name][:LARGEST])

    assert found.refused
    assert time.process_time() - began < 2  # a second, on a machine with little else to do


def test_a_table_whose_blanks_are_gone_is_not_read():
    text = circular(NAMES[:2])
    table = "\n".join(
        " ".join(row.split()) for row in text[text.index("       CPU0") :].split("\n")
    )

    assert mmviz.lockdep(table).refused
    assert mmviz.lockdep(text.replace(text[text.index("       CPU0") :], table)).deadlock


def test_a_chain_that_is_cut_is_not_closed_by_guessing():
    text = circular(NAMES[:4], table=False)
    without_one = text.replace(text[text.index("-> #2") : text.index("-> #1")], "")
    cut = mmviz.lockdep(text[: text.index("-> #0")])

    assert "lacks its link #2" in mmviz.lockdep(without_one).refused
    assert cut.locks == mmviz.lockdep(text).locks
    assert cut.chain[-1] == (NAMES[0], "")


def test_a_table_alone_of_a_longer_chain_says_what_is_missing():
    text = circular(NAMES[:4])
    found = mmviz.lockdep(text[text.index(" Possible unsafe") :])

    assert not found.deadlock
    assert "The table alone is no deadlock" in found.notes[0]
