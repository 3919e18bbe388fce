"""`make fuzz`: 100,000 hostile texts at every door; says how many, how long, and what was found.

python -m tests.fuzz.run [HOW_MANY] [DOORS]     # DOORS is a regular expression
"""

import re
import signal
import sys
import time
import traceback

from hypothesis import HealthCheck, Phase, given, settings

from tests.fuzz.doors import DOORS, enter

TEXTS = 100_000
STOPPED = "stopped"
PHASES = [Phase.generate, Phase.shrink]


def tried(door, count):
    """Try a door; return how many texts came, how many were answered, and what is wrong."""
    came = answered = 0

    @settings(
        max_examples=count,
        deadline=None,
        database=None,
        phases=PHASES,
        suppress_health_check=list(HealthCheck),
    )
    @given(door.texts)
    def comes(text):
        nonlocal came, answered
        came += 1
        answered += enter(door, text)

    try:
        comes()
    except KeyboardInterrupt:
        return came, answered, STOPPED
    except BaseException as error:  # an ExceptionGroup where several things are wrong
        return came, answered, "".join(traceback.format_exception(error, limit=-4))
    return came, answered, ""


def main(words):
    total = int(words[0].replace(",", "")) if words else TEXTS
    chosen = [door for door in DOORS if not words[1:] or re.search(words[1], door.name)]
    whole = sum(door.share for door in chosen)
    came, wrong = 0, 0
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # what came until then is counted
    for door in chosen:
        begin = time.process_time()
        count, answered, said = tried(door.ready(), -(-total * door.share // whole))
        came += count
        wrong += said not in ("", STOPPED)
        seconds = time.process_time() - begin
        sign = {"": "✓", STOPPED: "…"}.get(said, "✗")
        read = f"{answered:7,} answered, {count - answered:7,} refused"
        print(f"{sign} {door.name:18} {count:7,} texts: {read} {seconds:7.1f} s", flush=True)
        if said == STOPPED:
            break
        if said:
            print("    " + said.strip().replace("\n", "\n    "), flush=True)
    print(f"{came:,} texts at {len(chosen)} doors: {wrong} doors went wrong")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
