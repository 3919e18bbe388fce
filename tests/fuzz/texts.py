"""Hostile texts: what people bring, spliced, repeated, cut, and mixed with what should not be."""

import random
from functools import cache
from pathlib import Path

from hypothesis import strategies as st

READING = Path(__file__).parents[1] / "reading"
MARK = "zqx"  # stands in all markup, so that it is found where it was not escaped
MARKUP = [
    f"<img src=x onerror={MARK}(1)>",
    f"</script><script>{MARK}(1)</script>",
    f"<b>{MARK}</b>",
    f'"><svg onload={MARK}(1)>',
    f"' onmouseover={MARK}(1) x='",
    f"[{MARK}](javascript:{MARK}(1))",
    f"![{MARK}](http://{MARK}.example/)",
    f"\\input{{{MARK}}}",
    f"$\\def\\{MARK}{{}}$",
    f"%{MARK}\n",
    f"```\n# {MARK}\n```",
    f'click A href "javascript:{MARK}(1)"',
    f"%%{{init: {{{MARK}}}}}%%",
    f"<!--{MARK}-->",
    f"&lt;{MARK}&gt;",
    f"]]>{MARK}",
    f"__import__('os').system('{MARK}')",
    f'"""); import {MARK}  # \\',
    f"{{{MARK}}}",
    f"%({MARK})s",
]
STEERING = [
    *("\x1b[31m", "\x1b]0;t\x07", "\x9b2J", "\x00", "\x07", "\x08", "\r", "\x0b", "\x0c", "\x7f"),
    *("\u202e", "\u2066", "\u200b", "\u200f", "\u2028", "\u2029", "\u00ad", "\ufeff", "\ud800"),
    *("\ue000", "\U000e0041", "e\u0301" * 3, "\u0130", "\ufb01", "\uff1c", "\u2502", "\u2192"),
]
SIGNS = [
    *("|", "---", "...", "}", "{", "/* x", "*/", "//", "(1)", "=3D", "=\n", "=20\n", "\u00a0"),
    *("  ", "\t", "        ", "\n", "\n\n", "> ", " * ", "\r\n", "-->", "`---->", "[ x", "é", "&"),
    *("CPU0", "CPU1", "Thread A:", "lock(&a);", "*** X ***", "<Interrupt>", "[<0>] f+0x1/0x2"),
    *("-> #0 (&a){+.+.}-{3:3}:", "9" * 400, "(" * 50, "exists (x=1)", "P0(int *x) {", ";", ","),
]
PIECES = [*MARKUP, *STEERING, *SIGNS]


LITMUS = [
    """X86_64 SB
"Fre PodWR Fre PodWR"
{ x=0; y=0; }
 P0            | P1            ;
 movl $1,(x)   | movl $1,(y)   ;
 mfence        |               ;
 movl (y),%eax | movl (x),%eax ;
exists (0:rax=0 /\\ 1:rax=0)
""",
    """X86 LOCK
{ }
 P0            | P1            ;
 MOV EAX,$1    | MOV EBX,$2    ;
 XCHG [x],EAX  | XCHG [x],EBX  ;
forall (0:EAX=0 \\/ 1:EBX=0)
""",
    """C MP+wmb+rmb
(* a message *)
{ int x = 0; int y; }

P0(int *x, int *y)
{
	WRITE_ONCE(*x, 1);
	smp_wmb();
	WRITE_ONCE(*y, 1);
}

P1(int *x, int *y)
{
	int r0;
	int r1;

	r0 = READ_ONCE(*y);
	smp_rmb();
	if (r0)
		r1 = READ_ONCE(*x);
	// and no more
}

exists (1:r0=1 /\\ 1:r1=0)
""",
    """C lock
{ spinlock_t l; }

P0(int *x, spinlock_t *l)
{
	spin_lock(l);
	*x = *x + 1;
	spin_unlock(l);
}

P1(int *x, spinlock_t *l)
{
	spin_lock(l);
	int r0 = atomic_add_return(1, x);
	spin_unlock(l);
	rcu_read_lock();
	synchronize_rcu();
	rcu_read_unlock();
}

locations [x; 1:r0]
exists (x=2)
""",
]


