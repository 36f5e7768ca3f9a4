//! An executable stack, where the program asks for one (`setup_arg_pages`, fs/exec.c).
//!
//! The kernel gives it to the file that it executes, and that is vload's, which asks for none. The
//! right is added afterwards, unless the process refuses to gain it (`PR_SET_MDWE`). There a copy of
//! vload that asks for an executable stack is executed in vload's place.

use alloc::vec;
use alloc::vec::Vec;
use core::convert::Infallible;
use core::mem::{offset_of, size_of};

use linux_raw_sys::elf::{Elf_Ehdr, Elf_Phdr, PF_X, PT_GNU_STACK};
use linux_raw_sys::general::{
    AT_EMPTY_PATH, O_CLOEXEC, O_RDONLY, PROT_EXEC, PROT_READ, PROT_WRITE,
};
use runtime::image::{Elf, Stack};
use runtime::log::Line;
use runtime::process::{self, OPTIONS, PRIVATE_ARGUMENTS, Resumed};
use runtime::shown::Quoted;
use runtime::sys::{self, Errno, Result};
use runtime::view::{OWN, Slot};
use runtime::{layer, session};

use crate::arch;
use crate::auxv::{AT_PHDR, AT_PHNUM};
use crate::handover::Target;
use crate::vectors::Vectors;

/// Whether the program's stack is executable.
pub fn is_wanted(elf: &Elf) -> bool {
    match elf.stack {
        Stack::Executable => true,
        Stack::Default => arch::STACK_IS_EXECUTABLE,
        Stack::NotExecutable => false,
    }
}

/// Whether the kernel made it so, because this vload is the copy that asks for it.
pub fn is_there(vectors: &Vectors) -> bool {
    let (Some(at), Some(count)) = (vectors.aux(AT_PHDR), vectors.aux(AT_PHNUM)) else {
        return false;
    };
    // SAFETY: the kernel says that vload's own program headers lie there, and they are read-only.
    let headers = unsafe { core::slice::from_raw_parts(at as *const Elf_Phdr, count) };
    headers.iter().any(|header| header.p_type == PT_GNU_STACK && header.p_flags & PF_X != 0)
}

/// Makes the stack around `sp` executable.
pub fn make(sp: usize) {
    const PROT_GROWSDOWN: u32 = 0x0100_0000;
    let page = process::page_size();
    let prot = PROT_READ | PROT_WRITE | PROT_EXEC | PROT_GROWSDOWN;
    // SAFETY: the stack gets a right more.
    if let Err(error) = unsafe { sys::mprotect(sp & !(page - 1), page, prot) } {
        runtime::log!(Warn, "the stack cannot be made executable: {}", error.text());
    }
}

/// Whether this process refuses to make memory executable that was not (`PR_SET_MDWE`).
pub fn is_refused() -> bool {
    const PR_GET_MDWE: u32 = 66;
    const PR_MDWE_REFUSE_EXEC_GAIN: usize = 1;
    // SAFETY: the option only answers.
    let flags = unsafe { sys::prctl(PR_GET_MDWE, [0; 4]) };
    flags.is_ok_and(|flags| flags & PR_MDWE_REFUSE_EXEC_GAIN != 0)
}

/// Executes the copy, which goes on with the program in `file`. Comes back only when that fails.
pub fn begin_again(target: &Target<'_>, argv: &[usize], file: i32) {
    let error = match copy_of_vload().and_then(|copy| execute(copy, target, argv, file)) {
        Ok(never) => match never {},
        Err(error) => error,
    };
    runtime::log!(
        Warn,
        "{}: its stack is not executable, as it would be natively: {}",
        Quoted(target.execfn),
        error.text()
    );
}

fn execute(copy: i32, target: &Target<'_>, argv: &[usize], file: i32) -> Result<Infallible> {
    let resumed = Resumed {
        own: OWN.handed_on().map(Slot::get),
        program: file,
        // What that means has been followed already.
        inaccessible: false,
        spilled: -1,
        many: layer::many(),
        rings: layer::ring::handed_on(),
        view: session::view().0,
        arguments: [0; 5],
        number: Resumed::NOT_A_CALL,
    };
    let mut numbers = Line::new();
    resumed.write(&mut numbers);
    let options = OPTIONS.bytes().as_ptr() as usize;
    // The target's seccomp filters, if it has any.
    let filters = if target.resumed { target.vectors.arg(4) } else { None }.unwrap_or(c"");
    let [shown, place] = target.shown.map(|text| text.as_ptr() as usize);
    let private: [usize; PRIVATE_ARGUMENTS] = [
        c"vload".as_ptr() as usize,
        numbers.bytes().as_ptr() as usize,
        options,
        target.execfn.as_ptr() as usize,
        filters.as_ptr() as usize,
        shown,
        place,
    ];
    let argv: Vec<usize> = private.into_iter().chain(argv.iter().copied()).chain([0]).collect();
    let envp: Vec<usize> = target.envp.iter().copied().chain([0]).collect();
    sys::set_close_on_exec(file, false)?;
    let vectors = (argv.as_ptr() as usize, envp.as_ptr() as usize);
    let result = sys::execveat(copy, c"", vectors.0, vectors.1, AT_EMPTY_PATH as usize);
    sys::close(copy);
    Err(result.err().unwrap_or(Errno::NOEXEC))
}

/// vload's file in memory, with an executable stack in its headers.
fn copy_of_vload() -> Result<i32> {
    let own = sys::openat(sys::CWD, c"/proc/self/exe", O_RDONLY | O_CLOEXEC, 0)?;
    let bytes = read_whole(own);
    sys::close(own);
    let mut bytes = bytes?;
    ask_for_it(&mut bytes).ok_or(Errno::NOEXEC)?;
    session::text_file(&bytes)
}

fn read_whole(fd: i32) -> Result<Vec<u8>> {
    let mut bytes = vec![0; sys::fstat(fd)?.size as usize];
    let mut length = 0;
    while length < bytes.len() {
        match sys::pread(fd, &mut bytes[length..], length as u64)? {
            0 => return Err(Errno::IO),
            more => length += more,
        }
    }
    Ok(bytes)
}

/// Sets `PF_X` in the header of the stack.
fn ask_for_it(file: &mut [u8]) -> Option<()> {
    let word = |at: usize| Some(usize::from_ne_bytes(file.get(at..)?.first_chunk().copied()?));
    let half = |at: usize| Some(u16::from_ne_bytes(file.get(at..)?.first_chunk().copied()?));
    let quad = |at: usize| Some(u32::from_ne_bytes(file.get(at..)?.first_chunk().copied()?));
    let headers = word(offset_of!(Elf_Ehdr, e_phoff))?;
    let count = usize::from(half(offset_of!(Elf_Ehdr, e_phnum))?);
    let mut places = (0..count).map(|index| headers + index * size_of::<Elf_Phdr>());
    let header =
        places.find(|header| quad(header + offset_of!(Elf_Phdr, p_type)) == Some(PT_GNU_STACK))?;
    let place = header + offset_of!(Elf_Phdr, p_flags);
    let flags = quad(place)? | PF_X;
    file.get_mut(place..)?.first_chunk_mut().map(|bytes| *bytes = flags.to_ne_bytes())
}
