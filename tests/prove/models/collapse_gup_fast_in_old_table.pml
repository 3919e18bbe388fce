/* GUP-fast with interrupts off, and a collapse that takes its page table away. */
#include "common.pml"
#define ACTORS 2
#define NONE 0
#define TABLE 1
#define HUGE 2
byte pmd = TABLE, refs = 1, pins;   /* refs: of the small page, the mapping's and those of pins */
bit pte = 1, irqs_off, freed, deposited;
bit walked_freed, underflow;
bit never_pins_page_not_mapped, never_table_leaks, never_walks_freed_table;
bit never_refcount_underflow;
#define BAD_pins_page_not_mapped (DONE && pins && pmd == HUGE)
#define BAD_table_leaks (DONE && pmd == HUGE && !freed && !deposited)
#define BAD_walks_freed_table (walked_freed)
#define BAD_refcount_underflow (underflow)

#define READ_PTE d_step { walked_freed = walked_freed || freed; entry = pte }
#define PUT(p) d_step { underflow = underflow || refs < 1; refs = refs - (refs > 0); pins = pins - p }
#define IPI !irqs_off

active proctype CPU0() {
  bit entry;
  irqs_off = 1;
  if
  :: pmd != TABLE -> goto out
  :: pmd == TABLE
  fi;
  READ_PTE;
  if
  :: !entry -> goto out
  :: else
  fi;
  /* no reference to a page that has none */
  if
  :: d_step { refs == 0 -> skip } goto out
  :: d_step { refs > 0 -> refs++; pins++ }
  fi;
#if defined(CASE_PmdAgain) || defined(CASE_FreedAtOnce) || defined(CASE_SyncBeforeFree)
  if
  :: pmd != TABLE -> goto undo
  :: pmd == TABLE
  fi;
#endif
  READ_PTE;
  if
  :: entry -> goto out
  :: else
  fi;
undo:
  skip;
  PUT(1);
out:
  skip;
  irqs_off = 0;
  finished++
}

active proctype CPU1() {
#ifdef CASE_InterruptFirst
  IPI;
#endif
  pmd = NONE;
#ifdef CASE_FlushByInterrupt
  IPI;
#endif
  if
  :: refs != 1 -> pmd = TABLE; goto out
  :: refs == 1
  fi;
  /* copied */
  pte = 0;
  PUT(0);
#if defined(CASE_FreedAtOnce)
  pmd = HUGE;
  freed = 1;
#elif defined(CASE_SyncBeforeFree) || defined(CASE_SyncWithoutRecheck)
  pmd = HUGE;
  IPI;
  freed = 1;
#else
  deposited = 1;
  pmd = HUGE;
#endif
out:
  skip;
  finished++
}
/* CASE_EntryAgain is what is left without any of these. */
JUDGES(JUDGE(pins_page_not_mapped) JUDGE(table_leaks) JUDGE(walks_freed_table)
  JUDGE(refcount_underflow))
