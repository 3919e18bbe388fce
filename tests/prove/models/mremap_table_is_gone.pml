/* mremap() moves a page table, and a collapse of the same file throws it away. */
#include "common.pml"
#define ACTORS 2
#define NONE 0
#define TABLE 1
#define NOTHING 2                   /* populated from a clear entry */
byte mmap_lock, i_mmap_rwsem, old = TABLE, new = NONE;
bit freed;
bit never_populates_from_nothing, never_maps_freed_table, never_table_is_lost;
bit never_unlock_not_owner;
#define BAD_populates_from_nothing (new == NOTHING)
#define BAD_maps_freed_table (freed && (old == TABLE || new == TABLE))
#define BAD_table_is_lost (DONE && !freed && old != TABLE && new != TABLE)

/* move_normal_pmd(): pmd = *old; clear old; populate new with it */
#define MOVE \
  d_step { was = old; old = NONE }; \
  new = (was == NONE -> NOTHING : was)

active proctype CPU0() {
  byte was;
  LOCK(mmap_lock);
  if
  :: old == NONE -> goto out
  :: old != NONE
  fi;
#ifdef CASE_LookTwice
  if
  :: old == NONE -> goto out
  :: old != NONE
  fi;
#endif
  LOCK(i_mmap_rwsem);
#ifdef CASE_LookUnderLocks
  if
  :: old == NONE
  :: old != NONE -> MOVE
  fi;
#else
  MOVE;
#endif
  UNLOCK(i_mmap_rwsem);
#ifdef CASE_LookAfter
  if
  :: old == NONE
  :: old != NONE
  fi;
#endif
out:
  skip;
  UNLOCK(mmap_lock);
  finished++
}

/* the reverse map finds the mapping at both places */
#define RETRACT(pmd) \
  if \
  :: d_step { pmd == TABLE -> pmd = NONE; mine = 1 } \
  :: pmd != TABLE \
  fi

active proctype CPU1() {
  bit mine;
  LOCK(i_mmap_rwsem);
#ifdef CASE_CollapseTakesMmapLock
  if
  :: d_step { mmap_lock == 0 -> mmap_lock = ME }
  :: mmap_lock != 0 -> goto out
  fi;
#endif
  RETRACT(old);
  RETRACT(new);
#ifdef CASE_CollapseTakesMmapLock
  UNLOCK(mmap_lock);
out:
  skip;
#endif
  UNLOCK(i_mmap_rwsem);
  if
  :: mine -> freed = 1
  :: else
  fi;
  finished++
}
/* CASE_LookBeforeLocks is what is left without any of these. */
JUDGES(JUDGE(populates_from_nothing) JUDGE(maps_freed_table) JUDGE(table_is_lost)
  JUDGE(unlock_not_owner))
