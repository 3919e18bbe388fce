/* What every model by hand uses: locks that know their holder, and the judgement of bad states.

   A model sets ACTORS, the number of actors that must finish, and counts each that has.  For each
   bad state x it defines BAD_x, an expression, and has a line JUDGE(x).  spin reports the assertion
   never_x where some state satisfies BAD_x, and "completed" where all actors have finished.  With
   -DWITHOUT=BAD_x it looks only at runs that avoid BAD_x, and reports "always" where one of them is
   completed.  With -DCYCLES it looks for runs that never end. */
byte finished;
bit always, completed, wrong_owner;

#define DONE (finished == ACTORS)
#define ME (_pid + 1)
#define LOCK(l) d_step { l == 0 -> l = ME }
#define UNLOCK(l) d_step { wrong_owner = wrong_owner || l != ME; l = 0 }
#define BAD_unlock_not_owner (wrong_owner)
#define JUDGE(x) :: d_step { BAD_##x -> assert(never_##x) }

#if defined(WITHOUT)
#define JUDGES(x) \
  never { \
    do \
    :: d_step { DONE && !(WITHOUT) -> assert(always) } \
    :: !(WITHOUT) \
    od \
  }
#elif defined(CYCLES)
#define JUDGES(x)
#else
/* The judge speaks once: a state that no actor leaves is still seen as a deadlock. */
#define JUDGES(x) \
  active proctype judge() { end: if x :: d_step { DONE -> assert(completed) } fi }
#endif
