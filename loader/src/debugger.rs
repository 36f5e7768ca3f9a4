//! Program headers and a dynamic section for a debugger that knows the process alone
//! ([`runtime::view::debugger`] says what it looks for).
//!
//! Debuggers compare the headers in memory with those of the file that they are given, and take where they lie
//! for where the program does. So the copy is the same byte for byte, and has a dynamic section at the distance
//! at which the program has its own. What lies between the two is not mapped. Headers that do not say where they are, and
//! those of a program without a dynamic section, have a copy of another kind.

use core::arch::global_asm;
use core::mem::size_of;

use linux_raw_sys::elf::{Elf_Phdr, PT_DYNAMIC, PT_PHDR};
use runtime::image::{Elf, Kind};
use runtime::memory::{guard, read_words};
use runtime::process;
use runtime::sys;
use runtime::view::debugger;

use crate::map::Mapped;

// Where a debugger waits for libraries. It finds the function by its name, and knows of no second instruction.
global_asm!(
    ".globl _dl_debug_state",
    ".type _dl_debug_state, @function",
    ".hidden vload_debug_twin",
    ".balign 4",
    "_dl_debug_state:",
    "ret",
    ".balign 4",
    "vload_debug_twin:",
    "ret",
    ".size _dl_debug_state, . - _dl_debug_state",
);

unsafe extern "C" {
    static _dl_debug_state: u8;
    static vload_debug_twin: u8;
    // linker.ld
    static mut __dynamic: [usize; 2];
}

/// Names the program to a debugger. The address of its list.
pub fn begin(elf: &Elf, program: &Mapped) -> usize {
    let state = [&raw const _dl_debug_state, &raw const vload_debug_twin].map(|at| at.addr());
    let list = debugger::begin(
        program.bias,
        (elf.header.entry as usize).wrapping_add(program.bias),
        state,
    );
    let mut entry = &raw mut __dynamic;
    // SAFETY: vload's own dynamic section, which can be written to, and nobody reads; it ends with a 0.
    unsafe {
        while (*entry)[0] != 0 {
            if (*entry)[0] == debugger::DT_DEBUG {
                (*entry)[1] = list;
            }
            entry = entry.add(1);
        }
    }
    list
}

/// The address of the copy, which leads to `list`. `None` without memory to spare: the debugger does without as well.
pub fn headers(elf: &Elf, program: &Mapped, list: usize) -> Option<usize> {
    const MOST: usize = 64;
    /// No program is as long; what is between is mapped for a moment.
    const LONGEST: usize = 1 << 30;
    const WORD: usize = size_of::<usize>();
    let size = usize::from(elf.header.phnum) * size_of::<Elf_Phdr>();
    let first = elf.phdr_vaddr as usize;
    let mut words = [0usize; MOST * size_of::<Elf_Phdr>() / WORD];
    let words = words.get_mut(..size / WORD)?;
    read_words(first.wrapping_add(program.bias), words).ok()?;
    // SAFETY: as many words as that number of headers has, and any words are a header.
    let headers = unsafe {
        core::slice::from_raw_parts(words.as_ptr().cast::<Elf_Phdr>(), elf.header.phnum.into())
    };
    let find = |kind: u32| headers.iter().find(|header| header.p_type == kind);
    let Some(dynamic) = find(PT_DYNAMIC) else {
        return alone(elf, headers, list);
    };
    let (at, length) = (dynamic.p_vaddr, dynamic.p_memsz);
    debugger::follow(at.wrapping_add(program.bias), length);
    let Some(named) = find(PT_PHDR) else {
        return moved(headers, at, length, list);
    };
    if named.p_vaddr != first {
        return None;
    }
    let distance = at.checked_sub(first).filter(|distance| *distance < LONGEST)?;
    if distance < size || !(2 * WORD..LONGEST).contains(&length) {
        return None;
    }
    let page = process::page_size();
    let whole = (distance + length).next_multiple_of(page);
    let start = sys::map_anonymous(whole).ok()?;
    // SAFETY: the mapping is ours alone; the headers end before `distance`, and the section has room for the entry.
    unsafe {
        (start as *mut usize).copy_from_nonoverlapping(words.as_ptr(), words.len());
        let entry = (start + distance) as *mut [usize; 2];
        entry.write_unaligned([debugger::DT_DEBUG, list]);
    }
    let (before, behind) = (size.next_multiple_of(page), distance & !(page - 1));
    if before < behind {
        // SAFETY: nothing is there.
        unsafe { sys::munmap(start + before, behind - before) };
        guard::own(start, before);
        guard::own(start + behind, whole - behind);
    } else {
        guard::own(start, whole);
    }
    Some(start)
}

/// The same of headers that do not say where they are, as those of a static program at any address (`-static-pie`): there debuggers take
/// the addresses in them for those in memory. They accept headers that are not those of the file if all addresses
/// are as far from these (`svr4_exec_displacement`, gdb/solib-svr4.c). So all are as far as the section at `dynamic`, whose length is
/// `length`, is from the copy that is given for it. What has no address is left so (`PT_GNU_STACK`).
fn moved(own: &[Elf_Phdr], dynamic: usize, length: usize, list: usize) -> Option<usize> {
    const LONGEST: usize = 1 << 16;
    let entry = [debugger::DT_DEBUG, list];
    let size = size_of_val(own);
    if !(2 * size_of_val(&entry)..LONGEST).contains(&length) {
        return None;
    }
    let start = sys::map_anonymous(size + length).ok()?;
    guard::own(start, size + length);
    let distance = (start + size).wrapping_sub(dynamic);
    // SAFETY: the mapping is ours alone, and has room for the headers and the entry behind them; what follows is 0, `DT_NULL`.
    unsafe {
        let headers = start as *mut Elf_Phdr;
        headers.copy_from_nonoverlapping(own.as_ptr(), own.len());
        let moved = core::slice::from_raw_parts_mut(headers, own.len());
        for header in moved.iter_mut().filter(|header| header.p_memsz != 0) {
            header.p_vaddr = header.p_vaddr.wrapping_add(distance);
            header.p_paddr = header.p_paddr.wrapping_add(distance);
        }
        headers.add(own.len()).cast::<[usize; 2]>().write(entry);
    }
    Some(start)
}

/// The address of headers for a program of fixed addresses that has no dynamic section: a debugger that knows it compares none. They
/// are as many as its own, and what is needed to find `list`.
fn alone(elf: &Elf, own: &[Elf_Phdr], list: usize) -> Option<usize> {
    let size = size_of_val(own);
    if elf.kind != Kind::Exec || own.len() < 2 {
        return None;
    }
    let dynamic = [[debugger::DT_DEBUG, list], [0, 0]];
    let start = sys::map_anonymous(size + size_of_val(&dynamic)).ok()?;
    guard::own(start, size + size_of_val(&dynamic));
    let header = |kind: u32, at: usize, size: usize| Elf_Phdr {
        p_type: kind,
        p_flags: 0,
        p_offset: 0,
        p_vaddr: at,
        p_paddr: at,
        p_filesz: size,
        p_memsz: size,
        p_align: 0,
    };
    // SAFETY: the mapping is ours alone, and has room for all of them; the others are 0, `PT_NULL`.
    unsafe {
        let headers = start as *mut Elf_Phdr;
        headers.write(header(PT_PHDR, start, size));
        headers.add(1).write(header(PT_DYNAMIC, start + size, size_of_val(&dynamic)));
        headers.add(own.len()).cast::<[[usize; 2]; 2]>().write(dynamic);
    }
    Some(start)
}
