//! What a file names as its interp.

use crate::table::{DIES, PAGE, RUNS, Table, at_nothing, dynamic, exec};
use End::Refused;
use libc::{EACCES, EINVAL, EIO, ELIBBAD, ELOOP, ENAMETOOLONG, ENOENT, ENOEXEC, ENOTDIR};
use runtime::image::{Class, native};
use std::error::Error;
use vload_tests::craft::{ET_DYN, ET_EXEC, ElfFile, PT_INTERP, R, segment};
use vload_tests::native::End;
use vload_tests::scratch::Scratch;

/// Interps are files beside the program; `dir` is where.
pub fn interps(table: &mut Table, scratch: &Scratch) -> Result<(), Box<dyn Error>> {
    let dir = scratch.path().to_str().ok_or("the folder's name is no UTF-8")?.to_owned();
    let named = |name: &str| dynamic().with_interp(format!("{dir}/{name}\0").as_bytes());
    let interp = |name: &str, file: &ElfFile, mode: u32| scratch.write(name, &file.build(), mode);
    interp("good", &dynamic(), 0o755)?;
    table.elf("interp", RUNS, named("good"));
    table.elf("interp of an exec", RUNS, exec().with_interp(format!("{dir}/good\0").as_bytes()));
    table.elf("interp missing", Refused(ENOENT), named("missing"));
    table.elf("interp in a file", Refused(ENOTDIR), named("good/x"));
    table.elf("interp is a folder", Refused(EACCES), named(""));
    table.elf("interp is a device", Refused(EACCES), dynamic().with_interp(b"/dev/null\0"));
    interp("locked", &dynamic(), 0o644)?;
    table.elf("interp not executable", Refused(EACCES), named("locked"));
    std::os::unix::fs::symlink("loop", scratch.path().join("loop"))?;
    table.elf("interp loops", Refused(ELOOP), named("loop"));
    let long = format!("{dir}/{}\0", "x".repeat(300));
    table.elf(
        "interp name too long",
        Refused(ENAMETOOLONG),
        dynamic().with_interp(long.as_bytes()),
    );
    table.elf("interp empty", Refused(EACCES), dynamic().with_interp(b"\0\0"));
    table.elf("interp of one byte", Refused(ENOEXEC), dynamic().with_interp(b"\0"));
    table.elf("interp of no byte", Refused(ENOEXEC), dynamic().with_interp(b""));
    table.elf("interp unterminated", Refused(ENOEXEC), dynamic().with_interp(b"/lib/ld.so"));
    let behind = format!("{dir}/good\0junk\0");
    table.elf("interp with bytes behind", RUNS, dynamic().with_interp(behind.as_bytes()));
    let path = |size: usize| {
        let mut path = dir.clone().into_bytes();
        path.extend(b"/".repeat(size - path.len() - 5));
        path.extend(b"good\0");
        dynamic().with_interp(&path)
    };
    table.elf("interp of 4096 bytes", RUNS, path(4096));
    table.elf("interp of 4097 bytes", Refused(ENOEXEC), path(4097));
    let at = |offset, size| {
        named("good").with(|f| (f.segments[0].offset, f.segments[0].filesz) = (offset, size))
    };
    table.elf("interp size huge", Refused(ENOEXEC), at(0xa00, u64::MAX));
    table.elf("interp beyond the end", Refused(EIO), at(1 << 20, 10));
    table.elf("interp reaches beyond the end", Refused(EIO), at(0xa00, 1000));
    if native::CLASS == Class::Elf64 {
        table.elf("interp at -1", Refused(EINVAL), at(u64::MAX, 10));
        table.elf("interp at 2^63 - 1", Refused(EINVAL), at((1 << 63) - 1, 10));
        table.elf("interp at 2^63 - 11", Refused(EIO), at((1 << 63) - 11, 10));
    }
    let twice = |first: &str, then: &str| {
        let then = format!("{dir}/{then}\0");
        named(first).with(|f| {
            let size = then.len() as u64;
            f.segments.insert(1, segment(PT_INTERP, 0xe00, 0xe00, size, size, R));
            f.bytes.push((0xe00, then.into_bytes()));
        })
    };
    table.elf("two interps, the second missing", RUNS, twice("good", "missing"));
    table.elf("two interps, the first missing", Refused(ENOENT), twice("missing", "good"));
    table.elf(
        "interp before a bad segment",
        Refused(ENOENT),
        named("missing").with(|f| {
            f.segments[1].memsz = 0;
        }),
    );

    let mut with = |name: &str, end, file: &ElfFile| -> Result<(), Box<dyn Error>> {
        interp(name, file, 0o755)?;
        table.elf(&format!("interp: {name}"), end, named(name));
        Ok(())
    };
    let header = native::CLASS.header_size() as u64;
    with("cut header", Refused(EIO), &dynamic().with(|f| f.len = Some(header - 1)))?;
    with("empty file", Refused(EIO), &dynamic().with(|f| f.len = Some(0)))?;
    with("cut headers", Refused(ELIBBAD), &dynamic().with(|f| f.len = Some(header + 1)))?;
    with("bad magic", Refused(ELIBBAD), &dynamic().with(|f| f.ident[0] = 0))?;
    with("wrong machine", Refused(ELIBBAD), &dynamic().with(|f| f.machine = 40))?;
    with("wrong phentsize", Refused(ELIBBAD), &dynamic().with(|f| f.phentsize = 1))?;
    with("no headers", Refused(ELIBBAD), &dynamic().with(|f| f.phnum = Some(0)))?;
    with("too many headers", Refused(ELIBBAD), &dynamic().with(|f| f.phnum = Some(0xffff)))?;
    with("relocatable", DIES, &dynamic().with(|f| f.kind = 1))?;
    with("core", DIES, &dynamic().with(|f| f.kind = 4))?;
    with("exec", RUNS, &ElfFile::exiting(ET_EXEC, 0x1000_0000))?;
    with("no PT_LOAD", DIES, &dynamic().with(|f| f.segments[0].kind = 0))?;
    with(
        "size 0",
        DIES,
        &dynamic().with(|f| {
            f.segments[0].filesz = 0;
            f.segments[0].memsz = 0;
        }),
    )?;
    with("file size above memory size", DIES, &dynamic().with(|f| f.segments[0].memsz -= 1))?;
    with("memory size huge", DIES, &dynamic().with(|f| f.segments[0].memsz = u64::MAX / 2))?;
    with("unaligned", DIES, &dynamic().with(|f| f.segments[0].vaddr += 1))?;
    if native::CLASS == Class::Elf64 {
        // How an interp is aligned is not looked at (load_elf_interp).
        with("alignment 2^62", RUNS, &dynamic().with(|f| f.segments[0].align = 1 << 62))?;
    }
    with("with an interp of its own", RUNS, &named("missing"))?;
    let high = native::TASK_SIZE.wrapping_neg() & !(PAGE - 1);
    with("addresses in the kernel", RUNS, &ElfFile::exiting(ET_DYN, high))?;
    if native::CLASS == Class::Elf64 {
        let absurd = |f: &mut ElfFile| f.segments[1].align = 1 << 62;
        table.elf("interp of a dyn of alignment 2^62", at_nothing(), named("good").with(absurd));
    }
    let script = [b"#!/bin/sh\nexit 3\n".as_slice(), &[b'#'; 64]].concat();
    scratch.write("script", &script, 0o755)?;
    table.elf("interp: script", Refused(ELIBBAD), named("script"));
    scratch.write("short script", b"#!/bin/sh\n", 0o755)?;
    table.elf("interp: short script", Refused(EIO), named("short script"));
    Ok(())
}
