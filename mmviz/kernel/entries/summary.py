"""An entry in one line."""

from mmviz.kernel.entries.kinds import SWAP_KINDS, Entry


def label(what: Entry) -> str:
    """Return the kind of an entry, and whether it maps a huge page."""
    return what.kind.value + (", huge" if getattr(what, "huge", False) else "")


def summary(what: Entry) -> str:
    """Return an entry in one line: its kind and what it names."""
    values = vars(what)
    numbers = [f"{name} {values[name]:#x}" for name in ("pfn", "offset", "pgoff") if name in values]
    if "device" in values:
        numbers.insert(0, f"device {values['device']}")
    ons = [name.rstrip("_") for name, value in values.items() if value is True]
    in_kind = ["prot_none", "numa", "invalid", "unmapped", "huge"]
    if what.kind in SWAP_KINDS:
        in_kind.append("write")
    return ", ".join([label(what), *numbers, *(name for name in ons if name not in in_kind)])
