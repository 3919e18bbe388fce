"""The objects of a case that translate an address: tables, entries and caches.

Kinds of objects register with `tables`. In an object of another kind, a `Map` whose values are
pages or entries counts as a table, and a field that may refer to a page as an entry.
"""

from collections.abc import Iterator, Sequence
from functools import singledispatch
from typing import Any

from mmviz.engine import Map, Struct, World, spoken
from mmviz.kernel.conformance.dmirror_table import DeviceEntry, DmirrorPage
from mmviz.kernel.driver.atomic_access import AtomicAccess
from mmviz.kernel.driver.umem import Umem
from mmviz.kernel.driver.vcpu import Vcpu
from mmviz.kernel.iommu.iommu import Device, Domain, Iommu
from mmviz.kernel.iommu.pasid import NOT_PRESENT_QUIET, DmaQueue, Smmu, SvaDevice
from mmviz.kernel.mm.entry import CowMapping
from mmviz.kernel.mm.mm_struct import MmStruct, Pgd
from mmviz.kernel.mm.page import Page
from mmviz.kernel.mm.pagetable import DevicePageTable, PageTable, PmdTable
from mmviz.kernel.mm.tlb import Tlb
from mmviz.kernel.sync.store_buffer import Store, StoreBuffer
from mmviz.scene.cards import walk
from mmviz.scene.entries import Entry, Peer, Side, Table, of_map
from mmviz.scene.reach import Reach, pointee
from mmviz.scene.walk import Level, leaf_label, upper


@singledispatch
def tables(struct: Struct, reach: Reach) -> Iterator[Table]:
    """Yield the tables of an object."""
    if isinstance(struct, Map):
        return
    loose = []
    for key, value in struct.fields():
        path = struct.path(key)
        if isinstance(value, Map) and any(
            isinstance(pointee(one), Page) for at in value for one in reach.values[value.path(at)]
        ):
            yield from of_map(value, value, "table", Side.DEVICE, reach)
        elif reach.varies(path) and any(
            isinstance(pointee(one), Page) for one in reach.values[path]
        ):
            loose.append(Entry(path, str(key)))
    if loose:
        name = "world" if isinstance(struct, World) else struct.name
        yield Table(struct, name, "refers to pages", Side.DEVICE, tuple(loose))


@tables.register
def _(table: PageTable, reach: Reach) -> Iterator[Table]:
    yield from of_map(table, table.pte, "", Side.CPU, reach)


@tables.register
def _(table: DevicePageTable, reach: Reach) -> Iterator[Table]:
    yield from of_map(table, table.pte, "device's table", Side.DEVICE, reach)


@tables.register
def _(table: PmdTable, reach: Reach) -> Iterator[Table]:
    del reach
    entries = tuple(Entry(table.pmd.path(at), leaf_label(at, "PMD"), None) for at in table.pmd)
    levels = upper(next(iter(table.pmd), ""), "PMD")
    yield Table(table, table.name, "PMD table", Side.CPU, entries, levels)


@tables.register
def _(tlb: Tlb, reach: Reach) -> Iterator[Table]:
    yield from of_map(tlb, tlb.entries, "CPU's TLB", Side.DEVICE, reach)


@tables.register
def _(mapping: CowMapping, reach: Reach) -> Iterator[Table]:
    del reach
    entry = Entry(mapping.path("pte"), "PTE", "")
    yield Table(mapping, mapping.name, "CPU's entry", Side.CPU, (entry,), upper("the page"))


@tables.register
def _(pgd: Pgd, reach: Reach) -> Iterator[Table]:
    owners = _owners(pgd, reach)
    kind = f"of {', '.join(owner for owner in owners if owner not in pgd.name.split())}"
    entry = Entry(pgd.path("page"), "PTE", "" if owners else None)
    levels = (Level("PGD", "PGD"), Level("lower", "P4D → PUD → PMD"))
    yield Table(pgd, pgd.name, kind.removesuffix("of "), Side.TARGET, (entry,), levels)


def _owners(pgd: Pgd, reach: Reach) -> list[str]:
    """Return the processes whose top-level table it is."""
    found = [struct for struct in walk(reach.world) if isinstance(struct, MmStruct)]
    return [mm.name for mm in found if mm.pgd is pgd]


