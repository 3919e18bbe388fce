/* Two threads read one page back from swap, each into a folio of its own (0 and 1). */
#include "common.pml"
#define ACTORS 3
#define OLD 0
#define NEW 1
#define SLOT(n) (n)                 /* what the entry holds: a slot 0, 1, or a folio 2, 3 */
#define FOLIO(n) (2 + (n))
byte pte = SLOT(0), ptl, count[2], refs[2];
bit has_cache[2], data[2], content[2], mapped[2];
bit written = OLD;
byte sleeping[2];                   /* on swapcache_wq; 2: woken */
bit never_write_lost, never_slot_is_lost, never_folio_is_leaked;
#define BAD_write_lost ((pte < 2 -> data[pte & 1] : content[pte & 1]) != written)
#define BAD_slot_is_lost (DONE && (has_cache[0] || has_cache[1]))
#define BAD_folio_is_leaked (DONE && (refs[0] && !mapped[0] || refs[1] && !mapped[1]))

#if defined(CASE_SleepForATick) || defined(CASE_WaitOnQueue) || defined(CASE_WaitForever)
#define UNTIL_MAPPED
#endif
#if defined(UNTIL_MAPPED) || defined(CASE_PrepareForReading)
#define PREPARE
#endif

inline do_swap_page(f) {
  entry = pte;
  if
  :: entry >= 2 -> goto over
  :: else
  fi;
#ifdef PREPARE
  if
  :: d_step { count[entry] && !has_cache[entry] -> has_cache[entry] = 1 }
  :: else ->
#if defined(CASE_WaitOnQueue)
     sleeping[f] = 1;
     skip;                          /* woken, or the tick is over */
     sleeping[f] = 0;
#elif defined(CASE_WaitForever)
     sleeping[f] = 1;
     sleeping[f] == 2;
     sleeping[f] = 0;
#endif
     goto over
  fi;
#endif
  d_step { content[f] = data[entry]; refs[f] = 1 };
#ifdef CASE_PrepareForReading
  has_cache[entry] = 0;
#endif
  LOCK(ptl);
  if
#ifdef CASE_CountAgain
  :: pte == entry && count[entry] == 1 ->
#else
  :: pte == entry ->
#endif
     count[entry] = count[entry] - 1;
     d_step { pte = FOLIO(f); mapped[f] = 1 };
     UNLOCK(ptl)
  :: else -> UNLOCK(ptl); refs[f] = 0
  fi;
#ifdef UNTIL_MAPPED
  has_cache[entry] = 0;
  d_step {
    sleeping[0] = (sleeping[0] -> 2 : 0);
    sleeping[1] = (sleeping[1] -> 2 : 0)
  };
#endif
over:
  skip;
  entry = 0
}

init {
  count[0] = 1;
  atomic { run CPU0(); run CPU1(); run kswapd() }
}

proctype CPU0() {
  byte entry;
  do
  :: pte >= 2 -> break              /* it reads */
  :: else -> do_swap_page(0)
  od;
  finished++
}

proctype CPU1() {
  byte entry;
  do
  :: d_step { pte >= 2 -> content[pte & 1] = NEW; written = NEW } break
  :: else -> do_swap_page(1)
  od;
  finished++
}

#define OUT(n) \
  content[pte & 1] >= 0 -> data[n] = content[pte & 1]; count[n] = 1; \
  mapped[pte & 1] = 0; refs[pte & 1] = 0; pte = SLOT(n)

proctype kswapd() {
  if
  :: d_step { pte >= 2 && ptl == 0 ->
       if
       :: count[0] == 0 && !has_cache[0] -> OUT(0)
       :: !(count[0] == 0 && !has_cache[0]) && count[1] == 0 && !has_cache[1] -> OUT(1)
       :: else
       fi }
  :: pte < 2
  fi;
  finished++
}
/* CASE_SkipSwapcache is what is left without any of these. */
JUDGES(JUDGE(write_lost) JUDGE(slot_is_lost) JUDGE(folio_is_leaked))
