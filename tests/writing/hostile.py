"""A race whose reader wrote anything wherever text goes, for each form in which it leaves."""

from hypothesis import strategies as st

from mmviz.engine import Race, Scenario, Struct, World, atomic, field, warn
from mmviz.engine.text import printable
from mmviz.scene.searched import SearchedCase

TRICKS = [
    *("<script>alert(1)</script>", "</script><img src=x onerror=alert(1)>", "]]>", "&lt;b&gt;"),
    *("\\input{/etc/passwd}", "\\end{document}", "%{}$^_~#&\\\\", "^^5cinput", "--- `` '' ,,"),
    *(
        "```\n# head\n```",
        "[a](javascript:alert(1))",
        "@someone #12 https://x.invalid",
        "| a | b |",
    ),
    *("end", "a0->>a0: x; y", "%% note", "#35; #quot;", "\n\n- item", "1. x", "![a](b)", "<!-- a"),
    *("\u202eevil\u2066", "\x1b[31mred\x07", "\ud800", "日本 ✗ é", "\0", '"; shutdown', "a\tb"),
]
words = st.one_of(
    st.sampled_from(TRICKS),
    st.text(max_size=30),
    st.lists(st.sampled_from(TRICKS)).map("".join),
)


class Note(Struct):
    text: str = ""
    done: bool = False


class Desk(World):
    note: Note = field(default_factory=Note)

    @atomic("desk.c")
    def write(self, text):
        """Write a text."""
        self.note.text = text

    @atomic("desk.c")
    def finish(self):
        """Finish."""
        self.note.done = True
        warn("torn", self.note.text or "empty")


def torn(k):
    """The note is finished."""
    return k.note.done


def searched(text):
    """Return the searched case of a race that says `text` everywhere."""

    async def writer(k):
        await k.write(text)

    async def closer(k):
        await k.finish()

    race = Race(world=Desk, actors={"CPU0": writer, "CPU1": closer}, bad=[torn])
    race.case(text or "title", name="Said")(writer)
    return SearchedCase(Scenario(text or "title", text, race, simplified=text).cases[0])


def line(text):
    """Return what a reader sees of a text on one line."""
    return printable(" ".join(text.split()))
