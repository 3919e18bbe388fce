"""A run as a picture: SVG as it is, and through Typst as PNG, PDF and the frames of a GIF.

Typst draws SVG without a browser, and brings the font that the pictures are made for.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from functools import partial
from io import BytesIO
from math import dist
from sys import byteorder
from typing import Any

from mmviz.engine import Run, UnknownName
from mmviz.scene.marks import Point, Scene
from mmviz.scene.searched import SearchedCase
from mmviz.scene.svg import pixels, svg
from mmviz.scene.theme import PAPER, THEMES
from mmviz.scene.views import STILL, View, every, known, picture
from mmviz.scene.words import caption

SHARP = 2.0  # pixels of a PNG for one of the screen
POINT = 0.75  # of a pixel, on paper
FIRST, STEP, BROKEN, LAST = 1_500, 1_200, 3_000, 4_000  # milliseconds that a frame is shown
COLOURS, MOST_BYTES = 255, 1_000_000  # of an animation; one more stands for "as before"


class Picture:
    """What is drawn of a run.

    Args:
        searched: the case.
        run: the run.
        theme: "light" or "dark".
        views: the names of the views; None for those of a still picture.

    Raises:
        UnknownName: there is no such view, or the case does not have it.
    """

    def __init__(
        self, searched: SearchedCase, run: Run, theme: str, views: str | Iterable[str] | None
    ) -> None:
        self.case, self.run, self.theme = searched.case, run, theme
        self.views = _views(searched, views)

    def title(self, k: int) -> str:
        """Return what frame `k` shows, for readers who cannot see it."""
        return f"{self.case.title}. {caption(self.run.frames[k], self.run.tip.index)}"

    def scene(self, k: int, whole: bool = True) -> Scene:
        """Return frame `k`, its views one below the other; `whole` as in `picture`."""
        return picture(self.views, self.run, k, whole)

    def svg(self, k: int, whole: bool = True) -> str:
        """Return frame `k` as SVG."""
        return svg(self.scene(k, whole), self.theme, self.title(k))

    def png(self, k: int) -> bytes:
        """Return frame `k` as PNG, sharp on a screen of twice the usual density."""
        return self._printed([k], 1.0, "png", SHARP)[0]

    def pdf(self, k: int) -> bytes:
        """Return frame `k` as PDF, one page as large as the picture; its text can be searched."""
        return self._printed([k], POINT, "pdf", 1.0)[0]

    def gif(self) -> bytes:
        """Return the run as an animation, a frame a step, which starts again after its end.

        It has at most a megabyte, where that can be: a large one is drawn smaller.
        """
        for sharp in (1.0, 0.8, 0.65, 0.5):
            data = self._animated(sharp)
            if len(data) <= MOST_BYTES:
                break
        return data

    def _animated(self, sharp: float) -> bytes:
        frames = self.run.frames
        drawn = self._printed(range(len(frames)), 1.0, "png", sharp, whole=False)
        images = _indexed(drawn, self.theme)
        times = [FIRST, *(BROKEN if frame.violated else STEP for frame in frames[1:])]
        times[-1] = max(times[-1], LAST)
        out = BytesIO()
        images[0].save(out, "GIF", save_all=True, append_images=images[1:], duration=times, loop=0)
        return out.getvalue()

    def _printed(
        self, frames: Sequence[int], unit: float, form: str, sharp: float, whole: bool = True
    ) -> list[bytes]:
        return printed(
            [self.svg(k, whole) for k in frames],
            pixels(self.scene(frames[0], whole)),
            unit,
            form,
            sharp,
            [self.title(k) for k in frames],
            PAPER[self.theme],
        )


def printed(
    pictures: Sequence[str],
    size: Point,
    unit: float,
    form: str,
    sharp: float,
    titles: Sequence[str] = (),
    paper: str = PAPER["light"],
) -> list[bytes]:
    """Return pictures as Typst draws them: a PNG for each, or one PDF with a page for each.

    Args:
        pictures: as SVG, all of one size.
        size: their width and height, in their pixels.
        unit: the points of paper for one of these.
        form: "png" or "pdf".
        sharp: the pixels of a PNG for a point.
        titles: what they show, for readers who cannot see them.
        paper: the colour of the page, where a picture covers a part of a pixel.
    """
    import typst

    draw: Any = typst.compile  # which also takes files by name

    wide, high = (unit * each for each in size)
    pages = "#pagebreak()\n".join(
        f'#image("{k}.svg", width: {wide}pt, alt: sys.inputs.at("{k}", default: ""))\n'
        for k in range(len(pictures))
    )
    text = (
        '#set document(title: sys.inputs.at("0", default: ""), date: none)\n#let colour = rgb\n'
        f"#set page(width: {wide}pt, height: {high}pt, margin: 0pt)\n"
        f'#set page(fill: colour("{paper}"))\n{pages}'
    )
    made = draw(
        {"main.typ": text.encode()}
        | {f"{k}.svg": each.encode() for k, each in enumerate(pictures)},
        format=form,
        ppi=72 * sharp,
        sys_inputs={str(k): title for k, title in enumerate(titles)},
    )
    return made if isinstance(made, list) else [made]


def _indexed(pngs: Sequence[bytes], theme: str) -> list[Any]:
    """Return pictures with one palette of the most frequent colours, each exactly as it was.

    Those of the theme come first. A colour that finds no room, where the edge of a letter is
    blurred, becomes the nearest that did. Pillow's own mapping merges colours that are close.
    """
    from PIL import Image

    drawn = [Image.open(BytesIO(png)).convert("RGBA") for png in pngs]
    seen: Counter[tuple[int, ...]] = Counter()
    for each in drawn:
        counted: Any = each.getcolors(each.width * each.height)
        seen |= Counter({colour: n for n, colour in counted})  # the most in any one frame
    looks = {PAPER[theme], *(part for style in THEMES[theme].values() for part in style[:3])}
    named = {(*bytes.fromhex(each[1:]), 255) for each in looks if len(each) == 7}
    kept = sorted(seen, key=lambda colour: (colour not in named, -seen[colour], colour))[:COLOURS]
    place = {colour: index for index, colour in enumerate(kept)}
    for colour in seen.keys() - place.keys():
        place[colour] = place[min(kept, key=partial(dist, colour))]
    index = {int.from_bytes(bytes(colour), byteorder): at for colour, at in place.items()}
    palette = [part for colour in kept for part in colour[:3]]
    images = []
    for each in drawn:
        words = memoryview(each.tobytes()).cast("I")
        image = Image.frombytes("P", each.size, bytes(map(index.__getitem__, words)))
        image.putpalette(palette)
        images.append(image)
    return images


def _views(searched: SearchedCase, wanted: str | Iterable[str] | None) -> list[View]:
    """Return the views that a reader names."""
    there = every(searched)
    names = [name for name in STILL if name in there] if wanted is None else known(wanted)
    for name in names:
        if name not in there:
            case = searched.case.name
            raise UnknownName(f"{case} has nothing for {name!r}; it has {', '.join(there)}")
    return [there[name] for name in names]
