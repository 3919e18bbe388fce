"""The layouts that the package carries: those of the catalogue's cases, and of every release.

`python -m mmviz.cli.layouts` lets Graphviz make them anew.
"""

from itertools import product

from mmviz.kernel.x86.layout import layout
from mmviz.kernel.x86.transitions import KNOWN
from mmviz.scenarios import every_case
from mmviz.scene.dot import CARRIED, layouts, written
from mmviz.scene.searched import SearchedCase
from mmviz.scene.transitions import diagram
from mmviz.scene.views import VIEWS


def main() -> None:
    """Write the file; what was carried before is neither used nor kept.

    Raises:
        NoGraphviz: there is no Graphviz.
    """
    layouts().clear()
    for case in every_case():
        searched = SearchedCase(case)
        for make in VIEWS.values():
            make(searched)
    for (major, minor), levels, marker in product(KNOWN, (4, 5), (False, True)):
        diagram(layout(f"{major}.{minor}", levels, marker))
    CARRIED.write_text(written(), "utf-8")


if __name__ == "__main__":
    main()
