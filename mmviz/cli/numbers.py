"""Numbers as they are typed on a command line; what is none is answered with a sentence."""

import argparse

from mmviz.engine.text import quoted

MOST_DIGITS = 9  # of the number of a step


def seed(word: str) -> int:
    """Parse a seed."""
    if not (word.isascii() and word.isdigit() and len(word) <= MOST_DIGITS):
        raise argparse.ArgumentTypeError(f"{quoted(word)} is not a seed, a number such as 7")
    return int(word)


def port(word: str) -> int:
    """Parse the number of a port."""
    if not (word.isascii() and word.isdigit() and len(word) <= 5 and 1 <= int(word) <= 65535):
        raise argparse.ArgumentTypeError(f"{quoted(word)} is not a port, a number from 1 to 65535")
    return int(word)


def step(word: str) -> int:
    """Parse the number of a step."""
    if not (word.isascii() and word.isdigit() and len(word) <= MOST_DIGITS):
        raise argparse.ArgumentTypeError(f"{quoted(word)} is not the number of a step, 0 or more")
    return int(word)


def count(word: str) -> int:
    """Parse a positive number, `1_000` and `1,000` included."""
    try:
        number = int(word.replace(",", ""))
    except ValueError:
        number = 0
    if number < 1:
        raise argparse.ArgumentTypeError(f"{quoted(word)} is not a number above 0")
    return number
