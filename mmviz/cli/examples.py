"""An example or more of each command, as `--help` shows them; a test runs each."""

LINK = "mmviz:0.2.0/sva/clear_order:NoIotlb/CPU0:2,DEV/at3/q6j.mqcvro"

EXAMPLES = {
    "list": (
        "mmviz list iommu_group               # the cases of a thread",
        "mmviz list hmm --kernel 5.3 --json   # those that this release behaves like",
    ),
    "check": (
        "mmviz check iommu_group/release_order                    # a race",
        "mmviz check iommu_group/release_order:DelistThenRelease  # a case",
        "mmviz check invalidate_page/faults_and_invalidators --set faults=2",
    ),
    "replay": (
        'mmviz replay iommu_group/release_order DelistThenRelease "CPU0*3 CPU1*4"',
        f"mmviz replay {LINK}",
        "mmviz replay - < mail.txt            # the link in a mail, as it is",
    ),
    "mutate": ("mmviz mutate iommu_group/release_order:ReleaseUnderMutex",),
    "verify": ("mmviz verify my_race.py", "mmviz verify my_race.py --json"),
    "new": ("mmviz new another_race.py",),
    "export": (
        "mmviz export iommu_group/release_order DelistThenRelease -o run.html",
        'mmviz export iommu_group/release_order DelistThenRelease "CPU0*3" -o run.txt',
        "mmviz export iommu_group/release_order ReleaseUnderMutex -o case.pml",
        "mmviz export iommu_group/release_order DelistThenRelease --qr -o link.svg",
        "mmviz export --site public           # all races, the course, the reference",
        "mmviz export --site public my_race.py hmm",
    ),
    "diagram": (
        "mmviz diagram mail.txt               # can it happen, and where?",
        "mmviz diagram mail.txt --race iommu_group/release_order:ReleaseUnderMutex",
        "mmviz diagram - --json < mail.txt",
        "mmviz diagram mail.txt -o race.html  # its stage as one page",
    ),
    "lockdep": (
        "mmviz lockdep splat.txt",
        "mmviz lockdep - --json < splat.txt",
        "mmviz lockdep splat.txt -o race.html # its stage as one page",
    ),
    "litmus": (
        "mmviz litmus SB.litmus               # every final state under x86-TSO",
        "mmviz litmus SB.litmus --model sc    # without store buffers",
        "mmviz litmus - --json < SB.litmus",
        "mmviz litmus SB.litmus -o SB.html   # the run that is asked for, as a page",
    ),
    "quiz": (
        "mmviz quiz iommu_group/release_order --count 3",
        "mmviz quiz hmm/alive_when_asked --kind reachable --answers",
        "mmviz quiz my_race.py --seed 7 --json",
    ),
    "exercise": (
        "mmviz exercise                       # all of them",
        "mmviz exercise sva                   # those of a thread",
        "mmviz exercise iommu_group/one_critical_section  # > mine.py, and edit it",
    ),
    "judge": (
        "mmviz judge mine.py                  # what mmviz exercise printed, edited",
        "mmviz judge run.txt --exercise iommu_group/break_it",
    ),
    "entry": (
        "mmviz entry 0xf7fffffffdb97400 --kernel 5.14    # bit by bit",
        "mmviz entry 0x2e0396009e2 --kernel 4.4.180-default --level pmd",
        "mmviz entry 'BUG: Bad page map in process a pte:00000008 pmd:18d73f067'",
        "mmviz entry - --json < oops.txt      # every entry of a log",
    ),
    "lab": (
        "mmviz lab course --copy-only         # no JupyterLab is started",
        "mmviz lab class --edition student --copy-only",
        "mmviz lab mine --edition teacher --copy-only",
    ),
    "assignment": (
        "mmviz assignment hmm/one_put iommu_group/break_it -o class",
        "mmviz assignment hmm/one_put --for nbgrader -o course",
        "mmviz assignment 'sva/clear_order:NoIotlb?next@3' --for otter -o otter",
    ),
    "grade": (
        "mmviz grade races.ipynb ada.ipynb    # what was given out, what was handed in",
        "mmviz grade races.ipynb ada.ipynb --json",
    ),
    "progress": (
        "mmviz progress",
        "mmviz progress --json",
    ),
    "schema": (
        "mmviz schema                         # the names",
        "mmviz schema replay                  # the form of `mmviz replay --json`",
    ),
    "completion": ('eval "$(mmviz completion bash)"      # a line for your ~/.bashrc',),
}
