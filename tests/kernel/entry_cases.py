"""Values from kernel logs, and what the threads about them concluded, keyed by hand.

Sources: kernel mailing lists, syzbot, bug trackers; the value identifies the report. A row is
(value, level, kernel, expected): `possible` and `kind`, `pfn` or `offset` where they are known from
the report, and the first guess where the value cannot occur. "" expects no guess.
"""

GIVEN = [
    ("0xfffff8ce8c120", "pte", "6.6-rc1", True, "present, PROT_NONE", 0x73173, ""),
    ("0x2e0396009e2", "pmd", "4.4", True, "present, PROT_NONE, huge", 0x2E039600, ""),
    ("0xdffffffe71fbfe02", "pmd", "5.15", True, "migration write", 0xC70200, ""),
    ("0xdffffffe71fbfe02", "pmd", "6.1", True, "migration read", 0xC70200, ""),
    ("0x8", "pte", "4.19.0-rc2+", False, "swap", None, "flip"),
    ("0x700000", "pte", "5.6.0-rc3-next-20200225", False, "swap", None, "overwrite"),
    ("0x676b700029736c6f", "pte", "3.3-rc", False, "present", None, "text"),
    ("0xffff8801a700ff00", "pte", "4.9", False, "present, PROT_NONE", None, "pointer"),
    ("0xfd20b000", "pte", "4.1.0-generic", True, "swap", 0x7E9058, ""),
    ("0xffffffff120d8067", "pte", "2.6.35.10", False, "present", None, "overwrite"),
    ("0xffffffff8048a025", "pte", "2.6.11", False, "present", None, "pointer"),
    ("0x7fffffffb78b680", "pte", "OpenVZ 3.10", True, "swap", 0x243A4, "release"),
    ("0xef980207ffffff8b", "pte", "RHEL", False, "present", None, "overwrite"),
    ("0x800ffff08c9df060", "pte", "5.10.0-0607+", True, "kernel page, not present", 0xF73620, ""),
    ("0x80000000110a2021", "pte", "6.16.0-rc2", True, "present", 0x110A2, ""),
    ("0x800000010aee9025", "pte", "6.11.8-gentoo", True, "present", 0x10AEE9, ""),
]

GATHERED = [
    # a freed table reused: a network packet, a BIOS's interrupt table, other memory
    ("0x6353826300000000", "pte", "4.14", False, "swap", None, "overwrite"),
    ("0xf000dee8f000dee8", "pte", "3.13.0-85-generic", False, "nonlinear file", None, "overwrite"),
    ("0x9402e1e2b18c8ae9", "pte", "6.10.0-rc2+", False, "present", None, "overwrite"),
    ("0xc42f93fac0299e1d", "pte", "6.10", False, "present", None, "overwrite"),
    ("0x3100000031000000", "pte", "3.1-rc9", False, "swap", None, "overwrite"),
    ("0xffe7a0414d080067", "pmd", "5.13.0-rc2-next-20210520", False, "table", None, "overwrite"),
    ("0xffffdbdefffffd9f", "pte", "6.10.0-08676-g720261c", False, "present", None, "poison"),
    ("0x2e2e2e2e2e205d31", "pmd", "6.12.11-zpptrace", False, "table", None, "text"),
    # kernel pointers: a stack, a list head, kcov's buffer
    ("0xffffffff8901f947", "pte", "4.19.0-rc2+", False, "present", None, "pointer"),
    ("0xffff8801ce138140", "pte", "4.19.0-rc2+", False, "present, PROT_NONE", None, "pointer"),
    ("0xffff88028c45f748", "pte", "2.6.37", False, "present, PROT_NONE", None, "pointer"),
    ("0xffff8802742b3758", "pte", "2.6.37", False, "present, PROT_NONE", None, "pointer"),
    ("0xffff88005d47e270", "pte", "3.14.0-rc5", False, "nonlinear file", None, "pointer"),
    ("0xffff880052e12dc0", "pte", "3.8", False, "present, PROT_NONE", None, "pointer"),
    (
        "0xffff88042609a7b0",
        "pte",
        "3.13.0-24-generic",
        False,
        "present, PROT_NONE",
        None,
        "pointer",
    ),
    ("0xffff8802e7882048", "pte", "3.13.0-24-generic", False, "nonlinear file", None, "pointer"),
    # healthy huge entries that other code took for bad ones
    ("0x80000003de4000e7", "pmd", "2.6.38", True, "present, huge", 0x3DE400, ""),
    ("0x80000000314000e7", "pmd", "3.3", True, "present, huge", 0x31400, ""),
    ("0x80000017b16000e7", "pmd", "3.10", True, "present, huge", 0x17B1600, ""),
    ("0x84000001006000a5", "pmd", "4.11", True, "present, huge", 0x100600, ""),
    ("0x84000001400000e7", "pud", "6.11", True, "present, huge", 0x140000, ""),
    ("0x12c4d6001e2", "pmd", "4.1", True, "present, PROT_NONE, huge", 0x12C4D600, ""),
    ("0x12ed7a001e2", "pmd", "4.1", True, "present, PROT_NONE, huge", 0x12ED7A00, ""),
    ("0x92cd10001e2", "pmd", "4.1", True, "present, PROT_NONE, huge", 0x92CD1000, ""),
    ("0x14bae001e2", "pmd", "4.1", True, "present, PROT_NONE, huge", 0x14BAE00, ""),
    ("0x190e000001e2", "pmd", "4.1", True, "present, PROT_NONE, huge", 0x190E00000, ""),
    # migration and swap entries; the offset is the one that the swap code printed
    ("0x4fed803c00", "pmd", "4.10", True, "migration read", 0x13FB600, ""),
    ("0x310103e3c", "pte", "3.14", True, "migration read", 0x188081F, ""),
    ("0x1200780000", "pte", "2.6.32", True, "swap", 0x9003C00, ""),
    ("0xd900000000", "pte", "2.6.33", True, "swap", 0x6C800000, ""),
    ("0x1d5a9800", "pte", "3.11", True, "swap", 0xEAD4C, ""),
    ("0x24c7ea00", "pte", "3.11", True, "swap", 0x1263F5, ""),
    ("0x5a2a80", "pte", "3.11", True, "swap", 0x2D15, ""),
    # present and PROT_NONE entries; the frame is the one that the page dump names
    ("0x8000000071c00227", "pte", "6.0.0-rc3-next-20220901", True, "present", 0x71C00, ""),
    ("0x80000007e2e09845", "pte", "5.8", True, "present", 0x7E2E09, ""),
    ("0xfffff9b7dc120", "pte", "6.6-rc", True, "present, PROT_NONE", 0x64823, ""),
    ("0x1ad673100", "pte", "3.14-rc", True, "present, PROT_NONE", 0x1AD673, ""),
]

