//! What [`Elf`] says about files. Which files it refuses is tested against the kernel itself, in
//! `tests/tests/exec_errors`.

use super::*;
use crate::sys::Errno;
use goblin::elf::program_header::{PF_R, PF_W, PF_X, PT_GNU_STACK, PT_INTERP, PT_LOAD};
use std::vec::Vec;

const LIMITS: Limits = Limits::new(0x1000);
const MACHINE_AT: usize = 18;

fn words(out: &mut Vec<u8>, words: &[u64]) {
    for &word in words {
        match native::CLASS {
            Class::Elf64 => out.extend(word.to_ne_bytes()),
            Class::Elf32 => out.extend((word as u32).to_ne_bytes()),
        }
    }
}

fn machine() -> u16 {
    (0..=u16::MAX)
        .find(|&machine| native::accepts(2, machine) || native::accepts(1, machine))
        .unwrap()
}

/// A file of 8 KiB with these program headers, at offset 0x100.
fn file(kind: u16, headers: &[ProgramHeader]) -> Vec<u8> {
    let class = if native::CLASS == Class::Elf64 { 2 } else { 1 };
    let mut out = [b"\x7fELF".as_slice(), &[class, 1, 1], &[0; 9]].concat();
    out.extend(kind.to_ne_bytes());
    out.extend(machine().to_ne_bytes());
    out.extend(1u32.to_ne_bytes());
    words(&mut out, &[0x1234, 0x100, 0]);
    out.extend(0u32.to_ne_bytes());
    let (ehsize, phentsize) = (native::CLASS.header_size(), native::CLASS.phentsize());
    for half in [ehsize as u16, phentsize as u16, headers.len() as u16, 0, 0, 0] {
        out.extend(half.to_ne_bytes());
    }
    out.resize(0x100, 0);
    for header in headers {
        let ProgramHeader { kind, flags, offset, vaddr, filesz, memsz, align } = *header;
        out.extend(kind.to_ne_bytes());
        if native::CLASS == Class::Elf64 {
            out.extend(flags.to_ne_bytes());
        }
        words(&mut out, &[offset, vaddr, vaddr, filesz, memsz]);
        if native::CLASS == Class::Elf32 {
            out.extend(flags.to_ne_bytes());
        }
        words(&mut out, &[align]);
    }
    assert!(out.len() <= 0x2000);
    out.resize(0x2000, 0);
    out
}

fn header(kind: u32, at: [u64; 4], flags: u32, align: u64) -> ProgramHeader {
    let [offset, vaddr, filesz, memsz] = at;
    ProgramHeader { kind, flags, offset, vaddr, filesz, memsz, align }
}

fn load(at: [u64; 4], flags: u32) -> ProgramHeader {
    header(PT_LOAD, at, flags, 0x1000)
}

fn read(kind: u16, headers: &[ProgramHeader]) -> Elf {
    Elf::read(file(kind, headers).as_slice()).unwrap()
}

/// `load_elf_binary`: what becomes of the mm's fields, the span and the bias's alignment.
#[test]
fn summary() {
    let elf = read(
        3,
        &[
            load([0x2000, 0x5010, 0x100, 0x3000], PF_R | PF_W),
            load([0, 0x1000, 0x800, 0x800], PF_R),
            header(PT_LOAD, [0x1000, 0x3000, 0x500, 0x500], PF_R | PF_X, 0x20_0000),
            header(PT_LOAD, [0, 0x3800, 0, 0], PF_R | PF_X, 0x30_0000),
        ],
    );
    assert_eq!((elf.kind, elf.loads, elf.header.entry), (Kind::Dyn, 4, 0x1234));
    assert_eq!((elf.header.machine, elf.header.phnum), (machine(), 4));
    assert_eq!(elf.span, 0x1000..0x8010);
    assert_eq!(elf.map_size(&LIMITS), 0x7010);
    assert_eq!(elf.code, 0x3000..0x3800);
    assert_eq!(elf.data, 0x5010..0x5110);
    assert_eq!(elf.load_align(&LIMITS), 0x20_0000);
    assert_eq!(elf.stack, Stack::Default);
    assert_eq!(elf.interp, None);
    // e_phoff is 0x100 into the file.
    assert_eq!(elf.phdr_vaddr, 0x1100);
}

