/* Three unmaps behind one IOMMU: CPU1 in domain 0, then 2; CPU2 in domain 1. */
#include "common.pml"
#define ACTORS 2
#define INV 0
#define CWAIT 1
chan buffer = [8] of { byte, byte };
byte lock, cmd_sem, cmd_sem_val;
bit need_sync, busy_under_lock;
bit iotlb[3], freed[3];
bit never_iommu_walks_freed_tables, never_busy_waits_with_irqs_off, never_unlock_not_owner;
#define BAD_iommu_walks_freed_tables \
  (iotlb[0] && freed[0] || iotlb[1] && freed[1] || iotlb[2] && freed[2])
#define BAD_busy_waits_with_irqs_off (busy_under_lock)

#define NEXT d_step { cmd_sem_val++; n = cmd_sem_val }
#define QUEUE_WAIT d_step { buffer!CWAIT(n); need_sync = 0 }
#define WAIT_ON_SEM \
  busy_under_lock = busy_under_lock || lock == ME; \
  cmd_sem >= n

inline completion_wait() {
#if defined(CASE_OwnWait)
  LOCK(lock); NEXT; QUEUE_WAIT; UNLOCK(lock); WAIT_ON_SEM
#elif defined(CASE_OwnWaitNumberOutside)
  NEXT; LOCK(lock); QUEUE_WAIT; UNLOCK(lock); WAIT_ON_SEM
#elif defined(CASE_WaitForLast)
  LOCK(lock);
  if
  :: need_sync -> NEXT; QUEUE_WAIT
  :: else -> n = cmd_sem_val
  fi;
  UNLOCK(lock);
  WAIT_ON_SEM
#elif defined(CASE_FlagUnderLock)
  LOCK(lock);
  if
  :: need_sync -> NEXT; QUEUE_WAIT; UNLOCK(lock); WAIT_ON_SEM
  :: else -> UNLOCK(lock)
  fi
#else
  if
  :: !need_sync
#ifdef CASE_WaitUnderLock
  /* from v6.5 to v6.19 the number is drawn before the lock, and compared with "==" */
  :: need_sync ->
     NEXT; LOCK(lock); QUEUE_WAIT;
     busy_under_lock = 1;
     cmd_sem == n;
     UNLOCK(lock)
#endif
#ifdef CASE_NumberOutsideLock
  :: need_sync -> NEXT; LOCK(lock); QUEUE_WAIT; UNLOCK(lock); WAIT_ON_SEM
#endif
#ifdef CASE_NumberUnderLock
  :: need_sync -> LOCK(lock); NEXT; QUEUE_WAIT; UNLOCK(lock); WAIT_ON_SEM
#endif
  fi
#endif
}

inline unmap(d) {
  LOCK(lock);
  buffer!INV(d);
  need_sync = 1;
  UNLOCK(lock);
  completion_wait();
  freed[d] = 1
}

/* the translations are in the IOTLB when the story begins */
init {
  d_step { iotlb[0] = 1; iotlb[1] = 1; iotlb[2] = 1 };
  atomic { run CPU1(); run CPU2() }
}

proctype CPU1() {
  byte n;
  unmap(0);
  unmap(2);
  finished++
}

proctype CPU2() {
  byte n;
  unmap(1);
  finished++
}

active proctype IOMMU() {
  byte kind, what;
end:
  do
  :: d_step {
       buffer?kind(what) ->
       if
       :: kind == INV -> iotlb[what] = 0
       :: else -> cmd_sem = what
       fi;
       kind = 0; what = 0
     }
  od
}
JUDGES(JUDGE(iommu_walks_freed_tables) JUDGE(busy_waits_with_irqs_off) JUDGE(unlock_not_owner))
