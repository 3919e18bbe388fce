"""Diagrams as kernel reviewers write them, and what a reading of the race's code says of each.

They have the kernel's names of functions, miss steps, have columns in another order, and prose.
"""

from typing import NamedTuple


class Drawn(NamedTuple):
    """A diagram, the race that it is judged by ("" for the catalogue), and the answer.

    `verdict` is None where no case is recognised; `line` None where any will do; `reason` is a part
    of the sentence.
    """

    race: str
    verdict: str | None
    line: int | None
    scenario: str
    reason: str
    text: str


DRAWN = {
    "swap1": Drawn(
        "",
        "feasible",
        None,
        "swap/",
        "write_lost",
        """\
CPU0                                CPU1
do_swap_page()                      do_swap_page()
  swap_read_folio()
                                      swap_read_folio()
                                      swap_free()
                                      set_pte_at()
                                    <writes to the page>
                                    <page swapped out to the same slot>
  pte_same()  // still the same
  swap_free()
  set_pte_at()  // stale data
""",
    ),
    "swap2 fixorder": Drawn(
        "",
        "feasible",
        None,
        "swap/",
        "write_lost",
        """\
CPU0                            CPU1
----                            ----
do_swap_page()                  do_swap_page()
swap_read_folio()               swap_read_folio()
                                set_pte_at()
                                swap_free()
pte_same()
swap_free()
set_pte_at()
""",
    ),
    "swap3 merged": Drawn(
        "swap/skip_swapcache:SleepForATick",
        "infeasible",
        6,
        "swap/",
        "",
        """\
CPU0                            CPU1
----                            ----
swapcache_prepare()
swap_read_folio()
                                swapcache_prepare()
                                swap_read_folio()
pte_same()
set_pte_at()
""",
    ),
    "mremap1": Drawn(
        "",
        "feasible",
        None,
        "mremap/",
        "cpu_reaches_freed_page",
        """\
CPU0 (mremap)                   CPU1 (reader)           kswapd
-------------                   -------------           ------
spin_lock(old_ptl)
spin_lock_nested(new_ptl)
                                translate()
pte = ptep_get_and_clear(mm, old_addr, old_pte);
set_pte_at(mm, new_addr, new_pte, pte);
spin_unlock(new_ptl)
spin_unlock(old_ptl)
                                                        ptep_get_and_clear()
                                                        flush_tlb_range()
                                                        put_page()  // page is free
flush_tlb_range()
""",
    ),
    "mremap2 fixed": Drawn(
        "mremap/flush_before_unlock:FlushUnderNewLock",
        "infeasible",
        8,
        "mremap/",
        "held by CPU0",
        """\
CPU0                            CPU1                    kswapd
ptep_get_and_clear()
set_pte_at()
                                                        ptep_get()



                                                        spin_lock(ptl)
flush_tlb_range()
""",
    ),
    "td1": Drawn(
        "",
        "feasible",
        None,
        "teardown/reset_times_out",
        "use_after_free",
        """\
CPU0                                    kworker
queue_work(&data->reset_work)
                                        adf_device_reset_worker()
                                          adf_dev_restart()
wait_for_completion_timeout() // times out
kfree(data)
                                          complete(&data->compl) // UAF
""",
    ),
    "td2": Drawn(
        "teardown/reset_times_out:CancelThenFree",
        "infeasible",
        6,
        "teardown/",
        "",
        """\
CPU0                                    kworker
----                                    -------
queue_work(&data->reset_work)
                                        process_one_work()
wait_for_completion_timeout() // 0
kfree(data)
                                        adf_dev_restart()
""",
    ),
    "td3": Drawn(
        "",
        "feasible",
        None,
        "teardown/rearm",
        "use_after_free",
        """\
CPU0 (close)                            softirq
------------                            -------
                                        expire_timers()
del_timer(&qca->wake_retrans_timer)
destroy_workqueue(qca->workqueue)
kfree(qca)
                                        queue_work(&qca->ws_awake_device)  // UAF
""",
    ),
    "td4": Drawn(
        "teardown/rearm_each_other:ShutdownThenDestroy",
        "infeasible",
        4,
        "teardown/",
        "",
        """\
timers                                  CPU0
------                                  ----
expire_timers()
                                        timer_shutdown_sync()
                                        destroy_workqueue()
queue_work()
""",
    ),
    "td4b": Drawn(
        "teardown/rearm_each_other:ShutdownThenDestroy",
        "infeasible",
        4,
        "teardown/",
        "timers",
        """\
timers                                  CPU0
------                                  ----
expire_timers()
                                        timer_shutdown_sync()
                                        destroy_workqueue()
queue_work()
""",
    ),
    "td5": Drawn(
        "",
        "feasible",
        None,
        "teardown/cancel",
        "use_after_free",
        """\
CPU0                    kworker
free_irq(irq)
                        process_one_work()
cancel_delayed_work()
kfree(p)
                        read_level() // UAF
""",
    ),
    "td6": Drawn(
        "teardown/cancel_is_not_sync:FreeIrqThenCancelSync",
        "infeasible",
        5,
        "teardown/",
        "kworker",
        """\
CPU0                    kworker
----                    -------
                        process_one_work()
free_irq()
cancel_delayed_work_sync()
kfree()
                        read_level()
""",
    ),
    "vm1": Drawn(
        "",
        "feasible",
        None,
        "vmstat/",
        "update_is_lost",
        """\
Task A                          Task B
------                          ------
this_cpu_read(diff)
                                this_cpu_read(diff)
                                this_cpu_write(diff)
this_cpu_write(diff)
""",
    ),
    "vm2": Drawn(
        "vmstat/update_is_preempted:OneInstruction",
        "unknown",
        None,
        "vmstat/",
        "",
        """\
Task A                          Task B
------                          ------
this_cpu_read(diff)
                                this_cpu_write(diff)
""",
    ),
    "vm3": Drawn(
        "vmstat/update_is_preempted:PreemptDisable",
        "harmless",
        None,
        "vmstat/",
        "",
        """\
Task A                          Task B
------                          ------
preempt_disable()
this_cpu_read(diff)
this_cpu_write(diff)
preempt_enable()
                                preempt_disable()
                                this_cpu_read(diff)
""",
    ),
    "ig1": Drawn(
        "",
        "feasible",
        None,
        "iommu_group/",
        "device_attached_to_freed_domain",
        """\
      CPU0                              CPU1
      ----                              ----
 mutex_lock(&group->mutex)
 list_del(&a->list)
 mutex_unlock(&group->mutex)
                                   iommu_detach_group(domain, group)
                                   iommu_domain_free(domain)
 release_device(a)   <- a is still attached
""",
    ),
    "ig2": Drawn(
        "iommu_group/release_order:ReleaseUnderMutex",
        "infeasible",
        5,
        "iommu_group/release_order",
        "held by CPU0",
        """\
CPU0                               CPU1
mutex_lock(&group->mutex)
list_del(&a->list)

                                   mutex_lock(&group->mutex)
release_device(a)
mutex_unlock(&group->mutex)
""",
    ),
    "ig3 swapped": Drawn(
        "iommu_group/release_order:ReleaseUnderMutex",
        "infeasible",
        7,
        "iommu_group/release_order",
        "held by CPU0",
        """\
Consider:

CPU1                               CPU0
----                               ----
                                   mutex_lock(&group->mutex)
                                   list_del(&a->list)
mutex_lock(&group->mutex)
iommu_group_set_core_domain(grp)
                                   release_device(a)
""",
    ),
    "ig4": Drawn(
        "iommu_group/release_order:DelistThenRelease",
        "harmless",
        None,
        "iommu_group/release_order",
        "",
        """\
CPU0                               CPU1
----                               ----
iommu_release_device(a)
list_del(a)
release_device(a)
iommu_group_put(g)
                                   iommu_domain_free(v)
""",
    ),
    "ig5": Drawn(
        "iommu_group/release_order:ReleaseThenDelist",
        "infeasible",
        3,
        "iommu_group/release_order",
        "",
        """\
CPU0                               CPU1
----                               ----
list_del(a)
release_device(a)
                                   iommu_domain_free(v)
""",
    ),
    "ig6": Drawn(
        "iommu_group/release_order:ReleaseThenDelist",
        "harmless",
        None,
        "iommu_group/release_order",
        "",
        """\
CPU0                               CPU1
----                               ----
release_device(a)
                                   mutex_lock(&group->mutex)
                                   iommu_group_set_core_domain(d)
detach_and_free()
""",
    ),
    "ig7": Drawn(
        "",
        "feasible",
        None,
        "iommu_group/file",
        "",
        """\
CPU0                               CPU1
----                               ----
vfio_device_put_registration()
iommu_release_device()
release_device()
                                   vfio_group_unset_container()
                                   detach_group()
                                   iommu_group_set_core_domain()
""",
    ),
    "hmm1": Drawn(
        "",
        "feasible",
        5,
        "hmm/look_then_sleep",
        "",
        """\
CPU0                                CPU1
                                    hmm_range_valid(range) // false
hmm_invalidate_range_end(hmm)
wake_up_all(&hmm->wq)
                                    schedule()  // sleeps forever
""",
    ),
    "hmm1b": Drawn(
        "",
        "feasible",
        None,
        "hmm/free_under_callback",
        "",
        """\
CPU0                                    CPU1
----                                    ----
                                        mmu_notifier_invalidate_range_start()
                                          srcu_read_lock()
                                          hlist_for_each_entry_rcu()
hmm_mirror_unregister(mirror)
  hmm_put()
    hmm_free()
      kfree(hmm)
                                          kref_get_unless_zero(&hmm->kref)  // UAF
""",
    ),
    "hmm2": Drawn(
        "",
        "feasible",
        None,
        "hmm/double_unregister",
        "",
        """\
CPU0                            CPU1
mmput()                         close()
hmm_mirror_unregister()
                                hmm_mirror_unregister()
                                down_write(&hmm->mirrors_sem)
                                list_del_init(&mirror->list)
                                up_write(&hmm->mirrors_sem)
                                hmm_put(hmm)
down_write(&hmm->mirrors_sem)  // hmm is freed
""",
    ),
    "hmm3": Drawn(
        "",
        "feasible",
        None,
        "hmm/put_is_no_fence",
        "calls_unloaded_code",
        """\
CPU0                                    CPU1
                                        mmu_notifier_invalidate_range_start()
                                          srcu_read_lock(&srcu)
mmu_notifier_put(mn)
free_module()
                                          invalidate_range_start()  // code is gone
""",
    ),
    "hmm4": Drawn(
        "hmm/double_unregister:ClearedPointer",
        "infeasible",
        5,
        "hmm/double_unregister",
        "held by CPU0",
        """\
CPU0                            CPU1
read_hmm()
down_write(&hmm->mirrors_sem)
                                read_hmm()
                                down_write(&hmm->mirrors_sem)
list_del_init(&mirror->list)
up_write(&hmm->mirrors_sem)
""",
    ),
    "hmm5": Drawn(
        "",
        "feasible",
        None,
        "hmm/create_meets_dying",
        "",
        """\
CPU0                            CPU1
                                hmm_mirror_register()
                                  hmm_get_or_create()
hmm_mirror_unregister()
  kref_put()
                                  kref_get_unless_zero()  // 0
                                  publish_if_none()  // fails
""",
    ),
    "sva1": Drawn(
        "",
        "feasible",
        None,
        "sva/",
        "",
        """\
CPU0                            CPU1                         DEV
----                            ----                         ---
                                                             translate(va)
mmput()
  exit_mmap()
                                                             access() // freed page
                                iommu_sva_unbind_device()
                                  stop_queue()
""",
    ),
    "sva2": Drawn(
        "sva/put_before_clear:StopClearPut",
        "infeasible",
        3,
        "sva/put_before_clear",
        "",
        """\
CPU0                            CPU1
----                            ----
mmu_notifier_put()
                                mmput()
stop_queue()
arm_smmu_write_ctx_desc()
""",
    ),
    "sva3": Drawn(
        "sva/release_takes_lock:ReleaseTakesLock",
        "infeasible",
        4,
        "sva/release_takes_lock",
        "finished",
        """\
CPU0                            CPU1
mutex_lock(&umem_mutex)
                                mmput(mm)
                                  mmu_notifier_release(mm)
                                    release()
                                      mutex_lock(&umem_mutex)
mmput(mm)
  mmu_notifier_release(mm)
""",
    ),
    "sva4": Drawn(
        "",
        "feasible",
        None,
        "sva/pasid_reused",
        "",
        """\
CPU0                  CPU1                         CPU2
mmput()
ioasid_free(pasid)
                                                   ioasid_alloc()
                                                   arm_smmu_write_ctx_desc(pasid)
                                                   start_queue()
                      iommu_sva_unbind_device()
                      arm_smmu_write_ctx_desc(pasid, NULL)
""",
    ),
    "ex1": Drawn(
        "",
        "feasible",
        None,
        "exclusive/",
        "",
        """\
CPU0                                    CPU1
down_read(&mm->mmap_lock)
lock_page(page)
page_make_device_exclusive_one()
up_read(&mm->mmap_lock)
                                        down_write(&mm->mmap_lock)
                                        copy_pte_range()
                                        up_write(&mm->mmap_lock)
page_maybe_dma_pinned() // true
restore_exclusive_pte()
""",
    ),
    "ex2": Drawn(
        "exclusive/fork_in_window:CheckInsideMmapLock",
        "infeasible",
        6,
        "exclusive/fork_in_window",
        "held by CPU0",
        """\
CPU0                                    CPU1
mmap_read_lock(mm)
lock_page(page)
page_make_device_exclusive_one()

                                        mmap_write_lock(mm)
                                        copy_pte_range()
page_maybe_dma_pinned() // true
""",
    ),
    "ex3": Drawn(
        "",
        "feasible",
        None,
        "exclusive/gup_fast",
        "",
        """\
CPU0 (fork)                             CPU1 (pin_user_pages_fast)
-----------                             --------------------------
page_maybe_dma_pinned(page) == false
                                        pte = ptep_get_lockless(ptep)
                                        try_grab_page(page)
copy_present_pte()  // write-protects
cpu_write()  // copy on write
""",
    ),
    "ip1": Drawn(
        "",
        "harmless",
        None,
        "invalidate_page/",
        "",
        """\
CPU0                            GPU
----                            ---
                                read_mmu_invalidate_seq()
                                get_user_pages()
mmu_notifier_invalidate_range_start()
  bump_mmu_invalidate_seq()
zap_pte_range()
mmu_notifier_invalidate_range_end()
                                mutex_lock()
                                mmu_invalidate_retry()
                                mutex_unlock()
""",
    ),
    "ip2": Drawn(
        "",
        "feasible",
        None,
        "invalidate_page/sleep_under_spinlock",
        "",
        """\
CPU0                            CPU1
----                            ----
try_to_unmap_one()
  spin_lock(ptl)
                                submit()
                                  mutex_lock(&mn->lock)
                                  get_user_pages()  // waits for the ptl
  mutex_lock(&mn->lock)
""",
    ),
    "ip3": Drawn(
        "invalidate_page/callback_after_unlock:CallbackUnderLock",
        "unknown",
        None,
        "invalidate_page/",
        "",
        """\
CPU0                            CPU1
spin_lock(ptl)
ptep_clear_flush()

// before the callback a fault comes
                                spin_lock(ptl)
invalidate_page()
spin_unlock(ptl)
""",
    ),
    "no1": Drawn(
        "",
        None,
        None,
        "",
        "",
        """\
CPU0                            CPU1
tcp_close(sk)
  sock_put(sk)
                                tcp_v4_rcv(skb)
                                  sk->sk_state
""",
    ),
    "no2": Drawn(
        "",
        None,
        None,
        "",
        "",
        """\
CPU0                            CPU1
mutex_lock(&a->mutex)
                                mutex_lock(&b->mutex)
mutex_lock(&b->mutex)
                                mutex_lock(&a->mutex)
""",
    ),
    "no3": Drawn(
        "",
        None,
        None,
        "",
        "",
        """\
CPU0                            kworker
cancel_work_sync(&dev->work)
                                schedule_work(&dev->work)
kfree(dev)
                                process_one_work()
""",
    ),
}
