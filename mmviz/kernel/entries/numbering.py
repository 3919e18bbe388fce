"""Which kind of entry a swap type number stands for, by release and configuration.

The numbers count down from 31, the same on every architecture; so an option that is off moves
every kind with a lower number up.

Source: include/linux/swap.h (SWP_*_NUM, MAX_SWAPFILES), read at 002c6ca75289 (v6.1 era, with
SWP_SWAPIN_ERROR) and in patches; include/linux/leafops.h, softleaf_type(), read at 0ac881efe164
(v6.19).  Releases: SWP_DEVICE_* 5042db43cc26 (v4.14); SWP_DEVICE_EXCLUSIVE_* b756a3b5e7ea (v5.14),
one number from v6.15 (c25465eb7630); SWP_MIGRATION_READ_EXCLUSIVE 6c287605fd56 (v5.19);
SWP_PTE_MARKER 679d10331910 (v5.19), an option until ca92ea3dc5a2 (v6.2); SWP_SWAPIN_ERROR
9f186f9e5fa9 (v5.19) until 15520a3f0469 (v6.2).  Numbers and conditions re-read in v7.0.
"""

from collections.abc import Iterator
from functools import cache
from itertools import product
from typing import NamedTuple

from mmviz.kernel.entries.kinds import Kind

NUMBERS = 32
OPTIONS = {
    "migration": "CONFIG_MIGRATION",
    "memory_failure": "CONFIG_MEMORY_FAILURE",
    "device_private": "CONFIG_DEVICE_PRIVATE",
    "pte_marker": "CONFIG_PTE_MARKER",
}
MARKERS = (5, 19)  # from here until v6.1 an option
MARKERS_ALWAYS = (6, 2)


class Config(NamedTuple):
    """The options that the numbers depend on."""

    migration: bool = True
    memory_failure: bool = True
    device_private: bool = True
    pte_marker: bool = False


USUAL = Config()


@cache
def types(release: tuple[int, int], config: Config = USUAL) -> tuple[Kind, ...]:
    """Return the kind of each number of a release."""
    taken = [Kind.HWPOISON] if config.memory_failure else []
    if config.migration:
        taken.append(Kind.MIGRATION_READ)
        if release >= (5, 19):
            taken.append(Kind.MIGRATION_READ_EXCLUSIVE)
        taken.append(Kind.MIGRATION_WRITE)
    if config.device_private and release >= (4, 14):
        taken += [Kind.DEVICE_PRIVATE_WRITE, Kind.DEVICE_PRIVATE_READ]
        if release >= (6, 15):
            taken.append(Kind.DEVICE_EXCLUSIVE)
        elif release >= (5, 14):
            taken += [Kind.DEVICE_EXCLUSIVE_WRITE, Kind.DEVICE_EXCLUSIVE_READ]
    optional = MARKERS <= release < MARKERS_ALWAYS
    if release >= MARKERS_ALWAYS or (optional and config.pte_marker):
        taken.append(Kind.MARKER)
    if optional:
        taken.append(Kind.SWAPIN_ERROR)
    return (Kind.SWAP,) * (NUMBERS - len(taken)) + tuple(taken)


def options(release: tuple[int, int]) -> tuple[str, ...]:
    """Return the fields of `Config` that matter in a release."""
    found = ["migration", "memory_failure"]
    if release >= (4, 14):
        found.append("device_private")
    if MARKERS <= release < MARKERS_ALWAYS:
        found.append("pte_marker")
    return tuple(found)


@cache
def meanings(number: int, release: tuple[int, int]) -> tuple[tuple[Kind, str], ...]:
    """Return each kind that a number can stand for, with the configuration that makes it so.

    The one with every option on comes first; a condition is "" if there is only one kind.
    """
    names = options(release)
    configs = [Config(**dict(zip(names, on, strict=True))) for on in _choices(names)]
    kinds = {config: types(release, config)[number] for config in configs}
    found = dict.fromkeys(kinds.values())
    if len(found) == 1:
        return ((next(iter(found)), ""),)
    return tuple(
        (kind, " or ".join(_terms(names, {c for c, k in kinds.items() if k is kind})))
        for kind in found
    )


def _choices(names: tuple[str, ...]) -> Iterator[tuple[bool, ...]]:
    """Yield every setting of some options, all on first."""
    yield from product((True, False), repeat=len(names))


def _terms(names: tuple[str, ...], wanted: set[Config]) -> list[str]:
    """Return the fewest settings, as text, that hold in these configurations and no other."""
    every = [dict(zip(names, on, strict=True)) for on in _choices(names)]
    left, found = set(wanted), []
    partial = sorted(product((None, True, False), repeat=len(names)), key=lambda s: -s.count(None))
    for setting in partial:
        fixed = {n: on for n, on in zip(names, setting, strict=True) if on is not None}
        inside = {Config(**on) for on in every if fixed.items() <= on.items()}
        if inside <= wanted and inside & left:
            left -= inside
            found.append(", ".join(f"{OPTIONS[n]}={'y' if on else 'n'}" for n, on in fixed.items()))
    return found
