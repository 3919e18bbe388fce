"""Pointers that are overwritten so that following them is detected."""

from typing import NoReturn

from mmviz.engine import Oops


def follow(pointer: str) -> NoReturn:
    """Stop the machine, inside a step: a poisoned pointer is followed.

    Source: include/linux/poison.h; no memory is mapped at such an address.
    """
    raise Oops("follows_poisoned_pointer", f"the poisoned pointer {pointer} is followed")
