"""Interrupts between CPUs, TLB flushes that wait for them, and per-CPU variables."""

import pytest

from mmviz.engine import Case, Map, ScheduleError, Verdict, World, at_end, explore, replay
from mmviz.kernel.mm.page import Page
from mmviz.kernel.mm.pagetable import PageTable
from mmviz.kernel.mm.tlb import Tlb, TlbShootdown
from mmviz.kernel.sync.irq import Interrupts
from mmviz.kernel.sync.percpu import PerCpu, Placement
from mmviz.kernel.sync.smp import take_interrupts
from tests.kernel.acting import act

HERE = "0x1000"


class Machine(World):
    page: Page
    cpu: PageTable
    irq: Interrupts
    tlb0: Tlb
    tlb1: Tlb
    flush: TlbShootdown


def machine():
    page, irq = Page(7), Interrupts()
    tlbs = Tlb(Map({HERE: page})), Tlb(Map({HERE: page}))
    flush = TlbShootdown(irq, tlbs=Map({"CPU0": tlbs[0], "CPU1": tlbs[1]}))
    return Machine(page, PageTable(Map({HERE: page})), irq, *tlbs, flush)


async def flushes(k):
    await k.flush.flush_tlb_range(HERE)


async def interrupt(k):
    await take_interrupts(k.flush, "CPU1")


async def irqs_off(k):
    await k.irq.local_irq_save()
    await k.irq.local_irq_restore()


ACTORS = {"CPU0": flushes, "CPU1": irqs_off, "IRQ1": interrupt}


def test_a_flush_is_sent_answered_and_waited_for():
    sent = act(machine, "CPU0*2", **ACTORS)
    assert sent.tip.world.tlb0.entries[HERE] is None
    assert sent.tip.world.tlb1.entries[HERE] is not None
    assert sent.blocked().keys() == {"CPU0"}

    sent.step("IRQ1")
    assert sent.tip.world.tlb1.entries[HERE] is None
    sent.step("CPU0")
    assert sent.tip.done == ("CPU0",)


def test_a_cpu_with_interrupts_off_answers_when_they_are_on_again():
    with pytest.raises(ScheduleError):
        act(machine, "CPU1 CPU0*2 IRQ1", **ACTORS)
    assert act(machine, "CPU1 CPU0*2 CPU1 IRQ1 CPU0", **ACTORS).tip.done == ("CPU0", "CPU1")


def test_a_cpu_that_turns_them_off_after_its_answer_keeps_the_sender_no_longer():
    assert act(machine, "CPU0*2 IRQ1 CPU1 CPU0", **ACTORS).tip.done == ("CPU0",)


def test_two_cpus_that_send_with_interrupts_off_deadlock_and_lockdep_complains():
    class Both(World):
        irq: Interrupts
        one: TlbShootdown
        two: TlbShootdown

    def world():
        irq, tlb = (
            Interrupts(),
            Map({"CPU0": Tlb(Map({HERE: None})), "CPU1": Tlb(Map({HERE: None}))}),
        )
        return Both(irq, TlbShootdown(irq, tlbs=tlb), TlbShootdown(irq, tlbs=tlb))

    def sender(name):
        async def sends(k):
            await k.irq.local_irq_save()
            await getattr(k, name).flush_tlb_range(HERE)
            await k.irq.local_irq_restore()

        return sends

    async def irq0(k):
        await take_interrupts(k.two, "CPU0")

    async def irq1(k):
        await take_interrupts(k.one, "CPU1")

    report = explore(
        Case(
            name="Both",
            world=world,
            actors={"CPU0": sender("one"), "CPU1": sender("two"), "IRQ0": irq0, "IRQ1": irq1},
            daemons=("IRQ0", "IRQ1"),
            bad=("lockdep_complains",),
        )
    )
    assert report.deadlock is not None
    assert report.verdicts["lockdep_complains"] != Verdict.NEVER


def test_ptep_get_and_clear_leaves_the_tlb_alone():
    async def clears(k):
        await k.cpu.ptep_get_and_clear(HERE)

    run = act(machine, "CPU0", CPU0=clears)
    assert run.tip.world.cpu.pte[HERE] is None
    assert run.tip.world.tlb1.entries[HERE] is run.tip.world.page


class Counters(World):
    cpus: Placement
    count: PerCpu[int]


def counters():
    cpus = Placement(Map({"A": "CPU0", "B": "CPU0"}))
    return Counters(cpus, PerCpu(cpus, Map({"CPU0": 0, "CPU1": 0})))


async def adds(k):
    count = await k.count.this_cpu_read()
    await k.count.this_cpu_write(count + 1)


async def moves(k):
    await k.cpus.migration_cpu_stop("A", "CPU1")


def test_a_task_uses_the_copy_of_the_cpu_it_is_on_at_each_step():
    run = act(counters, "A S A", A=adds, S=moves)
    copy = run.tip.world.count.copy
    assert (copy["CPU0"], copy["CPU1"]) == (0, 1)


@pytest.mark.parametrize("how", ["preempt_disable", "migrate_disable"])
def test_a_task_that_keeps_its_cpu_is_not_moved(how):
    async def keeps(k):
        await getattr(k.cpus, how)()

    with pytest.raises(ScheduleError):
        act(counters, "A S", A=keeps, S=moves)


def test_only_disabled_preemption_keeps_other_tasks_off_the_cpu():
    def task(how):
        async def keeps(k):
            await getattr(k.cpus, how)()

        return keeps

    assert act(counters, "A B", A=task("migrate_disable"), B=adds).tip.actor == "B"
    with pytest.raises(ScheduleError):
        act(counters, "A B", A=task("preempt_disable"), B=adds)


def test_tasks_on_another_cpu_are_not_kept():
    async def keeps(k):
        await k.cpus.preempt_disable()

    assert act(counters, "S B A", A=adds, B=keeps, S=moves).tip.actor == "A"


def test_this_cpu_add_loses_nothing():
    @at_end
    def lost(k):
        """The counters do not add up."""
        return sum(k.count.copy.values()) != 2

    async def adds_at_once(k):
        await k.count.this_cpu_add(1)

    def verdict(add):
        actors = {"A": add, "B": add, "S": moves}
        case = Case(name="Add", world=counters, actors=actors, daemons=("S",), bad=(lost,))
        return explore(case).verdicts["lost"]

    assert verdict(adds_at_once) == Verdict.NEVER
    assert verdict(adds) == Verdict.SOMETIMES


def test_per_cpu_reads_any_cpus_copy():
    async def looks(k):
        await k.count.this_cpu_add(3)
        await k.count.per_cpu("CPU1")

    case = Case(name="Look", world=counters, actors={"A": looks}, bad=())
    assert replay(case, "A A").tip.answer == 0
