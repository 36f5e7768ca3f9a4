//! What the program headers ask for.

use crate::table::{BASE, DIES, PAGE, RUNS, Table, at_nothing, dynamic, exec, second};
use libc::SIGSEGV;
use runtime::image::{Class, native};
use vload_tests::craft::{ET_DYN, ElfFile, PT_GNU_STACK, PT_PHDR, R, W, X, load, segment};

pub fn segments(table: &mut Table) {
    let top = native::TASK_SIZE;
    table.crashing("no PT_LOAD, exec", SIGSEGV, exec().with(|f| f.segments[0].kind = 0));
    table.crashing("no PT_LOAD, dyn", SIGSEGV, dynamic().with(|f| f.segments[0].kind = 0));
    table.elf(
        "nothing to load, dyn",
        DIES,
        dynamic().with(|f| {
            f.segments[0].filesz = 0;
            f.segments[0].memsz = 0;
        }),
    );
    // The kernel looks for no place for it: it is at 0.
    table.elf(
        "a first segment without bytes in the file, dyn",
        at_nothing(),
        ElfFile::exiting(ET_DYN, PAGE).with(|f| f.segments.insert(0, load(0, 0, 0, 100, R))),
    );
    table.elf("file size above memory size", DIES, second(|s| s.memsz = 1));
    table.elf("empty segment", RUNS, second(|s| (s.filesz, s.memsz) = (0, 0)));
    table.elf("bss alone", RUNS, second(|s| (s.filesz, s.memsz) = (0, 3 * PAGE)));
    table.elf("bss in the page", RUNS, second(|s| s.memsz = 100));
    table.elf("bss of pages", RUNS, second(|s| s.memsz = 5 * PAGE));
    table.elf("bss of a read-only segment", RUNS, second(|s| (s.memsz, s.flags) = (5 * PAGE, R)));
    table.elf("bss of an inaccessible segment", RUNS, second(|s| (s.memsz, s.flags) = (100, 0)));
    table.elf("unaligned address", DIES, second(|s| s.vaddr += 1));
    table.elf("unaligned offset", DIES, second(|s| s.offset -= 1));
    table.elf(
        "both unaligned alike",
        RUNS,
        second(|s| {
            s.offset += 1;
            s.vaddr += 1;
        }),
    );
    table.elf(
        "unaligned bss alone",
        RUNS,
        second(|s| {
            (s.offset, s.filesz, s.memsz) = (7, 0, 100);
        }),
    );
    // A 32-bit offset is never negative.
    let negative = if native::CLASS == Class::Elf64 { DIES } else { RUNS };
    table.elf("negative offset", negative, second(|s| s.offset = 0u64.wrapping_sub(PAGE)));
    table.elf("file pages beyond the end", RUNS, second(|s| s.offset = 64 * PAGE));
    table.elf(
        "tail beyond the end",
        DIES,
        second(|s| {
            s.offset = 64 * PAGE;
            s.memsz = 100;
        }),
    );
    table.elf(
        "read-only tail beyond the end",
        RUNS,
        second(|s| {
            (s.offset, s.memsz, s.flags) = (64 * PAGE, 100, R);
        }),
    );
    table.elf("memory size beyond everything", DIES, second(|s| s.memsz = u64::MAX));
    table.elf(
        "both sizes beyond everything",
        DIES,
        second(|s| {
            (s.filesz, s.memsz) = (u64::MAX, u64::MAX);
        }),
    );
    table.elf("end wraps", DIES, second(|s| s.memsz = 0u64.wrapping_sub(BASE)));
    table.elf("address beyond everything", DIES, second(|s| s.vaddr = top & !(PAGE - 1)));
    table.elf("address in the kernel", DIES, second(|s| s.vaddr = 0u64.wrapping_sub(PAGE)));
    table.elf(
        "end beyond everything",
        DIES,
        second(|s| {
            s.vaddr = top - 2 * PAGE;
            s.memsz = 3 * PAGE;
        }),
    );
    table.elf(
        "dyn address beyond everything",
        DIES,
        dynamic().with(|f| {
            f.segments[0].vaddr = top;
            f.entry += top;
        }),
    );
    table.elf("dyn at an address", RUNS, ElfFile::exiting(ET_DYN, 0x1234_5000));
    table.crashing("entry nowhere", SIGSEGV, exec().with(|f| f.entry = 0x100));
    table.elf("entry beyond everything", DIES, exec().with(|f| f.entry = top));
    table.elf("entry at -1", DIES, exec().with(|f| f.entry = u64::MAX));
    // Without PT_GNU_STACK, what a 32-bit program can read it can execute.
    let plain = || exec().with(|f| f.segments.push(segment(PT_GNU_STACK, 0, 0, 0, 0, R | W)));
    table.crashing("not executable", SIGSEGV, plain().with(|f| f.segments[0].flags = R));
    let readable = exec().with(|f| f.segments[0].flags = R);
    if native::READ_IMPLIES_EXEC {
        table.elf("executable by READ_IMPLIES_EXEC", RUNS, readable);
    } else {
        table.crashing("no READ_IMPLIES_EXEC", SIGSEGV, readable);
    }
    table.crashing("not readable at all", SIGSEGV, exec().with(|f| f.segments[0].flags = 0));
    table.elf("everything allowed", RUNS, exec().with(|f| f.segments[0].flags = R | W | X));
    table.elf("all other flags", RUNS, exec().with(|f| f.segments[0].flags = 0xffff_fff5));
    table.elf(
        "covered by a later segment",
        RUNS,
        exec().with(|f| {
            f.segments.insert(0, load(0, BASE, 100, 100, R));
        }),
    );
    table.crashing(
        "covering the first",
        SIGSEGV,
        plain().with(|f| {
            f.segments.push(load(0, BASE, 100, PAGE, R));
        }),
    );
    table.elf("descending addresses", RUNS, second(|s| s.vaddr = BASE - 0x10000));
    table.elf("the same twice", RUNS, exec().with(|f| f.segments.push(f.segments[0])));
    for (name, align) in [("0", 0), ("3", 3), ("2 MiB", 2 << 20), ("1 GiB", 1 << 30)] {
        let file = dynamic().with(|f| f.segments[0].align = align);
        table.elf(&format!("dyn alignment {name}"), RUNS, file);
        let file = exec().with(|f| f.segments[0].align = align);
        table.elf(&format!("exec alignment {name}"), RUNS, file);
    }
    if native::CLASS == Class::Elf64 {
        // The place that the kernel finds is rounded down.
        let aligned = |align| dynamic().with(|f| f.segments[0].align = align);
        table.elf("dyn alignment 2^46", RUNS, aligned(1 << 46));
        table.elf("dyn alignment 2^62", at_nothing(), aligned(1 << 62));
    }
    for (name, flags) in [("executable", R | W | X), ("not executable", R | W), ("none", 0)] {
        let stack = segment(PT_GNU_STACK, 0, 0, 0, 0, flags);
        table.elf(&format!("{name} stack"), RUNS, exec().with(|f| f.segments.push(stack)));
    }
    table.elf(
        "PT_PHDR elsewhere",
        RUNS,
        exec().with(|f| {
            f.segments.insert(0, segment(PT_PHDR, 1 << 40, 1 << 40, 1, 1, R));
        }),
    );
    table.elf(
        "unknown types",
        RUNS,
        exec().with(|f| {
            for kind in [2, 4, 5, 7, 0x6474_e550, 0x6474_e552, 0x7000_0001, u32::MAX] {
                f.segments.push(segment(kind, u64::MAX, u64::MAX, u64::MAX, u64::MAX, u32::MAX));
            }
        }),
    );
}
