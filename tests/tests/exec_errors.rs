//! Crafted ELF files and scripts: what the kernel does with each, and what the resident's
//! reading of it says.
//!
//! The table is the kernel's behaviour, and this test holds both to it. Its errors come from
//! `fs/binfmt_elf.c` and `fs/binfmt_script.c` of Linux 6.18.

use End::{Exited, Killed, Refused};
use libc::{
    EACCES, EINVAL, EIO, ELIBBAD, ELOOP, ENAMETOOLONG, ENOENT, ENOEXEC, ENOTDIR, SIGBUS, SIGSEGV,
};
use runtime::image::{Class, native};
use std::env;
use std::error::Error;
use std::fs::{self, File};
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};
use vload_tests::craft::{
    ET_DYN, ET_EXEC, EXIT_STATUS, ElfFile, PT_GNU_STACK, PT_INTERP, PT_PHDR, R, W, X, load, segment,
};
use vload_tests::hosted::{Hosted, Way, same};
use vload_tests::native::{Bounds, End, Program, execute};
use vload_tests::predict::{Prediction, predict};
use vload_tests::scratch::Scratch;

/// Where an `ET_EXEC` is put: the usual address of x86-64's linkers, free on all machines.
const BASE: u64 = 0x40_0000;
const PAGE: u64 = 0x1000;
const RUNS: End = Exited(EXIT_STATUS);
const DIES: End = Killed(SIGSEGV);

/// A file, and how its execution ends.
struct Case {
    name: String,
    file: Vec<u8>,
    end: End,
    /// The kernel lets the program begin, and that is what ends it.
    begins: bool,
    output: Vec<u8>,
}

#[derive(Default)]
struct Table(Vec<Case>);

impl Table {
    fn file(&mut self, name: &str, end: End, file: Vec<u8>) {
        let begins = matches!(end, Exited(_));
        self.0.push(Case { name: name.into(), file, end, begins, output: Vec::new() });
    }

    fn elf(&mut self, name: &str, end: End, file: ElfFile) {
        self.file(name, end, file.build());
    }

    /// A program that is loaded, and crashes by itself.
    fn crashing(&mut self, name: &str, signal: i32, file: ElfFile) {
        self.elf(name, Killed(signal), file);
        self.0.last_mut().expect("just pushed").begins = true;
    }

    /// A script that runs and prints its arguments.
    fn printing(&mut self, name: &str, file: &[u8], output: &str) {
        self.file(name, Exited(0), file.to_vec());
        self.0.last_mut().expect("just pushed").output = output.as_bytes().to_vec();
    }
}

fn exec() -> ElfFile {
    ElfFile::exiting(ET_EXEC, BASE)
}

fn dynamic() -> ElfFile {
    ElfFile::exiting(ET_DYN, 0)
}

/// Adds a second segment, of two bytes of the file, behind the first.
fn second(change: impl FnOnce(&mut runtime::image::ProgramHeader)) -> ElfFile {
    let mut extra = load(PAGE, BASE + 0x10000, 2, 2, R | W);
    change(&mut extra);
    exec().with(|file| {
        file.segments.push(extra);
        file.bytes.push((PAGE, b"ab".to_vec()));
    })
}

