/* hmm_range_fault() spins for a folio whose owner waits for the CPU that spins.

   A page-table lock is served in order of arrival, as the kernel's is, and cond_resched() lets a
   worker that may run do so; with these two, weak fairness is enough to tell a livelock. */
#include "common.pml"
#ifdef CASE_ReferenceFirst
#define ACTORS 2
#else
#define ACTORS 3
#endif
byte next, serving, ptl;            /* a ticket lock, and who has it */
byte folio_lock;
short refs = 1;                     /* the mapping's */
bit private_ = 1, freed;            /* the entry; the folio has no reference any more */
bit cpu_kept, queued, ran;          /* CPU0; the work item of lru_add_drain_all() */
bit waiting, woken;
bit slept, aborted, underflow, resurrected, locked_freed;
bit never_sleeps_in_atomic, never_locks_freed_folio, never_folio_stays_on_device;
bit never_migration_aborted, never_refcount_underflow, never_refcount_resurrected;
bit never_unlock_not_owner;
#define BAD_sleeps_in_atomic (slept)
#define BAD_locks_freed_folio (locked_freed)
#define BAD_folio_stays_on_device (DONE && private_)
#define BAD_migration_aborted (aborted)
#define BAD_refcount_underflow (underflow)
#define BAD_refcount_resurrected (resurrected)

#define PTL_LOCK \
  d_step { ticket = next; next = (next + 1) % 4 }; \
  d_step { serving == ticket -> ptl = ME; ticket = 0 }
#define PTL_UNLOCK \
  d_step { wrong_owner = wrong_owner || ptl != ME; ptl = 0; serving = (serving + 1) % 4 }
#define MAY_SLEEP slept = slept || ptl == ME
#define GET d_step { resurrected = resurrected || refs == 0; refs++ }
#define PUT d_step { underflow = underflow || refs <= 0; refs--; freed = refs == 0 }
#define LOCK_FOLIO \
  MAY_SLEEP; \
  d_step { folio_lock == 0 -> folio_lock = ME; locked_freed = locked_freed || freed }
/* the mapping's reference and the migration's own are what it expects */
#define MIGRATE \
  d_step { \
    if \
    :: private_ && refs == 2 -> private_ = 0; refs-- \
    :: private_ && refs != 2 -> aborted = 1 \
    :: else \
    fi \
  }
/* the driver's: it changes the entry under the page-table lock, as every migration does */
#define MIGRATE_TO_RAM PTL_LOCK; MIGRATE; PTL_UNLOCK
#define CPU_TAKE d_step { !cpu_kept -> cpu_kept = 1 }
#define CPU_GIVE d_step { MAY_SLEEP; cpu_kept = 0 }

#ifdef CASE_ReferenceFirst

/* v6.14: a reference under the page-table lock, then migrate_to_ram() locks the folio */
proctype fault() {
  byte ticket;
  do
  :: !private_ -> break
  :: private_ ->
     PTL_LOCK;
     if
     :: !private_ -> PTL_UNLOCK
     :: private_ ->
        GET;
        PTL_UNLOCK;
        LOCK_FOLIO;
        MIGRATE_TO_RAM;
        UNLOCK(folio_lock);
        PUT
     fi
  od;
  finished++
}
init { atomic { run fault(); run fault() } }

#else

active proctype CPU0() {
  byte ticket;
  CPU_TAKE;
again:
  skip;
  PTL_LOCK;
  if
  :: !private_ -> PTL_UNLOCK
  :: private_ ->
     if
     :: d_step { folio_lock == 0 -> folio_lock = ME; locked_freed = locked_freed || freed };
        GET;
        PTL_UNLOCK;
        MIGRATE_TO_RAM;
        UNLOCK(folio_lock);
        PUT
     :: folio_lock != 0 ->
#if defined(CASE_LockWithReference)
        GET;
        PTL_UNLOCK;
        CPU_GIVE; LOCK_FOLIO; CPU_TAKE;
        UNLOCK(folio_lock);
        PUT
#elif defined(CASE_LockWithoutReference)
        PTL_UNLOCK;
        CPU_GIVE; LOCK_FOLIO; CPU_TAKE;
        UNLOCK(folio_lock)
#elif defined(CASE_QueueTooLate)
        PTL_UNLOCK;
        d_step { waiting = 1; woken = 0 };
        CPU_GIVE; MAY_SLEEP; woken; CPU_TAKE
#elif defined(CASE_WaitOnLocked)
        d_step { waiting = 1; woken = 0 };
        PTL_UNLOCK;
        CPU_GIVE; MAY_SLEEP; woken; CPU_TAKE
#else
        PTL_UNLOCK
#endif
     fi
  fi;
  if
  :: !private_ -> goto over
  :: private_
  fi;
#ifdef CASE_CondResched
  CPU_GIVE;
  d_step { !(queued && !ran) && !cpu_kept -> cpu_kept = 1 };
#endif
  /* in CASE_CondReschedRealtime the scheduler gives the CPU back to the real-time task at once */
  goto again;
over:
  skip;
  CPU_GIVE;
  finished++
}

active proctype CPU1() {
  byte ticket;
  bit mine;
  PTL_LOCK;
  if
  :: d_step { private_ && folio_lock == 0 -> folio_lock = ME; mine = 1 };
     GET
  :: !(private_ && folio_lock == 0)
  fi;
  PTL_UNLOCK;
  MAY_SLEEP;
  queued = 1;
  ran;
  if
  :: mine ->
     PTL_LOCK;
     MIGRATE;
     PTL_UNLOCK;
     UNLOCK(folio_lock);
     d_step { woken = woken || waiting; waiting = 0 };
     PUT
  :: else
  fi;
  finished++
}

active proctype kworker() {
  d_step { queued && !cpu_kept -> ran = 1 };
  finished++
}

#endif
/* CASE_TryAgain is what is left without any of these. */
JUDGES(JUDGE(sleeps_in_atomic) JUDGE(locks_freed_folio) JUDGE(folio_stays_on_device)
  JUDGE(migration_aborted) JUDGE(refcount_underflow) JUDGE(refcount_resurrected)
  JUDGE(unlock_not_owner))
