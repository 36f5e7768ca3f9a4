//! Files whose ELF header is wrong, or that end too early.

use crate::table::{PAGE, RUNS, Table, dynamic, exec};
use End::Refused;
use libc::{ENOEXEC, SIGBUS, SIGSEGV};
use runtime::image::{Class, native};
use vload_tests::craft::{ElfFile, segment};
use vload_tests::native::End;

pub fn headers(table: &mut Table) {
    let phentsize = native::CLASS.phentsize() as u16;
    table.elf("exec", RUNS, exec());
    table.elf("dyn without interp", RUNS, dynamic());
    for at in 0..4 {
        table.elf(&format!("magic byte {at}"), Refused(ENOEXEC), exec().with(|f| f.ident[at] ^= 1));
    }
    table.elf("no data encoding", RUNS, exec().with(|f| f.ident[5] = 0));
    table.elf("big-endian data encoding", RUNS, exec().with(|f| f.ident[5] = 2));
    table.elf("ident version 0", RUNS, exec().with(|f| f.ident[6] = 0));
    table.elf("any OS ABI", RUNS, exec().with(|f| f.ident[7] = 255));
    table.elf("any padding", RUNS, exec().with(|f| f.ident[8..].fill(255)));
    let class =
        if native::accepts(0, vload_tests::host::MACHINE) { RUNS } else { Refused(ENOEXEC) };
    table.elf("no class", class, exec().with(|f| f.ident[4] = 0));
    table.elf("the other class", class, exec().with(|f| f.ident[4] ^= 3));
    table.elf("version 0", RUNS, exec().with(|f| f.version = 0));
    table.elf("any header size", RUNS, exec().with(|f| f.ehsize = 1));
    for (name, kind) in [("none", 0), ("rel", 1), ("core", 4), ("255 + exec", 0xff02)] {
        table.elf(&format!("type {name}"), Refused(ENOEXEC), exec().with(|f| f.kind = kind));
    }
    for machine in [0, 40, 94, 0xffff] {
        let file = exec().with(|f| f.machine = machine);
        table.elf(&format!("machine {machine}"), Refused(ENOEXEC), file);
    }
    for size in [0, phentsize - 1, phentsize + 1, 0xffff] {
        let file = exec().with(|f| f.phentsize = size);
        table.elf(&format!("phentsize {size}"), Refused(ENOEXEC), file);
    }
    table.elf("no program headers", Refused(ENOEXEC), exec().with(|f| f.phnum = Some(0)));
    let most = (65536 / u32::from(phentsize)) as u16;
    let many = |count| exec().with(|f| f.segments.resize(count, segment(0, 0, 0, 0, 0, 0)));
    // The headers of these would overlap the code, so that they get a place of their own.
    let apart = |file: ElfFile| {
        let bytes = file.build();
        let size = usize::from(file.phentsize) * file.segments.len();
        let from = native::CLASS.header_size();
        let mut moved = file.clone();
        moved.phoff = 2 * PAGE;
        moved.phnum = Some(file.segments.len() as u16);
        moved.segments.clear();
        moved.bytes.push((2 * PAGE, bytes[from..from + size].to_vec()));
        moved
    };
    let overlapping = many(usize::from(most)).with(|f| {
        let code = f.bytes.remove(0);
        f.bytes.push((code.0 + 0x20000, code.1));
        f.entry += 0x20000;
        f.segments[0].filesz += 0x20000;
        f.segments[0].memsz += 0x20000;
    });
    table.elf("as many headers as possible", RUNS, overlapping.clone());
    table.elf("headers elsewhere", RUNS, apart(exec()));
    table.elf("one too many", Refused(ENOEXEC), overlapping.with(|f| f.phnum = Some(most + 1)));
    table.elf("65535 headers", Refused(ENOEXEC), exec().with(|f| f.phnum = Some(0xffff)));
    table.elf("headers beyond the end", Refused(ENOEXEC), exec().with(|f| f.phoff = 1 << 20));
    table.elf("headers at the last byte", Refused(ENOEXEC), exec().with(|f| f.phoff = 0x80b));
    table.elf("headers at -1", Refused(ENOEXEC), exec().with(|f| f.phoff = u64::MAX));
    if native::CLASS == Class::Elf64 {
        table.elf("headers at 2^63", Refused(ENOEXEC), exec().with(|f| f.phoff = 1 << 63));
    }
}

pub fn truncations(table: &mut Table) {
    let header = native::CLASS.header_size() as u64;
    let phentsize = native::CLASS.phentsize() as u64;
    table.file("empty", Refused(ENOEXEC), Vec::new());
    table.file("a NUL", Refused(ENOEXEC), vec![0]);
    table.file("text", Refused(ENOEXEC), b"exit 3\n".to_vec());
    for len in [3, 4, 15, 16, 17, 18, 20, 24, 40, header - 1, header, header + phentsize - 1] {
        let file = exec().with(|f| f.len = Some(len));
        table.elf(&format!("cut to {len} bytes"), Refused(ENOEXEC), file);
    }
    // The page is there, zeroed behind the end of the file: what follows is not exit.
    let after = header + phentsize;
    table.crashing("cut behind the headers", SIGSEGV, exec().with(|f| f.len = Some(after)));
    table.crashing(
        "code beyond the end",
        SIGBUS,
        exec().with(|f| {
            f.bytes.clear();
            f.entry += PAGE;
            f.segments[0].filesz += PAGE;
            f.segments[0].memsz += PAGE;
        }),
    );
}