@cache
def samples(folder):
    """Return the texts of a folder of samples."""
    files = sorted((READING / folder).glob("*.txt"))
    return [file.read_bytes().decode("utf-8", "replace") for file in files]


def spoiled(text, others, seed, count):
    """Return a text after some changes, the same each time.

    Args:
        text: the text.
        others: texts that lines are taken from.
        seed: which changes.
        count: how many.
    """
    dice = random.Random(seed)
    for _ in range(count):
        text = CHANGES[dice.randrange(len(CHANGES))](text, others, dice)
    return text


def _put(text, others, dice):
    at = dice.randint(0, len(text))
    return text[:at] + dice.choice(PIECES) + text[at:]


def _cut(text, others, dice):
    at = dice.randint(0, len(text))
    return text[:at] + text[at + dice.choice((1, 1, 2, 8, 40, 400)) :]


def _repeat(text, others, dice):
    lines = text.splitlines(keepends=True) or [text]
    at = dice.randrange(len(lines))
    return "".join([*lines[:at], lines[at] * dice.choice((2, 2, 3, 10, 60)), *lines[at:]])


def _splice(text, others, dice):
    other = dice.choice(others).splitlines(keepends=True) or [""]
    lines = text.splitlines(keepends=True)
    at, begin = dice.randint(0, len(lines)), dice.randrange(len(other))
    taken = other[begin : begin + dice.choice((1, 2, 5, 20))]
    return "".join([*lines[:at], *taken, *lines[at:]])


def _swap(text, others, dice):
    lines = text.splitlines(keepends=True)
    if len(lines) > 1:
        a, b = dice.randrange(len(lines)), dice.randrange(len(lines))
        lines[a], lines[b] = lines[b], lines[a]
    return "".join(lines)


def _tabs(text, others, dice):
    old, new = dice.choice((("\t", "    "), ("        ", "\t"), ("  ", " "), (" ", "\u00a0")))
    return text.replace(old, new)


def _quote(text, others, dice):
    head = dice.choice(("> ", ">", " * ", "| ", "    ", "\t", "[  1.234567] ", "JG> "))
    return "".join(head + line for line in text.splitlines(keepends=True))


def _wrap(text, others, dice):
    at = dice.choice((20, 40, 72))
    return "\n".join(line[:at] + "\n" + line[at:] for line in text.split("\n"))


def _letters(text, others, dice):
    return "".join(
        dice.choice(PIECES) if char.isalpha() and dice.random() < 0.01 else char for char in text
    )


CHANGES = (_put, _put, _put, _cut, _cut, _repeat, _splice, _splice, _swap, _tabs, _quote, _wrap)
CHANGES += (_letters,)
SEEDS = st.integers(0, 2**32 - 1)


def mutants(texts, most=6):
    """Return a strategy of spoiled texts."""
    return st.builds(spoiled, st.sampled_from(texts), st.just(texts), SEEDS, st.integers(0, most))


def words(known):
    """Return a strategy of short texts that are nearly right, or nothing of it."""
    piece = st.one_of(st.sampled_from(known), st.sampled_from(PIECES), st.text(max_size=4))
    return st.lists(piece, max_size=6).map("".join)


def nearly(good, known):
    """Return a strategy of texts that are right, nearly right, or made of known words."""
    return st.one_of(mutants(good, 2), mutants(good, 1), words(known))


def large(texts):
    """Return a strategy of texts of nearly 64 KiB."""
    return st.builds(
        lambda text, seed, times: (spoiled(text, texts, seed, 2) * times)[:60_000],
        st.sampled_from(texts),
        SEEDS,
        st.integers(20, 200),
    )
