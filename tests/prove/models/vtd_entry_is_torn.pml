/* A PASID entry: the low word has P and the domain id, the high word the page table. */
#include "common.pml"
#define ACTORS 2
#define OLD 0
#define NEW 1
#define ZERO 2
bit p = 1, did = OLD;
byte table = OLD;
/* the copy in the PASID cache, and the IOTLB: tag id * 3 + table */
bit cached, cached_did, in_flight;
byte cached_table;
bit iotlb[6];
bit never_translation_of_another_table, never_entry_not_replaced, never_old_translation_stays;
#define BAD_translation_of_another_table \
  (iotlb[OLD * 3 + NEW] || iotlb[OLD * 3 + ZERO] || iotlb[NEW * 3 + OLD] || iotlb[NEW * 3 + ZERO])
#define BAD_entry_not_replaced (DONE && !(p && did == NEW && table == NEW))
#define BAD_old_translation_stays \
  (DONE && (cached && cached_table == OLD || iotlb[OLD * 3 + OLD] || iotlb[NEW * 3 + OLD]))

/* an invalidation is over when what has begun before it is over */
#define FLUSH_PASID d_step { !in_flight -> cached = 0; cached_did = 0; cached_table = 0 }
#define FLUSH_IOTLB(id) \
  d_step { !in_flight -> iotlb[id * 3] = 0; iotlb[id * 3 + 1] = 0; iotlb[id * 3 + 2] = 0 }

active proctype CPU() {
#ifdef CASE_WordByWord
  d_step { p = 1; did = NEW };
  table = NEW;
  FLUSH_PASID; FLUSH_IOTLB(OLD);
#elif defined(CASE_PointerFirst)
  table = NEW;
  d_step { p = 1; did = NEW };
  FLUSH_PASID; FLUSH_IOTLB(OLD);
#elif defined(CASE_ZeroFirst)
  table = ZERO;
  d_step { p = 0; did = OLD };
  FLUSH_PASID; FLUSH_IOTLB(OLD);
  table = NEW;
  d_step { p = 1; did = NEW };
#elif defined(CASE_ClearWithoutFlush)
  p = 0;
  table = NEW;
  d_step { p = 1; did = NEW };
  FLUSH_PASID; FLUSH_IOTLB(OLD);
#elif defined(CASE_PresentTooEarly)
  p = 0;
  FLUSH_PASID; FLUSH_IOTLB(OLD);
  d_step { p = 1; did = NEW };
  table = NEW;
#elif defined(CASE_ClearFlushWrite)
  p = 0;
  FLUSH_PASID; FLUSH_IOTLB(OLD);
  table = NEW;
  did = NEW;
  p = 1;
#endif
  finished++
}

active proctype IOMMU() {
  byte dmas;
  bit d;
  byte t;
  do
  :: dmas == 2 -> break
  :: dmas < 2 ->
     /* one DMA: from the copy, or from the two words one after the other */
     if
     :: d_step { cached -> in_flight = 1; d = cached_did; t = cached_table }
     :: d_step { !cached && p -> in_flight = 1; d = did };
        d_step { t = table; cached = 1; cached_did = d; cached_table = t }
     :: !cached && !p -> goto refused
     fi;
     d_step { iotlb[d * 3 + t] = 1; in_flight = 0 };
refused:
     skip;
     d_step { dmas++; d = 0; t = 0 }
  od;
  finished++
}
JUDGES(JUDGE(translation_of_another_table) JUDGE(entry_not_replaced) JUDGE(old_translation_stays))