/// `load_elf_binary`: the last segment that holds the program headers counts, or none.
#[test]
fn phdr() {
    let holds = load([0, 0x1000, 0x800, 0x800], PF_R);
    let also = load([0x80, 0x7080, 0x81, 0x81], PF_R);
    let not = load([0x80, 0x9080, 0x80, 0x80], PF_R);
    assert_eq!(read(3, &[holds, also, not]).phdr_vaddr, 0x7100);
    assert_eq!(read(3, &[also, not, holds]).phdr_vaddr, 0x1100);
    assert_eq!(read(3, &[not]).phdr_vaddr, 0);
}

/// `load_elf_binary`: the last `PT_GNU_STACK`; `elf_read_implies_exec`.
#[test]
fn stack() {
    let executable = header(PT_GNU_STACK, [0; 4], PF_R | PF_W | PF_X, 16);
    let not = header(PT_GNU_STACK, [0; 4], PF_R | PF_W, 16);
    let all = load([0, 0, 0x800, 0x800], PF_R);
    for (headers, stack) in [
        ([all, not, executable], Stack::Executable),
        ([executable, all, not], Stack::NotExecutable),
        ([all, all, all], Stack::Default),
    ] {
        let elf = read(2, &headers);
        assert_eq!((elf.kind, elf.stack), (Kind::Exec, stack));
        let implied = stack == Stack::Default && native::READ_IMPLIES_EXEC;
        assert_eq!(elf.read_implies_exec(), implied);
    }
}

/// `load_elf_binary`: the first `PT_INTERP`, up to its first NUL.
#[test]
fn interp() {
    let path = |offset, size| header(PT_INTERP, [offset, 0, size, size], PF_R, 1);
    let mut bytes = file(3, &[path(0x800, 12), path(0x900, 1)]);
    bytes[0x800..0x80c].copy_from_slice(b"/lib/ld.so\0\0");
    let elf = Elf::read(bytes.as_slice()).unwrap();
    assert_eq!(elf.interp, Some(0x800..0x80c));
    let mut buf = [0; PATH_MAX];
    let found = elf.interp_path(bytes.as_slice(), &mut buf);
    assert_eq!(found, Ok(Some(c"/lib/ld.so")));
    bytes[0x80b] = b'x';
    let refusal = Elf::read(bytes.as_slice()).unwrap_err();
    assert_eq!(refusal, Refusal::new(Errno::NOEXEC, What::InterpUnterminated));
    // The file may change between the two reads.
    bytes.truncate(0x805);
    let found = elf.interp_path(bytes.as_slice(), &mut buf);
    assert_eq!(found.unwrap_err().errno, Errno::IO);
}

/// `load_elf_phdrs`: more headers than one chunk, read whole and in order.
#[test]
fn many_headers() {
    let headers: Vec<_> = (0..100).map(|i| header(7 + i, [u64::from(i); 4], i, 0)).collect();
    let bytes = file(3, &headers);
    let elf = Elf::read(bytes.as_slice()).unwrap();
    let read: Vec<_> = elf.program_headers(bytes.as_slice()).map(Result::unwrap).collect();
    assert!(read.iter().enumerate().all(|(i, (index, _))| i == usize::from(*index)));
    assert!(read.iter().map(|(_, header)| header).eq(&headers));
    // Of a file that was cut since, what can be read, and one error.
    let end = 0x100 + native::CLASS.phentsize() * 40 + 1;
    let cut = &bytes[..end];
    assert_eq!(Elf::read(cut).unwrap_err().what, What::TruncatedHeaders(0x100));
    let read: Vec<_> = elf.program_headers(cut).collect();
    assert_eq!((read.len(), read.last().unwrap().is_err()), (33, true));
}

