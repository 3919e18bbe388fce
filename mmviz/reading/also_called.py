"""Other names of a kernel function: of other releases, of variants that a diagram may name instead.

They do the same as far as a race diagram tells: `spin_lock_irqsave` takes the lock, too.
"""

import re

RENAMED = (  # names that the same function has had
    ("timer_delete_sync", "del_timer_sync"),
    ("timer_delete", "del_timer"),
    ("timer_shutdown_sync", "del_singleshot_timer_sync"),
    ("bump_mmu_invalidate_seq", "bump_mmu_notifier_seq"),
    ("mmu_invalidate_retry", "mmu_notifier_retry"),
    ("kvm_mmu_invalidate_begin", "kvm_inc_notifier_count"),
    ("kvm_mmu_invalidate_end", "kvm_dec_notifier_count"),
    ("down_read", "mmap_read_lock"),
    ("up_read", "mmap_read_unlock"),
    ("down_write", "mmap_write_lock"),
    ("up_write", "mmap_write_unlock"),
    ("lock_page", "folio_lock"),
    ("unlock_page", "folio_unlock"),
    ("trylock_page", "folio_trylock"),
    ("put_page", "folio_put"),
    ("get_page", "folio_get"),
    ("shrink_page_list", "shrink_folio_list"),
    ("page_maybe_dma_pinned", "folio_maybe_dma_pinned"),
    ("queue_work", "schedule_work", "queue_work_on"),
    ("queue_delayed_work", "schedule_delayed_work"),
    ("handle_mm_fault", "__handle_mm_fault"),
    ("set_pte_at", "set_pte"),
    ("mutex_lock", "mutex_lock_interruptible", "mutex_lock_killable", "mutex_lock_nested"),
    ("spin_lock", "raw_spin_lock", "spin_lock_nested"),
    ("spin_unlock", "raw_spin_unlock"),
    ("mmu_notifier_register", "__mmu_notifier_register"),
)
PRIMITIVE = re.compile(  # what any diagram may hold
    r"_*(?:raw_)?(?:mutex|spin|down|up|rcu|srcu|rt_mutex|ww_mutex|seq\w*)_\w+|r?lock|unlock"
    r"|(?:read|write)_(?:(?:un)?lock|seq)\w*"
    r"|schedule(?:_\w+)?|wake_up\w*|wait_\w+|prepare_to_wait|finish_wait|complete(?:_all)?"
    r"|k[mvz]?free\w*|k[mvz]*alloc\w*|kref_\w+|refcount_\w+|atomic_\w+|READ_ONCE|WRITE_ONCE|smp_\w+"
    r"|(?:queue|schedule|flush|cancel)_\w*work\w*|process_one_work|synchronize_\w+|call_s?rcu"
    r"|list_\w+|hlist_\w+|del_timer\w*|mod_timer|\w+_page|folio_\w+|(?!mm)[a-z]+"
)
VARIANT = re.compile(r"((?:raw_)?(?:spin|read|write)_(?:un)?lock)_(?:irqsave|irqrestore|irq|bh)")
_SAME = {
    name: tuple(other for other in names if other != name) for names in RENAMED for name in names
}


def also_called(function: str) -> tuple[str, ...]:
    """Return the other names of a function, the likeliest first."""
    variant = VARIANT.fullmatch(function)
    plain = variant[1] if variant else ""
    known = (plain, *_SAME.get(plain, ())) if plain else _SAME.get(function, ())
    bare = function.strip("_")
    inner = (bare,) if bare != function else (f"__{function}",)
    return tuple(dict.fromkeys((*known, *inner)))


def is_anywhere(function: str) -> bool:
    """Tell whether any diagram may hold a function, by one of its names."""
    return any(map(PRIMITIVE.fullmatch, (function, *also_called(function))))
