/* A kernel page table is given back while the IOMMU keeps the entry above it. */
#include "common.pml"
#define ACTORS 2
#define TABLE 0
#define FREE 1
#define DATA 2
byte page_table_lock, use = TABLE;
bit pmd = 1, upper, walking;        /* the entry in memory; the IOMMU's copy of it; a walk */
bit scheduled, deferred, slept;
bit never_iommu_can_walk_freed_table, never_table_leaks, never_sleeps_in_atomic;
bit never_unlock_not_owner;
#define BAD_iommu_can_walk_freed_table (upper && use != TABLE)
#define BAD_table_leaks (DONE && use == TABLE)
#define BAD_sleeps_in_atomic (slept)

/* it waits for the walks that have begun */
#define INVALIDATE d_step { !walking -> upper = 0 }

active proctype CPU0() {
  LOCK(page_table_lock);
  pmd = 0;
  /* the CPUs flush their TLBs */
#if defined(CASE_FlushLeaf)
  !walking;                         /* no leaf was cached, and the copy of the upper entry stays */
#elif defined(CASE_UnderMutex)
  slept = page_table_lock == ME;    /* mutex_lock() */
  INVALIDATE;
#elif defined(CASE_UnderSpinlock)
  INVALIDATE;
#elif defined(CASE_WorkOnly)
  scheduled = 1;
#endif
  UNLOCK(page_table_lock);
#if defined(CASE_FreeThenInvalidate) || defined(CASE_InvalidateThenFree)
  d_step { deferred = 1; scheduled = 1 };
#else
  use = FREE;
#endif
  finished++
}

active proctype kworker() {
#if defined(CASE_WorkOnly)
  d_step { scheduled -> scheduled = 0 };
  INVALIDATE;
#elif defined(CASE_FreeThenInvalidate)
  d_step { scheduled -> scheduled = 0 };
  d_step { deferred -> deferred = 0; use = FREE };
  INVALIDATE;
#elif defined(CASE_InvalidateThenFree)
  d_step { scheduled -> scheduled = 0 };
  INVALIDATE;
  d_step { deferred -> deferred = 0; use = FREE };
#endif
  finished++
}

active proctype CPU1() {
end:
  d_step { use == FREE -> use = DATA }
}

active proctype IOMMU() {
  byte requests;
  do
  :: requests < 2 ->
     if
     :: d_step { upper -> walking = 1 }
     :: d_step { !upper && pmd -> walking = 1; upper = 1 }
     :: !upper && !pmd -> goto next
     fi;
     walking = 0;                   /* the table is read, and the request refused at the leaf */
next:
     skip;
     requests++
  :: requests == 2 -> break
  od
}
/* CASE_NoNotice is what is left without any of these. */
JUDGES(JUDGE(iommu_can_walk_freed_table) JUDGE(table_leaks) JUDGE(sleeps_in_atomic)
  JUDGE(unlock_not_owner))
