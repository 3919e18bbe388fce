/* DAX cleans an entry; a fault may make it huge, and a device may map page B.  Pages are bits. */
#include "common.pml"
#define ACTORS 2
#define A 1
#define B 2
byte ptl, cpu = A, dev = A, inval;  /* who may write which page; what is being invalidated */
bit huge, slept;
bit never_device_writes_clean_page, never_invalidation_never_ends, never_sleeps_in_atomic;
bit never_unlock_not_owner;
#define BAD_device_writes_clean_page ((dev & ~cpu) != 0)
#define BAD_invalidation_never_ends (DONE && inval)
#define BAD_sleeps_in_atomic (slept)

#define START(range) \
  d_step { slept = slept || ptl == ME; inval = range; dev = dev & ~inval }
#define CLEAN cpu = cpu & ~(huge -> A | B : A)
#define END inval = 0

active proctype CPU0() {
  bit seen;
#ifdef CASE_SizeOfTheLook
  seen = huge;
  START((seen -> A | B : A)); LOCK(ptl); CLEAN; UNLOCK(ptl);
#elif defined(CASE_StartUnderLock)
  LOCK(ptl);
  seen = huge;
  START((seen -> A | B : A)); CLEAN; UNLOCK(ptl);
#elif defined(CASE_OnePage)
  START(A); LOCK(ptl); CLEAN; UNLOCK(ptl);
#elif defined(CASE_WholePmd)
  START((A | B)); LOCK(ptl); CLEAN; UNLOCK(ptl);
#elif defined(CASE_LookAgain)
  seen = huge;
  START((seen -> A | B : A)); LOCK(ptl);
  if
  :: huge == seen -> CLEAN
  :: huge != seen
  fi;
  UNLOCK(ptl);
#endif
  END;
  finished++
}

/* a write fault on B maps both pages for writing by one PMD */
active proctype CPU1() {
  LOCK(ptl);
  d_step { huge = 1; cpu = A | B };
  UNLOCK(ptl);
  finished++
}

active proctype DEV() {
end:
  d_step { !(inval & B) && (cpu & B) -> dev = dev | B }
}
JUDGES(JUDGE(device_writes_clean_page) JUDGE(invalidation_never_ends) JUDGE(sleeps_in_atomic)
  JUDGE(unlock_not_owner))
