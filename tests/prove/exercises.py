"""Every mistake of the corpora, judged in full: no false green, no false red, none unexplained.

    python -m tests.prove.exercises [THREAD …]

The mistakes are those of tests/lessons/mistakes: written by hand, and every mutant of every right
fix.  What the judge gets wrong is printed, and ends the program with status 1.
"""

import sys
import time
from collections import Counter

from tests.lessons.mistakes import corpus


def prove(thread: str) -> int:
    """Judge the mistakes of a thread, print what is wrong and a summary; return how many."""
    before, counts, wrong = time.process_time(), Counter(), 0
    slowest = 0.0
    safe, used = corpus.safe_of(thread), set()
    for each in corpus.corpus(thread):
        start = time.process_time()
        card = corpus.judged(each)
        slowest = max(slowest, time.process_time() - start)
        fault = corpus.faults(each, card, safe)
        used.add((each.exercise, each.label))
        counts["right" if card.right else "no verdict" if card.error else "rejected"] += 1
        wrong += told(each, fault)
    for plain, each in corpus.always_locked(thread):
        counts["always locked"] += 1
        wrong += told(each, corpus.unlocked_cost(plain, each))
    for exercise, label in safe.keys() - used:
        wrong += 1
        print(f"{exercise}: {label}: has a reason, and is not in the corpus")
    total = ", ".join(f"{number} {what}" for what, number in counts.items())
    seconds = time.process_time() - before
    print(f"{thread}: {total}; {wrong} judged wrongly; {seconds:.0f} s, slowest {slowest:.2f} s")
    return wrong


def told(mistake: corpus.Mistake, fault: str) -> bool:
    """Print how the judge fails an answer; return whether it does."""
    if fault:
        print(f"{mistake.exercise}: {mistake.label}: {fault}\n{mistake.methods}\n")
    return bool(fault)


if __name__ == "__main__":
    sys.exit(sum(map(prove, sys.argv[1:] or corpus.threads())) > 0)
