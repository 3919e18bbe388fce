/* mremap() moves an entry, CPU1 has the old translation, kswapd frees the page. */
#include "common.pml"
#define ACTORS 3
byte old_ptl, new_ptl;
bit old = 1, new, tlb, freed;       /* the page is mapped at old, at new; CPU1 knows it at old */
bit request, kswapd_old, kswapd_new;   /* interrupts on their way to CPU1 */
bit never_cpu_reaches_freed_page;
#define BAD_cpu_reaches_freed_page (freed && tlb)

#define FLUSH request = 1; !request

active proctype CPU0() {
  bit page;
#ifdef CASE_FlushFirst
  FLUSH;
#endif
  LOCK(old_ptl);
  LOCK(new_ptl);
  d_step { page = old; old = 0 };
  if
  :: page -> new = 1
  :: else
  fi;
#if defined(CASE_FlushAtTheEnd)
  UNLOCK(new_ptl); UNLOCK(old_ptl); FLUSH;
#elif defined(CASE_FlushUnderOldLock)
  UNLOCK(new_ptl); FLUSH; UNLOCK(old_ptl);
#elif defined(CASE_FlushFirst)
  UNLOCK(new_ptl); UNLOCK(old_ptl);
#elif defined(CASE_SendThenUnlock)
  request = 1; UNLOCK(new_ptl); UNLOCK(old_ptl); !request;
#elif defined(CASE_FlushUnderNewLock)
  UNLOCK(old_ptl); FLUSH; UNLOCK(new_ptl);
#elif defined(CASE_FlushUnderBothLocks)
  FLUSH; UNLOCK(new_ptl); UNLOCK(old_ptl);
#endif
  finished++
}

active proctype CPU1() {
  d_step { tlb = tlb || old };
  finished++
}

/* look without the lock, then under it; flush the address, drop the lock, free the page */
#define VISIT(entry, lock, interrupt) \
  if \
  :: !entry \
  :: entry -> \
     LOCK(lock); \
     d_step { page = entry; entry = 0 }; \
     if \
     :: page -> interrupt = 1; !interrupt; UNLOCK(lock); freed = 1; goto out \
     :: else -> UNLOCK(lock) \
     fi \
  fi

active proctype kswapd() {
  bit page;
  VISIT(old, old_ptl, kswapd_old);
  VISIT(new, new_ptl, kswapd_new);
out:
  skip;
  finished++
}

active proctype IRQ() {
end:
  do
  :: d_step { request -> tlb = 0; request = 0 }
  :: d_step { kswapd_old -> tlb = 0; kswapd_old = 0 }
  :: kswapd_new -> kswapd_new = 0
  od
}
JUDGES(JUDGE(cpu_reaches_freed_page))
