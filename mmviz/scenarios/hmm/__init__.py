"""May 2019: a review of the locking and lifetimes in mm/hmm.c.

Jason Gunthorpe's [RFC PATCH 00/11] "mm/hmm: Various revisions from a locking/code review"
(<20190523153436.19102-1-jgg@ziepe.ca>) asks for a lifetime model that can be said in one
sentence: a valid range has a valid hmm, a valid hmm has an allocated mm, and who needs the
address space alive takes a reference that says so.  Some files tell what came of it: the core's
own mmu_notifier_get() and mmu_notifier_put() in v5.4, and interval notifiers in v5.5.
"""