LATER = [  # gathered after the reader was written
    ("0x150000000b", "pte", "6.12", False, "present", None, "overwrite"),
    ("0x80000001c8d7d025", "pte", "4.15.0-20-generic", True, "present", 0x1C8D7D, ""),
    ("0x800000018f8a9027", "pte", "6.6", True, "present", 0x18F8A9, ""),
    ("0x80003fddf8200904", "pte", "3.10.0-957.el7", True, "present, PROT_NONE", 0x2207DFF, ""),
    ("0x10000000000", "pte", "4.17.0-rc1", True, "swap", 0x4000000, "flip"),
    ("0x200000000", "pte", "4.16.3", True, "swap", 0x80000, "flip"),
    ("0xffff880190f73758", "pte", "2.6.37", False, "present, PROT_NONE", None, "pointer"),
    ("0xffff88025efed758", "pte", "2.6.37", False, "present, PROT_NONE", None, "pointer"),
    ("0x1b7e6025", "pte", "3.19", True, "present", 0x1B7E6, ""),
    ("0xf000e987f000fea5", "pte", "6.16", True, "present", 0xE987F000F, "overwrite"),
    ("0xefffff80042bfe00", "pmd", "6.19", True, "device-private read", 0x3FFDEA00, ""),
    ("0xffffffffffffffff", "pte", "5.3.11-2-clear", False, "present", None, "poison"),
    ("0xffff92f93b759508", "pte", "6.1", False, "present, PROT_NONE", None, "pointer"),
    ("0x800000007048f867", "pte", "5.15.0+", True, "present", 0x7048F, ""),
    ("0x80000000a1173163", "pte", "5.4.0-rc3+", True, "present", 0xA1173, ""),
    ("0x8000000008142060", "pte", "3.14.0-rc5", True, "kernel page, not present", 0x8142, ""),
    ("0x800000028a488060", "pte", "3.16.0-rc2", True, "kernel page, not present", 0x28A488, ""),
    ("0x8000000d2d2008e7", "pmd", "5.4", True, "present, huge", 0xD2D200, ""),
    ("0x8000000edacc4025", "pte", "6.5.4-arch1-1", True, "present", 0xEDACC4, ""),
    ("0x77007770", "pte", "5.6.0-rc3", False, "present, PROT_NONE", None, "overwrite"),
    ("0x400000000000000", "pte", "4.18.8-200.fc28.x86_64", False, "swap", None, "flip"),
    (
        "0x2e0396009e2",
        "pmd",
        "4.4.180-94.97-default",
        True,
        "present, PROT_NONE, huge",
        0x2E039600,
        "",
    ),
    ("0x800000bed4b380ba", "pte", "6.8.12", False, "swap", None, "overwrite"),
]