@tables.register
def _(access: AtomicAccess, reach: Reach) -> Iterator[Table]:
    del reach
    entries = tuple(
        Entry(access.path(key), label, "")
        for key, label in (("page", "entry"), ("exclusive", "atomics"))
    )
    yield Table(access, access.name, "device's entry", Side.DEVICE, entries)


@tables.register
def _(mirrored: DmirrorPage, reach: Reach) -> Iterator[Table]:
    del reach
    entry = Entry(mirrored.path("entry"), "entry", "", wording=_tagged)
    yield Table(mirrored, mirrored.name, "device's entry", Side.DEVICE, (entry,))


def _tagged(value: DeviceEntry | None) -> str:
    """Return the device's page, and how the device may use it."""
    return "none" if value is None else f"{value.page} {value.tag or 'R'}"


@tables.register
def _(umem: Umem, reach: Reach) -> Iterator[Table]:
    del reach
    entry = Entry(umem.path("page"), "DMA goes to", "")
    yield Table(umem, umem.name, "", Side.DEVICE, (entry,))


@tables.register
def _(vcpu: Vcpu, reach: Reach) -> Iterator[Table]:
    del reach
    entries = (
        Entry(vcpu.path("apic_access_page"), "VMCS", ""),
        Entry(vcpu.path("in_guest"), "in guest"),
    )
    yield Table(vcpu, vcpu.name, "APIC access", Side.DEVICE, entries)


@tables.register
def _(smmu: Smmu, reach: Reach) -> Iterator[Table]:
    del reach
    memory = Peer(smmu.path("entry"), "entry", is_source=True)
    yield Table(
        smmu,
        smmu.name,
        "PASID table",
        Side.ROOT,
        (
            Entry(memory.path, "entry", wording=_context),
            Entry(smmu.path("cached_entry"), "cached", None, memory),
        ),
    )
    entry = Entry(smmu.path("iotlb"), "entry", None, memory._replace(name="walk"))
    yield Table(smmu, f"{smmu.name} IOTLB", "", Side.DEVICE, (entry,))


def _context(value: Any) -> str:
    """Return the content of a PASID-table entry in a few words."""
    return "not present, quiet" if value == NOT_PRESENT_QUIET else spoken(value)


@tables.register
def _(queue: DmaQueue, reach: Reach) -> Iterator[Table]:
    del reach
    walked = Peer(queue.smmu.path("entry"), "walk", is_source=True)
    keys = {"atc": "ATC"} if isinstance(queue, SvaDevice) else {}
    entries = tuple(
        Entry(queue.path(key), label, None, walked)
        for key, label in (keys | {"inflight": "DMA to"}).items()
    )
    yield Table(queue, queue.name, "", Side.DEVICE, entries)


@tables.register
def _(iommu: Iommu, reach: Reach) -> Iterator[Table]:
    del reach
    entries = tuple(Entry(iommu.table.path(rid), f"RID {rid}") for rid in iommu.table)
    yield Table(iommu, iommu.table.name, "by RID", Side.ROOT, entries)


@tables.register
def _(domain: Domain, reach: Reach) -> Iterator[Table]:
    paths = {key: domain.path(key) for key, _ in domain.fields() if key != "freed"}
    entries = tuple(Entry(path, key) for key, path in paths.items() if reach.varies(path))
    yield Table(domain, domain.name, "", Side.TARGET, entries)


@tables.register
def _(device: Device, reach: Reach) -> Iterator[Table]:
    peer = next(
        (
            Peer(struct.table.path(device.rid), struct.table.name)
            for struct in walk(reach.world)
            if isinstance(struct, Iommu) and device.rid in struct.table
        ),
        None,
    )
    entry = Entry(device.path("domain"), "domain", None, peer)
    yield Table(device, device.name, "driver's record", Side.DEVICE, (entry,))


@tables.register
def _(buffer: StoreBuffer, reach: Reach) -> Iterator[Table]:
    path = buffer.path("stores")
    waiting = [each for one in reach.values[path] for each in one]
    if any(isinstance(each.on, Page) or pointee(each.value) is not None for each in waiting):
        entry = Entry(path, "stores", wording=_stores)
        yield Table(buffer, buffer.name, "store buffer", Side.DEVICE, (entry,))


def _stores(stores: Sequence[Store]) -> str:
    """Return the stores in a buffer."""
    return ", ".join(map(str, stores)) or "none"
