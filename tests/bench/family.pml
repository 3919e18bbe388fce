/* The family "NF faults x NI invalidators x NP pages" for spin, step for step as in
 * mmviz/scenarios/invalidate_page/faults_and_invalidators.py.  BOTH=0 checks the sequence
 * only, which is the bug.  Locals that are no longer needed are reset, so that spin counts
 * exact states. */
#ifndef NF
#define NF 1
#endif
#ifndef NI
#define NI 1
#endif
#ifndef NP
#define NP 1
#endif
#ifndef BOTH
#define BOTH 1
#endif

bit lock = 0;
byte seq = 0;
byte busy = 0;
bit pte[NP] = 1;
bit spte[NP] = 0;
bit freed[NP] = 0;

inline judge(k) { assert(!(spte[k] && freed[k])) }

/* Each d_step is one step.  A process that has finished waits in end_done: dying would be a
 * step of its own. */
#define P (_pid % NP)
#define Q ((_pid - NF) % NP)

active [NF] proctype fault() {
	byte sample; bit pfn;
	d_step { sample = seq };
	if
	:: d_step { !pte[P] -> sample = 0 }
	:: d_step { pte[P] -> pfn = 1 };
	   d_step { lock == 0 -> lock = 1 };
	   if
#if BOTH
	   :: d_step { busy > 0 -> sample = 0; pfn = 0 }
	   :: d_step { busy == 0 -> skip };
	      if
#endif
	      :: d_step { seq != sample -> sample = 0; pfn = 0 }
	      :: d_step { seq == sample -> sample = 0 };
	         d_step { spte[P] = pfn; pfn = 0; judge(P) }
#if BOTH
	      fi
#endif
	   fi;
	   d_step { lock = 0 }
	fi;
end_done: false
}

active [NI] proctype invalidate() {
	d_step { lock == 0 -> lock = 1 };
	d_step { busy++ };
	d_step { spte[Q] = 0 };
	d_step { lock = 0 };
	if
	:: d_step { !pte[Q] -> skip }
	:: d_step { pte[Q] -> pte[Q] = 0 };
	   d_step { freed[Q] = 1; judge(Q) }
	fi;
	d_step { lock == 0 -> lock = 1 };
	d_step { seq++ };
	d_step { busy-- };
	d_step { lock = 0 };
end_done: false
}
