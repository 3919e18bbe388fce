/* nested_mmus[] is reallocated (0 is the old array, 1 the new one) while others walk it. */
#include "common.pml"
#define ACTORS 3
byte config_lock, mmu_lock;
bit array, back;                    /* kvm->arch.nested_mmus; pgt->mmu leads to this array */
bit allocated[2], valid[2], pending[2];
bit mapped = 1, uaf, slept;
bit never_use_after_free, never_sleeps_in_atomic, never_change_is_lost, never_page_stays_mapped;
bit never_old_array_leaks, never_unlock_not_owner;
#define BAD_use_after_free (uaf)
#define BAD_sleeps_in_atomic (slept)
#define BAD_change_is_lost (DONE && !pending[array])
#define BAD_page_stays_mapped (DONE && mapped)
#define BAD_old_array_leaks (DONE && allocated[0])

#define TOUCH(a) uaf = uaf || !allocated[a]
#define MAY_SLEEP slept = slept || mmu_lock == ME
#define ALLOC d_step { MAY_SLEEP; allocated[1] = 1 }
#define COPY d_step { TOUCH(0); valid[1] = valid[0]; pending[1] = pending[0] }
#define FREE d_step { MAY_SLEEP; allocated[0] = 0 }
#define REPLACE array = 1
#define BACK back = 1

init {
  d_step { allocated[0] = 1; valid[0] = 1 };
  atomic { run CPU0(); run CPU1(); run CPU2() }
}

proctype CPU0() {
  LOCK(config_lock);
#ifdef CASE_UnderConfigLock
  ALLOC; COPY; FREE;
  if
  :: REPLACE; BACK
  :: BACK; REPLACE                  /* v6.11 */
  fi;
#elif defined(CASE_AllUnderMmuLock)
  LOCK(mmu_lock); ALLOC; COPY; BACK; REPLACE; FREE; UNLOCK(mmu_lock);
#elif defined(CASE_FreeUnderMmuLock)
  ALLOC; LOCK(mmu_lock); COPY; BACK; REPLACE; FREE; UNLOCK(mmu_lock);
#elif defined(CASE_CopyOutside)
  ALLOC; COPY; LOCK(mmu_lock); BACK; REPLACE; UNLOCK(mmu_lock); FREE;
#elif defined(CASE_BackPointersLate)
  ALLOC; LOCK(mmu_lock); COPY; REPLACE; UNLOCK(mmu_lock); FREE; BACK;
#elif defined(CASE_BehindMmuLock)
  ALLOC; LOCK(mmu_lock); COPY; BACK; REPLACE; UNLOCK(mmu_lock); FREE;
#endif
  UNLOCK(config_lock);
  finished++
}

/* the notifier: for each valid MMU, unmap through its page table, which knows its MMU */
proctype CPU1() {
  bit a, is_valid;
  LOCK(mmu_lock);
  a = array;
  d_step { TOUCH(a); is_valid = valid[a] };
  if
  :: is_valid -> d_step { TOUCH(back); mapped = 0 }
  :: else
  fi;
  UNLOCK(mmu_lock);
  finished++
}

proctype CPU2() {
  bit a;
  LOCK(mmu_lock);
  a = array;
  d_step { TOUCH(a); pending[a] = 1 };
  UNLOCK(mmu_lock);
  finished++
}
JUDGES(JUDGE(use_after_free) JUDGE(sleeps_in_atomic) JUDGE(change_is_lost)
  JUDGE(page_stays_mapped) JUDGE(old_array_leaks) JUDGE(unlock_not_owner))
