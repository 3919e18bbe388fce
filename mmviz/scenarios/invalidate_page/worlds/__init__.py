"""What several races of this thread share.

mirror: a page that the CPU maps and a device mirrors, and what may be wrong with the mirror.
judged_at_end: the same of a stale entry, where no count tells that an invalidation is under way.
unmapping: the CPUs that take the page away or touch it, and the device that faults.
sequence_alone: a callback that comes after the clear, and a fault that checks a sequence number.
walking: a device that walks the CPU's page table.
copying: a page that is shared after a fork, and the write fault that copies it.
new_object: a notifier that is registered while an invalidation is under way.
"""
