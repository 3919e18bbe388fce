/* UFFDIO_MOVE of a swap entry, while its slot comes to another folio and back. */
#include "common.pml"
#ifdef CASE_CheckSkippedAfterSleep
#define ACTORS 3
#else
#define ACTORS 2
#endif
#define NONE 0
#define SLOT 1
#define A 2                         /* a folio; as what an entry holds, it is mapped there */
#define B 3
#define SRC 0
#define DST 1
#define OTHER 2
byte pte[3], cache, ptl, ptl_other, lock[4];
byte leads_to[4];                      /* where the reverse map of a folio leads */
bit anon[4];                        /* it has one: a folio just read from swap has none */
bit slot_used = 1, slept;
bit never_rmap_leads_elsewhere, never_sleeps_in_atomic, never_unlock_not_owner;
#define AT(f, a) (pte[a] == f || pte[a] == SLOT && cache == f)
#define ELSEWHERE(f) \
  (anon[f] && (AT(f, SRC) && leads_to[f] != SRC || AT(f, DST) && leads_to[f] != DST || \
   AT(f, OTHER) && leads_to[f] != OTHER))
#define BAD_rmap_leads_elsewhere (ELSEWHERE(A) || ELSEWHERE(B))
#define BAD_sleeps_in_atomic (slept)

init {
  d_step {
    pte[SRC] = SLOT; pte[OTHER] = B;
    anon[B] = 1; leads_to[B] = OTHER
  };
  atomic {
    run CPU0(); run CPU1();
#ifdef CASE_CheckSkippedAfterSleep
    run CPU2()
#endif
  }
}

proctype CPU0() {
  byte f;
  bit right;
  if
  :: pte[SRC] != SLOT -> goto out
  :: pte[SRC] == SLOT
  fi;
#ifndef CASE_EntryOnly
  f = cache;
  if
  :: f == NONE -> goto found
  :: else
  fi;
#ifdef CASE_CheckBeforeLock
  if
  :: cache != f -> goto out
  :: cache == f
  fi;
#endif
  if
  :: d_step { lock[f] == 0 -> lock[f] = ME }
  :: lock[f] != 0 ->
#ifdef CASE_CheckSkippedAfterSleep
     slept = slept || ptl == ME;
     LOCK(lock[f]);
     if
     :: pte[SRC] != SLOT -> goto unlock
     :: pte[SRC] == SLOT -> goto found
     fi
#else
     goto out
#endif
  fi;
#ifdef CASE_CheckSkippedAfterSleep
  if
  :: cache != f -> goto unlock
  :: cache == f
  fi;
#endif
found:
  skip;
#endif
#ifdef CASE_FolioOrNone
  /* what was found is looked at under its own lock */
  if
  :: f != NONE && cache != f -> goto unlock
  :: !(f != NONE && cache != f)
  fi;
#endif
  LOCK(ptl);
  if
  :: pte[SRC] != SLOT -> right = 0
  :: pte[SRC] == SLOT ->
#if defined(CASE_FolioOnly)
     right = f == NONE || cache == f
#elif !defined(CASE_EntryOnly) && !defined(CASE_EntryTwice)
     right = f != NONE || cache == NONE
#else
     right = 1
#endif
  fi;
  if
  :: right ->
     d_step {
       pte[DST] = SLOT; pte[SRC] = NONE;
       if
       :: f != NONE -> leads_to[f] = DST; anon[f] = 1
       :: else
       fi
     }
  :: else
  fi;
  UNLOCK(ptl);
unlock:
  skip;
  if
  :: f != NONE -> UNLOCK(lock[f])
  :: else
  fi;
out:
  skip;
  finished++
}

/* do_swap_page() for a folio in the cache: lock, look again, map, free the slot */
inline swap_in(a, f, l) {
  LOCK(lock[f]);
  LOCK(l);
  if
  :: d_step { cache == f && pte[a] == SLOT ->
       pte[a] = f; leads_to[f] = a; anon[f] = 1; cache = NONE; slot_used = 0 }
  :: !(cache == f && pte[a] == SLOT)
  fi;
  UNLOCK(l);
  UNLOCK(lock[f])
}

/* vmscan: trylock, a slot and the cache first, then the entry */
inline swap_out(a, f, l) {
  if
  :: d_step { lock[f] == 0 -> lock[f] = ME };
     if
     :: d_step { pte[a] == f && !slot_used -> slot_used = 1; cache = f };
        d_step { l == 0 -> pte[a] = SLOT }
        out_ = 1
     :: !(pte[a] == f && !slot_used)
     fi;
     UNLOCK(lock[f])
  :: lock[f] != 0
  fi
}

proctype CPU1() {
  bit out_;
  /* A is read into the cache: a folio without a reverse map */
  if
  :: d_step { pte[SRC] == SLOT && cache == NONE -> cache = A };
     swap_in(SRC, A, ptl)
  :: !(pte[SRC] == SLOT && cache == NONE)
  fi;
  swap_out(OTHER, B, ptl_other);
  if
  :: out_ -> out_ = 0; swap_in(OTHER, B, ptl_other)
  :: else
  fi;
  swap_out(SRC, A, ptl);
  if
  :: out_ ->
     /* remove_mapping(): the content is in the slot, the folio goes */
     if
     :: d_step { lock[A] == 0 && cache == A -> cache = NONE; anon[A] = 0; leads_to[A] = SRC }
     :: !(lock[A] == 0 && cache == A)
     fi
  :: else
  fi;
  finished++
}

proctype CPU2() {
  LOCK(lock[B]);
  UNLOCK(lock[B]);
  finished++
}
/* CASE_EntryTwice is what is left without any of these. */
JUDGES(JUDGE(rmap_leads_elsewhere) JUDGE(sleeps_in_atomic) JUDGE(unlock_not_owner))
