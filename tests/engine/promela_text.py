"""A reader of exported Promela, so that the text itself is tested where spin is not installed.

It knows the few forms that the export writes, and nothing else.  Labels, guards and assignments
come from the text; what the macros do is written here once more.
"""

import re
from dataclasses import dataclass, field

OPTION = re.compile(r"\t:: (.*?);?\s+goto (\w+)|\t:: (.*?) -> goto (\w+)", re.DOTALL)
PROCTYPE = re.compile(r"^active proctype (\w+)\(\).*?^\{\n(.*?)^\}", re.MULTILINE | re.DOTALL)
LABEL = re.compile(r"^(\w+):", re.MULTILINE)


@dataclass
class Results:
    """What a search of the text found.

    Attributes:
        states: how many states it has.
        failed: the assertions that fail, without "never_".
        deadlock: an invalid end state can be reached.
    """

    states: int = 0
    failed: set = field(default_factory=set)
    deadlock: bool = False


class Text:
    """An exported case, with one of its macros set."""

    def __init__(self, text, without=""):
        self.without = without
        plain = re.sub(r"/\*.*?\*/", "", text, flags=re.DOTALL)
        for name, meaning in re.findall(r"^#define ((?:holds|unknown)_\w+_\d+) (.*)$", plain, re.M):
            plain = re.sub(rf"^(?!#define)(.*)\b{name}\b", rf"\1{meaning}", plain, flags=re.M)
        head = plain.partition("active proctype")[0]
        self.start = {
            name: int(number)
            for name, number in re.findall(r"^(?:bit|byte|short|int) (\w+) = (\d+);", head, re.M)
        }
        self.start.setdefault("dead", 0)
        if without and f"WITHOUT == {without}" in head:
            self.start["dead"] = 1
        self.programs = []
        for name, body in PROCTYPE.findall(plain):
            if name != "ended":
                self.programs.append(self.program(body))

    @staticmethod
    def program(body):
        """Return label -> its options: (guard, statements, next label)."""
        labels = list(LABEL.finditer(body))
        ends = [label.start() for label in labels[1:]] + [len(body)]
        found = {}
        for label, end in zip(labels, ends, strict=True):
            found[label[1]] = []
            for block in re.split(r"\n(?=\t::)", body[label.end() : end])[1:]:
                guard, statements, after = parsed(block)
                found[label[1]].append((compiled(guard), statements, after))
        return found

    def search(self):
        """Visit every state."""
        found = Results()
        first = [next(iter(program)) for program in self.programs]
        start = (tuple(first), tuple(self.start.values()))
        seen, queue = {start}, [start]
        for at, values in queue:
            moved = bool(values[list(self.start).index("dead")])  # `ended` goes round
            for p, label in enumerate(at):
                for guard, statements, after in self.programs[p][label]:
                    variables = dict(zip(self.start, values, strict=True))
                    if not self.holds(guard, variables):
                        continue
                    moved = True
                    for statement in statements:
                        self.perform(statement, variables, found.failed)
                    state = ((*at[:p], after, *at[p + 1 :]), tuple(variables.values()))
                    if state not in seen:
                        seen.add(state)
                        queue.append(state)
            if not moved and not all(label.startswith("end") for label in at):
                found.deadlock = True
        found.states = len(seen)
        return found

    def holds(self, guard, variables):
        return eval(guard, {"alive": not variables["dead"]}, variables)

    def perform(self, statement, variables, failed):
        if found := re.fullmatch(r"judge\((\w+), never_(\w+), (.*)\)", statement, re.DOTALL):
            bad, never, expression = found.groups()
            if self.holds(compiled(expression), variables):
                if not self.without:
                    failed.add(never)
                elif bad == self.without:
                    variables["dead"] = 1
        elif found := re.fullmatch(r"known\((.*)\)", statement):
            if self.holds(compiled(found[1]), variables):
                failed.add("known_situation")
        elif statement == "assert(known_situation)":
            failed.add("known_situation")
        elif statement == "completes":
            if self.without and not variables["dead"] and not variables["running"]:
                failed.add("always")
        elif statement == "oops":
            if self.without and not variables["dead"]:
                failed.add("always")
            variables["dead"] = 1
        elif statement == "running--":
            variables["running"] -= 1
        elif statement != "skip":
            name, number = re.fullmatch(r"(\w+) = (\d+)", statement).groups()
            assert name in variables, f"{name} is not declared"
            variables[name] = int(number)


def parsed(block):
    """Return the guard, the statements and the next label of an option."""
    block = block.strip().removeprefix(":: ")
    if not block.startswith("d_step"):
        guard, after = re.fullmatch(r"(.*) -> goto (\w+)(?:\s+fi;?)?\s*", block, re.DOTALL).groups()
        return guard, [], after
    inside, after = re.fullmatch(
        r"d_step \{(.*)\};\s+goto (\w+)(?:\s+fi;?)?\s*", block, re.DOTALL
    ).groups()
    guard, _, rest = inside.partition("->")
    return guard, [each.strip() for each in rest.split(";")], after


def compiled(expression):
    """Return a Promela expression as Python."""
    text = expression.replace("&&", " and ").replace("||", " or ").replace("true", "True")
    return compile(text.strip(), "guard", "eval")
