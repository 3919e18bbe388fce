/* A gfn_to_pfn_cache: refresh, use, invalidation and activation, once each. */
#include "common.pml"
#define ACTORS 4
byte lock;
bit active_, valid, khva, listed;   /* khva: a pointer to the page, or NULL */
bit in_progress, taken;             /* an invalidation; the host has taken the page away */
bit used_freed, used_null;
bit never_uses_freed_guest_page, never_null_dereference, never_cache_stays_inactive;
bit never_unlock_not_owner;
#define BAD_uses_freed_guest_page (used_freed)
#define BAD_null_dereference (used_null)
#define BAD_cache_stays_inactive (DONE && !active_)

/* the last look of hva_to_pfn_retry() and the stores are under the cache's lock */
#define MAP \
  d_step { \
    if \
    :: !in_progress && !taken -> khva = 1; valid = 1 \
    :: else \
    fi \
  }

active proctype CPU0() {
  LOCK(lock);
#if defined(CASE_NotAsked) || defined(CASE_ReaderAsks)
  MAP;
#else
  if
  :: active_ -> MAP
  :: else
  fi;
#endif
  UNLOCK(lock);
  finished++
}

active proctype CPU1() {
  LOCK(lock);
#ifndef CASE_NotAsked
  if
  :: !active_ -> goto out
  :: else
  fi;
#endif
  if
  :: valid -> d_step { used_null = !khva; used_freed = khva && taken }
  :: else
  fi;
out:
  skip;
  UNLOCK(lock);
  finished++
}

active proctype CPU2() {
  in_progress = 1;
  if
  :: listed -> LOCK(lock); valid = 0; UNLOCK(lock)
  :: else
  fi;
  taken = 1;
  in_progress = 0;
  finished++
}

active proctype CPU3() {
#ifdef CASE_NotAsked
  /* v5.17 to v6.0 */
  khva = 0;
  valid = 0;
  active_ = 1;
  listed = 1;
#elif defined(CASE_ReaderAsks)
  khva = 0;
  valid = 0;
  listed = 1;
  active_ = 1;
#elif defined(CASE_ActiveFirst)
  LOCK(lock);
  khva = 0;
  valid = 0;
  active_ = 1;
  UNLOCK(lock);
  listed = 1;
#elif defined(CASE_BothAsk)
  /* v6.1 clears both once more, without the lock */
  khva = 0;
  valid = 0;
  listed = 1;
  LOCK(lock);
  active_ = 1;
  UNLOCK(lock);
#endif
  finished++
}
JUDGES(JUDGE(uses_freed_guest_page) JUDGE(null_dereference) JUDGE(cache_stays_inactive)
  JUDGE(unlock_not_owner))
