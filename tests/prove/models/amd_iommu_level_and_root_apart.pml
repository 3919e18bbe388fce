/* A page table grows by a level (root and mode: 3, then 4) while an unmap walks it. */
#include "common.pml"
#define ACTORS 2
byte root = 3, mode = 3, lock, seq;
bit unmapped_wrong, never_unmap_fails, never_table_not_grown, never_unlock_not_owner;
#define BAD_unmap_fails (unmapped_wrong)
#define BAD_table_not_grown (DONE && (root != 4 || mode != 4))

active proctype CPU0() {
#ifdef CASE_UnderLock
  LOCK(lock);
#endif
#ifdef CASE_Sequence
  seq++;
#endif
#ifdef CASE_OneWord
  d_step { root = 4; mode = 4 };
#elif defined(CASE_ModeFirst)
  mode = 4;
  root = 4;
#else
  root = 4;
  mode = 4;
#endif
#ifdef CASE_Sequence
  seq++;
#endif
#ifdef CASE_UnderLock
  UNLOCK(lock);
#endif
  finished++
}

active proctype CPU1() {
  byte r, m, s;
#ifdef CASE_UnderLock
  LOCK(lock);
#endif
again:
  skip;
#ifdef CASE_Sequence
  d_step { seq % 2 == 0 -> s = seq };
#endif
#ifdef CASE_OneWord
  d_step { r = root; m = mode };
#elif defined(CASE_SameOrder)
  r = root;
  m = mode;
#else
  m = mode;
  r = root;
#endif
#ifdef CASE_Sequence
  if
  :: seq != s -> goto again
  :: else
  fi;
#endif
#ifdef CASE_UnderLock
  UNLOCK(lock);
#endif
  /* the walk takes r for a table of level m */
  unmapped_wrong = r != m;
  finished++
}
/* CASE_RootFirst is what is left without any of these. */
JUDGES(JUDGE(unmap_fails) JUDGE(table_not_grown) JUDGE(unlock_not_owner))