fn headers(table: &mut Table) {
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

fn truncations(table: &mut Table) {
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

fn segments(table: &mut Table) {
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

/// Interps are files beside the program; `dir` is where.
fn interps(table: &mut Table, scratch: &Scratch) -> Result<(), Box<dyn Error>> {
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
    with("with an interp of its own", RUNS, &named("missing"))?;
    let high = native::TASK_SIZE.wrapping_neg() & !(PAGE - 1);
    with("addresses in the kernel", RUNS, &ElfFile::exiting(ET_DYN, high))?;
    let script = [b"#!/bin/sh\nexit 3\n".as_slice(), &[b'#'; 64]].concat();
    scratch.write("script", &script, 0o755)?;
    table.elf("interp: script", Refused(ELIBBAD), named("script"));
    scratch.write("short script", b"#!/bin/sh\n", 0o755)?;
    table.elf("interp: short script", Refused(EIO), named("short script"));
    Ok(())
}

/// Scripts; `echo` prints its arguments between brackets, one a line.
fn scripts(table: &mut Table, scratch: &Scratch) -> Result<(), Box<dyn Error>> {
    let dir = scratch.path().to_str().ok_or("the folder's name is no UTF-8")?.to_owned();
    let echo = b"#!/bin/sh\nprintf '[%s]\\n' \"$@\"\n";
    let echo = scratch.write("echo", echo, 0o755)?;
    let echo = echo.to_str().ok_or("the folder's name is no UTF-8")?.to_owned();
    let line = |line: &str| line.replace("ECHO", &echo).into_bytes();
    // The script's own path and one argument follow what the line gives.
    table.printing("script", &line("#!ECHO\n"), "[SELF]\n[one]\n");
    table.printing("script without newline", &line("#!ECHO"), "[SELF]\n[one]\n");
    table.printing("script with blanks", &line("#! \tECHO \t\n"), "[SELF]\n[one]\n");
    table.printing("script argument", &line("#!ECHO -a\n"), "[-a]\n[SELF]\n[one]\n");
    let many = "#!ECHO \t -a  b\tc \t\n";
    table.printing("script arguments are one", &line(many), "[-a  b\tc]\n[SELF]\n[one]\n");
    table.printing("script empty argument", &line("#!ECHO "), "[]\n[SELF]\n[one]\n");
    table.printing("script argument, no newline", &line("#!ECHO a "), "[a ]\n[SELF]\n[one]\n");
    table.printing("script NUL behind the path", &line("#!ECHO\0 a\n"), "[SELF]\n[one]\n");
    table.printing("script NUL in the argument", &line("#!ECHO a\0b\n"), "[a]\n[SELF]\n[one]\n");
    table.file("script CR", Refused(ENOENT), line("#!ECHO\r\n"));
    table.file("script alone", Refused(EACCES), b"#!".to_vec());
    table.file("script blank", Refused(EACCES), b"#! ".to_vec());
    table.file("script newline", Refused(ENOEXEC), b"#!\n".to_vec());
    table.file("script blanks and newline", Refused(ENOEXEC), b"#! \t \n".to_vec());
    table.file("script NUL first", Refused(EACCES), b"#!\0/bin/sh\n".to_vec());
    table.file("script 256 blanks", Refused(ENOEXEC), [b"#!".as_slice(), &[b' '; 300]].concat());
    table.file("script missing", Refused(ENOENT), b"#!/missing/interpreter\n".to_vec());
    table.file("script is a folder", Refused(EACCES), b"#!/\n".to_vec());
    table.file("script not executable", Refused(EACCES), b"#!/dev/null\n".to_vec());
    table.file("not a script", Refused(ENOEXEC), b" #!/bin/sh\n".to_vec());
    table.file("not a script either", Refused(ENOEXEC), b"#/bin/sh\n".to_vec());

    // A path of exactly so many bytes, by slashes in front of its last part.
    let padded = |len: usize| {
        let slashes = "/".repeat(len - dir.len() - "echo".len());
        format!("{dir}{slashes}echo")
    };
    let path_of = |len: usize, rest: &str| format!("#!{}{rest}", padded(len)).into_bytes();
    table.printing("script path of 253", &path_of(253, "\n"), "[SELF]\n[one]\n");
    table.printing("script path of 253, blank", &path_of(253, " \n"), "[SELF]\n[one]\n");
    table.printing("script path of 253, argument", &path_of(253, " a\n"), "[SELF]\n[one]\n");
    table.printing("script path of 253, end", &path_of(253, ""), "[SELF]\n[one]\n");
    table.file("script path of 254", Refused(ENOEXEC), path_of(254, "\n"));
    table.file("script path of 254, blank", Refused(ENOEXEC), path_of(254, " \n"));
    table.file("script path of 254, end", Refused(ENOEXEC), path_of(254, ""));
    table.file("script path of 300", Refused(ENOEXEC), path_of(300, "\n"));
    table.printing("script argument cut", &path_of(250, " abcd\n"), "[ab]\n[SELF]\n[one]\n");
    table.printing("script argument cut, blank", &path_of(250, " a cd\n"), "[a]\n[SELF]\n[one]\n");
    table.printing("script argument cut away", &path_of(250, "     d\n"), "[SELF]\n[one]\n");

    // Five replacements of a file by its interpreter, and one too many.
    scratch.write("nest-1", &exec().build(), 0o755)?;
    for depth in 2..=7 {
        let script = format!("#!{dir}/nest-{}\n", depth - 1);
        scratch.write(&format!("nest-{depth}"), script.as_bytes(), 0o755)?;
    }
    table.file("script nested", RUNS, format!("#!{dir}/nest-5\n").into_bytes());
    table.file("script nested too deep", Refused(ELOOP), format!("#!{dir}/nest-6\n").into_bytes());
    scratch.write("deep-missing", b"#!/missing\n", 0o755)?;
    table.file("script nested, missing", Refused(ENOENT), format!("#!{dir}/deep-missing\n").into());
    scratch.write("empty", b"", 0o755)?;
    table.file("script of an empty file", Refused(ENOEXEC), format!("#!{dir}/empty\n").into());
    Ok(())
}

/// Executes every case by path, and compares with the table and with what is predicted.
#[test]
fn crafted_files() -> Result<(), Box<dyn Error>> {
    let scratch = Scratch::new()?;
    let mut table = Table::default();
    headers(&mut table);
    truncations(&mut table);
    segments(&mut table);
    interps(&mut table, &scratch)?;
    scripts(&mut table, &scratch)?;
    assert!(table.0.len() > 150, "only {} cases", table.0.len());
    // `cargo xtask test` names the vload under test.
    let vload = env::var_os("VLOAD_TEST_BINARY").map(PathBuf::from);
    let hosted = vload.map(|vload| Hosted::new(&vload, scratch.path())).transpose()?;
    let bounds = Bounds::default();
    let mut wrong = Vec::new();
    for case in &table.0 {
        let path = scratch.write("case", &case.file, 0o755)?;
        let outcome = execute(Program::Path(&path), &[b"case", b"one"], &bounds)?;
        if outcome.end != case.end {
            wrong.push(format!(
                "{}: {:?} but the table says {:?}",
                case.name, outcome.end, case.end
            ));
        }
        let expected =
            String::from_utf8_lossy(&case.output).replace("SELF", &path.to_string_lossy());
        if !case.output.is_empty() && outcome.output != expected.as_bytes() {
            let output = outcome.output.escape_ascii();
            wrong.push(format!("{}: output {output}, not {expected:?}", case.name));
        }
        let predicted = predict(&path, false, PAGE);
        let right = match case.end {
            Refused(errno) => Prediction::Refused(errno),
            _ if case.begins => Prediction::Runs,
            _ => Prediction::Fatal,
        };
        if predicted != right {
            wrong.push(format!("{}: predicted {predicted:?}, not {right:?}", case.name));
        }
        for way in Way::ALL {
            let Some(hosted) = &hosted else { continue };
            let hosted = hosted.run(way, &path, &bounds)?;
            if !same(way, &outcome, &hosted, right) {
                let output = hosted.output.escape_ascii();
                let end = hosted.end;
                let name = &case.name;
                wrong.push(format!("{name}: {way:?} {end:?} {output}, not {:?}", case.end));
            }
        }
    }
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), table.0.len(), wrong.join("\n"));
    Ok(())
}

/// `BINPRM_FLAGS_PATH_INACCESSIBLE`: scripts by a descriptor that is closed on exec.
#[test]
fn scripts_by_descriptor() -> Result<(), Box<dyn Error>> {
    let scratch = Scratch::new()?;
    let bounds = Bounds::default();
    let run = |path: &Path, keep: bool| -> Result<End, Box<dyn Error>> {
        // std opens with O_CLOEXEC.
        let file = File::open(path)?;
        if keep {
            // SAFETY: no memory is passed; the descriptor is ours.
            unsafe { libc::fcntl(file.as_raw_fd(), libc::F_SETFD, 0) };
        }
        Ok(execute(Program::Fd(file.as_raw_fd()), &[b"case"], &bounds)?.end)
    };
    let script = scratch.write("script", b"#!/bin/sh\nexit 5\n", 0o755)?;
    assert_eq!(run(&script, true)?, Exited(5));
    assert_eq!(run(&script, false)?, Refused(ENOENT));
    assert_eq!(predict(&script, true, PAGE), Prediction::Refused(ENOENT));
    // The line is judged first.
    let bad = scratch.write("bad", b"#!\n", 0o755)?;
    assert_eq!(run(&bad, false)?, Refused(ENOEXEC));
    assert_eq!(predict(&bad, true, PAGE), Prediction::Refused(ENOEXEC));
    let elf = scratch.write("elf", &exec().build(), 0o755)?;
    assert_eq!(run(&elf, false)?, RUNS);
    assert_eq!(predict(&elf, true, PAGE), Prediction::Runs);
    fs::remove_file(elf)?;
    Ok(())
}