ARM64 = [
    ("0x20000b692cffd3", "pte", "5.4", True, "present", 0xB692CF, ""),
    ("0xfefefefefefefefe", "pte", "6.16", False, "present, invalid", None, "poison"),
    ("0x83af00074", "pmd", "4.11", True, "hwpoison", 0x83AF000, ""),
    ("0x9100000081", "pte", "5.1-rc", False, "present", None, "overwrite"),
]

LOGS = [  # (a log, the value, possible, kind, the first guess)
    (
        "swap_info_get: Bad swap file entry 3ffffffffffff\n"
        "BUG: Bad page map in process a  pte:00000008 pmd:18d73f067\n"
        "CPU: 0 PID: 1 Comm: a Tainted: G    B              \n4.19.0-rc2+ #4\n",
        *("0x8", False, "swap", "flip"),
    ),
    (
        "swap_free: Bad swap file entry 007e9058\n"
        "BUG: Bad page map in process celery  pte:fd20b000 pmd:16d7b08067\n"
        "CPU: 38 PID: 488 Comm: celery Tainted: G    B      OE   4.1.0-generic #1\n",
        *("0xfd20b000", True, "swap", "none"),
    ),
    (
        "httpd: Corrupted page table at address 7f62d5b48e68\n"
        "PGD 80000002e92bf067 PUD 1c99c5067 PMD 195015067 PTE 7fffffffb78b680\n"
        "Bad pagetable: 000c [#1] SMP\n"
        "CPU: 3 PID: 2 Comm: httpd Not tainted 3.10.0-1127.18.2.vz7.163.46 #1\n",
        *("0x7fffffffb78b680", True, "swap", "erratum"),
    ),
    (
        "psm2: Corrupted page table at address 7a14d007e000\n"
        "PGD 800000013886a067 P4D 800000013886a067 PUD 13886b067 PMD 13886c067\n"
        "                                           PTE 800049168e911235\n"
        "Oops: Bad pagetable: 000d [#1] SMP PTI\n",
        *("0x800049168e911235", False, "present", "none"),
    ),
    (
        "llama3: Corrupted page table at address 7a1aa8300000\n"
        "PGD 10929a067 P4D 10929a067 PUD 18c20a067 PMD 1079b5067 PTE 8000467c4a5c9237\n"
        "Bad pagetable: 000f [#1] PREEMPT SMP NOPTI\n",
        *("0x8000467c4a5c9237", False, "present", "none"),
    ),
    (
        "[  183.966330][ T3754] get_swap_device: Bad swap file entry 58025a5a5a5a5a5a\n"
        "[  183.971192][ T3839]  el0_sync_handler+0x2a0/0x410\n"
        "CPU: 1 PID: 3 Comm: a Not tainted 5.8.0-rc2 #1\n",
        *("0x25a5a5a5a5a5a58", False, "swap", "poison"),
    ),
    (
        "get_swap_device: Bad swap file entry 5800000000000001\n"
        "RIP: 0010:a\nCPU: 1 PID: 3 Comm: a Not tainted 5.2.0-rc2-mm1 #1\n",
        *("0xb7fffffffffffc00", True, "swap", "none"),
    ),
    (
        "swap_dup: Bad swap file entry 002a0000\n"
        "CPU: 12 PID: 8596 Comm: udevd Tainted: G    B       E 3.15.0-rc3-mmdbg #1\n",
        *("0xa8000000", True, "swap", "none"),
    ),
]

LOGS.append(
    (
        "BUG: unable to handle kernel paging request at fffffe0000073038\n"
        "PGD 7ffa7067 P4D 7ffa7067 PUD 7ffa6067 PMD 7ffa5067 PTE ffffffffff120\n"
        "Oops: 0000 [#1] SMP PTI\nCPU: 1 PID: 1 Comm: systemd Not tainted 4.18.0+ #380\n",
        *("0xffffffffff120", True, "kernel page, not present", "release"),
    )
)

