/* A key is revoked (CPU0), an invalidation posts for it (CPU1), and reclaim does, too (CPU2). */
#include "common.pml"
#define ACTORS 3
byte umem_mutex, rb_lock, keys;
bit revoked, gone, mapped = 1, failed;
bit never_posts_for_revoked_key, never_device_keeps_mapping, never_key_is_lost;
bit never_unlock_not_owner;
#define BAD_posts_for_revoked_key (failed)
#define BAD_device_keeps_mapping (DONE && mapped)
#define BAD_key_is_lost (DONE && keys != 1)

/* without its key the device reaches nothing */
#define REVOKE d_step { revoked = 1; mapped = 0 }
#define STORE LOCK(rb_lock); keys++; UNLOCK(rb_lock)

inline invalidate() {
  LOCK(umem_mutex);
  if
  :: gone
  :: !gone -> d_step { failed = failed || revoked; mapped = 0 }
  fi;
  UNLOCK(umem_mutex)
}

active proctype CPU0() {
#ifdef CASE_WithoutMutex
  REVOKE; gone = 1; STORE;
#elif defined(CASE_MutexOverAll) || defined(CASE_AllocateBefore)
  /* v6.14 marks the region when the key is back in the cache */
  LOCK(umem_mutex); REVOKE; STORE; gone = 1; UNLOCK(umem_mutex);
#elif defined(CASE_MarkFirst)
  gone = 1; REVOKE; STORE;
#elif defined(CASE_MarkLate)
  LOCK(umem_mutex); REVOKE; UNLOCK(umem_mutex); gone = 1; STORE;
#elif defined(CASE_RevokeUnderMutex)
  LOCK(umem_mutex); REVOKE; gone = 1; UNLOCK(umem_mutex); STORE;
#endif
  finished++
}

active proctype CPU1() {
  invalidate();
  finished++
}

active proctype CPU2() {
#ifdef CASE_AllocateBefore
  invalidate();
  LOCK(rb_lock);
  UNLOCK(rb_lock);
#else
  LOCK(rb_lock);
  invalidate();
  UNLOCK(rb_lock);
#endif
  finished++
}
JUDGES(JUDGE(posts_for_revoked_key) JUDGE(device_keeps_mapping) JUDGE(key_is_lost)
  JUDGE(unlock_not_owner))
