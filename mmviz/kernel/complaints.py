"""What each complaint of the kernel's models means for a user of the machine."""

from mmviz.engine.case import complaint

for _name, _sentence in {
    "sleeps_in_atomic": (
        "A function that may sleep is called where sleeping is forbidden: the CPU may hang"
    ),
    "refcount_underflow": (
        "A reference is put more often than it was taken: the object is freed while in use"
    ),
    "refcount_resurrected": (
        "A reference is taken on an object whose count is already zero: it is freed anyway"
    ),
    "unlock_not_owner": (
        "An actor releases a lock that it does not hold: the lock protects nothing now"
    ),
    "busy_waits_with_irqs_off": (
        "A CPU polls for the hardware with a spinlock held and interrupts off: a soft lockup "
        "if the hardware is slow"
    ),
    "migration_aborted": (
        "A folio is not migrated, because it has a reference that the migration does not expect"
    ),
    "walks_freed_table": (
        "A walk reads an entry from a page that is no page table any more: it may name any page"
    ),
    "populates_from_nothing": (
        "A PMD is populated from a clear one: on x86 physical page 0 becomes a page table"
    ),
    "unmap_fails": (
        "An unmap finds no entry for an address that is mapped: the device keeps its access"
    ),
    "posts_for_revoked_key": (
        "The driver sends the hardware a work request for a key that was revoked: it fails"
    ),
    "uses_freed_guest_page": (
        "KVM writes to a page that the host has taken away: it has another owner by now"
    ),
    "runs_without_cpu": "A task goes on although it has given up its CPU and not got it back",
    "null_dereference": (
        "Kernel code follows a NULL pointer: the task dies, and the locks it held stay locked"
    ),
    "follows_poisoned_pointer": (
        "Kernel code follows a link that was poisoned at removal: the task dies"
    ),
    "uses_uninitialised_field": (
        "Kernel code uses a field before it is initialised: its value is arbitrary"
    ),
    "calls_unloaded_code": (
        "The kernel calls a function of a module that has been unloaded: it crashes"
    ),
    "torn_down_twice": (
        "An address space is torn down twice: pages that have new owners are freed"
    ),
    "bug_in_mm_take_all_locks": (
        "A notifier is registered without mmap_sem held for writing: BUG()"
    ),
    "bug_on": (
        "The kernel finds its own state inconsistent, too late to repair it, and stops the machine"
    ),
    "lockdep_complains": (
        "The lock checker reports that a function is called without the lock it needs"
    ),
    "attach_after_release": (
        "The core attaches a device whose driver data is gone: the kernel crashes"
    ),
    "released_while_owned": (
        "A device is released while a user's domain is attached, and nothing detaches it"
    ),
    "misuse_is_reported": (
        "The kernel reports that a device is removed in a way that it does not support"
    ),
    "warns_of_legal_use": (
        "The kernel warns of something a user may do: a false alarm, or a panic by policy"
    ),
    "misses_misuse": "A device is taken away from its user, and the kernel reports nothing",
    "bind_refused": "A process that did nothing wrong is refused the device",
    "driver_bug_unreported": "A device still works after unbind, and the kernel reports nothing",
    "user_fills_kernel_log": "A user makes the kernel print errors at will",
}.items():
    complaint(_name, _sentence)
