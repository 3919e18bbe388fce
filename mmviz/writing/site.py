"""The static site: every race with its stage, the debates, the course, the reference.

It opens from any static host and from disk, and asks no network. The same version and races give
the same bytes.
"""

from collections.abc import Callable, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from mmviz.browser import HERE, css, script
from mmviz.engine import MmvizError
from mmviz.scene import theme
from mmviz.writing.site_course import CoursePage, contents, course_page, finished
from mmviz.writing.site_folder import SiteFolder
from mmviz.writing.site_race import RacePage, place_of, race_page
from mmviz.writing.site_reference import reference
from mmviz.writing.site_tables import (
    by_thread,
    catalogue_page,
    debate_table,
    index_page,
    mutants_page,
    thread_pages,
)

NEEDS = ("nbclient", "nbformat", "mistune", "pdoc")  # of the course and of the reference
EXTRA = "site"  # of the package, with these
PARTS = ("threads", "all cases", "mutants")
WHOLE = ("course", *PARTS, "reference")

Progress = Callable[[int, int, str], None]


def missing() -> list[str]:
    """Return the packages that the course and the reference need and that are not installed."""
    return [name for name in NEEDS if find_spec(name) is None]


def write_site(
    folder: str,
    races: Sequence[str],
    course: Sequence[Path] = (),
    progress: Progress | None = None,
    workers: int | None = None,
) -> dict[str, int]:
    """Write a site; return the size of each of its files, in bytes.

    Args:
        folder: where it goes; what an earlier site left there is replaced.
        races: their names, or the paths of a reader's files.
        course: the notebooks; with them comes the reference.
        progress: called with how many parts are done, how many there are, and the last one.
        workers: how many processes work; by default one a core.

    Raises:
        MmvizError: a package is missing, the folder has files that are not of an earlier site, a
            race cannot be read, or a cell of a notebook fails.
    """
    target = SiteFolder(folder)
    if course and missing():
        raise MmvizError(
            f"the course and the reference need {' and '.join(missing())}: "
            f"pip install 'mmviz[{EXTRA}]', or name the races that the site is to have"
        )
    files = site(races, course, progress, workers)
    target.put(files)
    return {name: len(content) for name, content in files.items()}


def site(
    races: Sequence[str],
    course: Sequence[Path] = (),
    progress: Progress | None = None,
    workers: int | None = None,
) -> dict[str, bytes]:
    """Return the files of a site, by path; see `write_site`."""
    there = WHOLE if course else PARTS
    done = _worked(_jobs(races, course, there), progress, workers)
    made: list[RacePage] = [done["race", name] for name in races]
    files = shared()
    for race in made:
        files |= race.files
    pages: list[CoursePage] = [done["course", path] for path in course]
    files |= _course(pages, made, there)
    files |= done.get(("reference", ""), {})
    for part in (thread_pages, catalogue_page, mutants_page):
        files |= part(made, there)
    return files | index_page(made, there)


def shared() -> dict[str, bytes]:
    """Return what all pages share: looks, search, and the one copy of the stage's code."""
    own = HERE / "site"
    texts = {path.name: path.read_text("utf-8") for path in sorted(own.glob("*.js"))}
    texts["site.css"] = theme.css() + (own / "site.css").read_text("utf-8")
    texts["stage.js"] = script()
    texts["stage.css"] = theme.rules() + css()
    return {name: text.encode() for name, text in texts.items()}


Job = tuple[str, Any]  # what kind of part it is, and which


def _jobs(
    races: Sequence[str], course: Sequence[Path], there: Sequence[str]
) -> dict[Job, tuple[Any, ...]]:
    """Return what is to be called for each part that takes long, with what it takes."""
    jobs: dict[Job, tuple[Any, ...]] = {("course", path): (course_page, path) for path in course}
    if course:
        jobs["reference", ""] = (reference,)
    taken: list[str] = []
    for name in races:
        taken.append(place_of(name, taken))
        jobs["race", name] = (race_page, name, taken[-1], tuple(there))
    return jobs


def _worked(
    jobs: dict[Job, tuple[Any, ...]], progress: Progress | None, workers: int | None
) -> dict[Job, Any]:
    """Do all jobs, each in some process, and return what each returned."""
    done: dict[Job, Any] = {}
    with ProcessPoolExecutor(workers) as pool:
        waiting: dict[Future[Any], Job] = {pool.submit(*call): job for job, call in jobs.items()}
        try:
            for each in as_completed(waiting):
                job = waiting[each]
                done[job] = each.result()
                if progress is not None:
                    progress(len(done), len(jobs), " ".join(filter(None, map(str, job))))
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    return done


def _course(
    pages: list[CoursePage], races: Sequence[RacePage], there: Sequence[str]
) -> dict[str, bytes]:
    """Return the pages of the course, with the debates that they show."""
    if not pages:
        return {}
    threads, files = by_thread(races), {"course/index.html": contents(pages, there)}
    for made in pages:
        body = made.body
        for mark, thread in made.debates.items():
            body = body.replace(mark, debate_table(threads.get(thread, []), made.where))
        files |= made.files | {made.where: finished(made, body, pages, there)}
    return files
