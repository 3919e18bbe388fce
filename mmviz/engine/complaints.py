"""What the complaints that steps raise mean for a user of the machine."""

COMPLAINTS = {
    "use_after_free": (
        "Kernel code touches an object after it was freed, and with it what is there now"
    ),
    "sleeps_in_atomic": (
        "A function that may sleep is called where sleeping is forbidden: the CPU may hang"
    ),
    "refcount_underflow": (
        "A reference is put more often than it was taken: the object goes while in use"
    ),
    "refcount_resurrected": (
        "A reference is taken on an object whose count was zero already: it goes anyway"
    ),
    "unlock_not_owner": (
        "A lock is released by somebody who does not hold it: it guards nothing now"
    ),
    "null_dereference": (
        "Kernel code follows a NULL pointer: the task dies, and what it held is stuck"
    ),
    "follows_poisoned_pointer": (
        "Kernel code follows a link that was poisoned at removal: the task dies"
    ),
    "uses_uninitialised_field": (
        "Kernel code uses a field that nobody has set yet, whatever is in it"
    ),
    "calls_unloaded_code": (
        "The kernel calls a function of a module that is not there any more: it crashes"
    ),
    "torn_down_twice": (
        "An address space is torn down twice: its pages are freed under their next owners"
    ),
    "bug_in_mm_take_all_locks": (
        "The process registers a notifier under a lock it must not hold: BUG"
    ),
    "bug_on": (
        "The kernel sees that things are mixed up, too late to mend it, and stops the machine"
    ),
    "lockdep_complains": (
        "The lock checker sees an order or a context that may hang a machine one day"
    ),
    "attach_after_release": (
        "The core attaches a device whose driver data is gone: the kernel crashes"
    ),
    "released_while_owned": (
        "A device is released while it is on a user's domain, which nobody empties now"
    ),
    "misuse_is_reported": (
        "The kernel complains that a device is removed in a way that it cannot serve"
    ),
    "warns_of_legal_use": (
        "The kernel complains of what a user may do: a false alarm, or a crash by policy"
    ),
    "misses_misuse": "A device is taken away under its user, and the kernel says nothing",
    "bind_refused": "A process that has done nothing wrong is refused the device",
    "driver_bug_unreported": "A driver lets its device work after unbind, and nobody hears of it",
    "user_fills_kernel_log": "A user makes the kernel print errors at will",
}
"""A sentence for each name used by warn() and Oops, as properties have one each."""