/// `elf_map`, `elf_load`: file pages, the zeroed tail, anonymous pages.
#[test]
fn placement() {
    let place = |at, bias| {
        let segment = Segment { index: 0, header: load(at, PF_R) };
        segment.place(bias, &LIMITS)
    };
    let parts = |file, offset, tail, bss| Some(Placement { file, offset, tail, bss });
    let bias = 0x10_0000;
    let at = place([0x1010, 0x3010, 0x100, 0x100], bias);
    assert_eq!(at, parts(0x10_3000..0x10_4000, 0x1000, 0x10_4000..0x10_4000, 0x10_4000..0x10_4000));
    let at = place([0x1010, 0x3010, 0x100, 0x200], bias);
    assert_eq!(at, parts(0x10_3000..0x10_4000, 0x1000, 0x10_3110..0x10_4000, 0x10_4000..0x10_4000));
    let at = place([0x1010, 0x3010, 0x100, 0x2000], bias);
    assert_eq!(at, parts(0x10_3000..0x10_4000, 0x1000, 0x10_3110..0x10_4000, 0x10_4000..0x10_6000));
    let at = place([0x1000, 0x3000, 0x1000, 0x1001], bias);
    assert_eq!(at, parts(0x10_3000..0x10_4000, 0x1000, 0x10_4000..0x10_4000, 0x10_4000..0x10_5000));
    let at = place([0x7, 0x3010, 0, 0xff1], bias);
    assert_eq!(at, parts(0x10_3000..0x10_3000, 0, 0x10_3000..0x10_3000, 0x10_3000..0x10_5000));
    let at = place([0x7, 0x3010, 0, 0], bias);
    assert_eq!(at, parts(0x10_3000..0x10_3000, 0, 0x10_3000..0x10_3000, 0x10_3000..0x10_3000));
    // An interp may name addresses near the top; its bias wraps.
    let at = place([0, 0u64.wrapping_sub(0x1000), 0x100, 0x100], 0x10_1000);
    assert_eq!(at, parts(0x10_0000..0x10_1000, 0, 0x10_1000..0x10_1000, 0x10_1000..0x10_1000));
    assert_eq!(place([0x1011, 0x3010, 1, 1], bias), None);
    assert_eq!(place([0x1010, 0x3010, 1, u64::MAX], bias), None);
    assert_eq!(place([0x1010, 0x3010, u64::MAX, 1], bias), None);
    assert_eq!(place([0x10, 0x10, 1, 1], u64::MAX - 0xfff), None);
}

/// `load_elf_binary`: `BAD_ADDR(elf_entry)`.
#[test]
fn entry() {
    let elf = read(3, &[load([0, 0, 0x800, 0x800], PF_R)]);
    let last = LIMITS.task_size - 1 - 0x1234;
    assert_eq!(elf.check_entry(last, &LIMITS), Ok(()));
    let refusal = Refusal::fatal(Errno::INVAL, What::Entry(0x1234));
    assert_eq!(elf.check_entry(last + 1, &LIMITS), Err(refusal));
    assert_eq!(elf.check_entry(0u64.wrapping_sub(0x1234), &LIMITS), Ok(()));
}

/// `make_prot`, `vm_brk_flags`.
#[test]
fn protection() {
    for flags in 0..8 {
        let segment = Segment { index: 0, header: load([0; 4], flags) };
        let bit = |flag, prot| if flags & flag != 0 { prot } else { 0 };
        assert_eq!(segment.prot(), bit(4, 1) | bit(2, 2) | bit(1, 4));
        assert_eq!(segment.bss_prot(), 3 | bit(1, 4));
    }
}

/// `load_elf_binary` returns ENOEXEC, `load_elf_interp` ELIBBAD, for the same faults.
#[test]
fn program_and_interp() {
    let good = file(3, &[load([0, 0, 0x800, 0x800], PF_R)]);
    assert!(Elf::read(good.as_slice()).is_ok() && Elf::read_interp(good.as_slice()).is_ok());
    let mut machine = good.clone();
    machine[MACHINE_AT..MACHINE_AT + 2].fill(0xee);
    let refused = |file: &[u8]| (Elf::read(file).unwrap_err(), Elf::read_interp(file).unwrap_err());
    let what = What::Machine(0xeeee);
    let both = (Refusal::new(Errno::NOEXEC, what), Refusal::new(Errno::LIBBAD, what));
    assert_eq!(refused(&machine), both);
    let mut core = good.clone();
    core[16] = 4;
    let both =
        (Refusal::new(Errno::NOEXEC, What::Type(4)), Refusal::fatal(Errno::PERM, What::Type(4)));
    assert_eq!(refused(&core), both);
    let short = &good[..native::CLASS.header_size() - 1];
    assert_eq!(refused(short).1, Refusal::new(Errno::IO, What::TruncatedHeader));
}