REFUSED = [  # (a log, a word of the reason)
    ("mm/swap_state.c:704: bad pte c5183f1c(8000000400000000)\n", "PAE"),
    ("*pdpt = 0000000000000000 *pde = 03b40008304285b6\nBad pagetable: 000f [#1] SMP\n", "PAE"),
    (
        "BUG: Bad page map in process trinity-c7  pte:1713003a pmd:7ff71067\n"
        "addr:096e7000 vm_flags:00100073 anon_vma:bff0aa00 mapping:00000000 index:96e7\n",
        "32-bit",
    ),
    (
        "BUG: Bad page map in process trinity-c3  pte:17042c3c pmd:b1809067\n"
        "addr:08bcf000 vm_flags:00100073 anon_vma:f1f29528 mapping:00000000 index:8bcf\n",
        "32-bit",
    ),
    (
        "BUG: Bad page map in process ssh-agent  pte:806a0000 pmd:387c2831\n"
        "CPU: 0 PID: 1 Comm: ssh-agent Tainted: G    B D         4.1.8-v7+ #818\n"
        "Hardware name: BCM2709\n",
        "32-bit",
    ),
    (
        "BUG: Bad page map in process modprobe  pte:20682653 pmd:20f23c01\n"
        "Hardware name: riscv-virtio,qemu (DT)\n",
        "another architecture",
    ),
]

DUMPS = [  # (a dump of the tables, a value, possible, kind, frame)
    (
        "BUG: unable to handle page fault for address: ffffc90000065068\n"
        "#PF: error_code(0x0000) - not-present page\n"
        "PGD 8000100000067 P4D 8000100000067 PUD 80001000fb067 PMD 80001000fc067 PTE "
        "80000000fed40173\n"
        "Oops: 0000 [#1] PREEMPT SMP NOPTI\n"
        "CPU: 0 PID: 1 Comm: swapper/0 Not tainted 5.17.0-rc7 #3",
        *("0x80001000fc067", True, "table", 0x1000FC),
    ),
    (
        "BUG: unable to handle page fault for address: ffffc90000065068\n"
        "#PF: error_code(0x0000) - not-present page\n"
        "PGD 8000100000067 P4D 8000100000067 PUD 80001000fb067 PMD 80001000fc067 PTE "
        "80000000fed40173\n"
        "Oops: 0000 [#1] PREEMPT SMP NOPTI\n"
        "CPU: 0 PID: 1 Comm: swapper/0 Not tainted 5.17.0-rc7 #3",
        *("0x80000000fed40173", True, "present", 0xFED40),
    ),
    (
        "BUG: unable to handle page fault for address: ffa00000048efbb8\n"
        "#PF: error_code(0x0011) - permissions violation\n"
        "PGD 100000067 P4D 10035f067 PUD 100364067 PMD 441ed9067 PTE 80000004466a3163"
        "\n"
        "CPU: 0 UID: 0 PID: 305 Comm: mkdir Tainted: G        W   E       7.0.0-rc4-v"
        "irtme-00442-ge53de5a0302f-dirty #85",
        *("0x80000004466a3163", True, "present", 0x4466A3),
    ),
    (
        "swapper pgtable: 4k pages, 39-bit VAs, pgdp=000000002835200000\n"
        "[ffffff802a0d8d71] pgd=180000005fbf9003, p4d=180000005fbf9003,\n"
        "pud=180000005fbf9003, pmd=180000005fbe8003, pte=006800002a0d8707\n"
        "CPU: 2 PID: 45 Comm: kworker/u8:2 Not tainted\n"
        "  5.15.78-android13-8-g63561175bbda-dirty #1",
        *("0x6800002a0d8707", True, "present", 0x2A0D8),
    ),
    (
        "swapper pgtable: 4k pages, 39-bit VAs, pgdp=0000000020e2e000\n"
        "[ffffffc00944d048] pgd=100000003ffff803, p4d=100000003ffff803, pud=100000003"
        "ffff803, pmd=100000003fffa803, pte=006800009c090f13\n",
        *("0x6800009c090f13", True, "present", 0x9C090),
    ),
    (
        "swapper pgtable: 4k pages, 39-bit VAs, pgdp=0000000081bc1000\n"
        "[ffffffd1b81fc0b0] pgd=0000000271858003, pud=0000000271858003,\n"
        "pmd=0000000266c05003, pte=00600001f3f4df93\n"
        "CPU: 5 PID: 6254 Comm: modprobe Not tainted 5.4.177 #19",
        *("0x600001f3f4df93", True, "present", 0x1F3F4D),
    ),
    (
        "swapper pgtable: 4k pages, 48-bit VAs, pgdp=0000008ff8b76000\n"
        "[ffff7fd7fbdbffe0] pgd=1000008ff0299403, p4d=1000008ff0299403, pud=1000008ff"
        "0298403, pmd=1000008811a17403, pte=0000000000000000\n"
        "CPU: 229 UID: 0 PID: 1 Comm: systemd Not tainted 6.16.0+ #2",
        *("0x1000008811a17403", True, "table", 0x8811A17),
    ),
]
