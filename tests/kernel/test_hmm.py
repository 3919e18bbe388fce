"""A struct hmm carries its count in its own memory; an mm finds it in two ways."""

from mmviz.engine import World, field
from mmviz.kernel.hmm.hmm import Hmm, HmmMm

from .acting import act, steps


class OneHmm(World):
    hmm: Hmm = field(default_factory=Hmm)
    mm: HmmMm = field(default_factory=lambda: HmmMm(None, None))

    def __post_init__(self):
        self.mm.hmm = self.mm.notifier = self.hmm


def test_a_get_on_a_freed_hmm_stops_the_machine():
    run = act(OneHmm, "A*2", A=steps("hmm.kfree", "hmm.kref_get_unless_zero"))

    assert run.tip.violated == ("use_after_free",)
    assert "uses hmm.refs" in run.tip.log[0]


def test_the_mirrors_of_a_live_hmm_are_called_and_those_of_a_freed_one_stop_the_machine():
    sync = "hmm.sync_cpu_device_pagetables"

    assert act(OneHmm, "A", A=steps(sync)).tip.answer == 1
    assert act(OneHmm, "A*2", A=steps("hmm.list_del_init", sync)).tip.answer == 0
    assert act(OneHmm, "A*2", A=steps("hmm.kfree", sync)).tip.violated == ("use_after_free",)


def test_the_list_and_the_pointer_are_cleared_separately():
    async def unlink(k):
        await k.mm.mmu_notifier_unregister_no_release(k.hmm)

    async def forget(k):
        await k.mm.forget(k.hmm)

    async def looks(k):
        await k.mm.hlist_for_each_entry_rcu()
        await k.mm.read_once_hmm()

    def found(schedule):
        run = act(OneHmm, schedule, U=unlink, F=forget, L=looks)
        return [frame.answer is not None for frame in run.frames[-2:]]

    assert found("L*2") == [True, True]
    assert found("U L*2") == [False, True]
    assert found("F L*2") == [True, False]


def test_a_vm_bug_on_stops_the_machine():
    async def finds_none(k):
        await k.mm.VM_BUG_ON("hmm == NULL")

    run = act(OneHmm, "A", A=finds_none)

    assert run.tip.violated == ("null_dereference",)
    assert run.tip.label == "VM_BUG_ON(hmm == NULL)"
