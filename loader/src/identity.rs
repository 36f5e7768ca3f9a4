//! What the kernel shows of the process: name, command line, auxiliary vector, heap.

use core::ffi::CStr;

use runtime::sys;

use crate::stack::Built;

// linux/prctl.h
const PR_SET_NAME: u32 = 15;
const PR_SET_MM: u32 = 35;
const PR_SET_MM_MAP: usize = 14;

/// `struct prctl_mm_map`.
#[repr(C)]
struct MemoryMap {
    start_code: u64,
    end_code: u64,
    start_data: u64,
    end_data: u64,
    start_brk: u64,
    brk: u64,
    start_stack: u64,
    arg_start: u64,
    arg_end: u64,
    env_start: u64,
    env_end: u64,
    /// A pointer of the kernel's width, which is 64 bits also below a 32-bit program.
    auxv: u64,
    auxv_size: u32,
    exe_fd: u32,
}

/// The addresses that `/proc/PID/stat` shows, and where the heap starts.
pub struct Addresses {
    /// The program's text.
    pub code: (usize, usize),
    /// The program's data.
    pub data: (usize, usize),
    /// Where `brk(2)` starts; 0 leaves it where the kernel put it.
    pub brk: usize,
}

/// The name that `ps` shows: the last part of the path by which the program was executed, cut to 15
/// bytes by the kernel; for a program given by descriptor, its file's own name (`begin_new_exec`,
/// fs/exec.c, since 6.14).
pub fn set_name(execfn: &CStr, file: &CStr) {
    let descriptor = execfn.to_bytes().strip_prefix(b"/dev/fd/");
    let by_descriptor = descriptor.is_some_and(|rest| !rest.contains(&b'/')) && !file.is_empty();
    let path = if by_descriptor { file } else { execfn };
    let bytes = path.to_bytes();
    let bytes =
        if by_descriptor { bytes.strip_suffix(b" (deleted)").unwrap_or(bytes) } else { bytes };
    let start = bytes.iter().rposition(|&byte| byte == b'/').map_or(0, |slash| slash + 1);
    let mut name = [0u8; 16];
    let length = (bytes.len() - start).min(name.len() - 1);
    name[..length].copy_from_slice(&bytes[start..start + length]);
    // SAFETY: the kernel reads a NUL-terminated name.
    let named = unsafe { sys::prctl(PR_SET_NAME, [name.as_ptr() as usize, 0, 0, 0]) };
    if let Err(error) = named {
        runtime::log!(Warn, "the process keeps vload's name: {}", error.text());
    }
}

/// Command line, environment, auxiliary vector, stack and heap, in one call (prctl(2),
/// `PR_SET_MM_MAP`, which needs no privilege). Where it is refused the program runs all the same,
/// and `/proc/PID/cmdline` shows vload's own arguments before the program's.
pub fn set_memory_map(built: &Built, auxv: &[[usize; 2]], addresses: &Addresses) {
    let mut brk = addresses.brk as u64;
    if brk == 0 {
        brk = sys::brk() as u64;
    }
    let map = MemoryMap {
        start_code: addresses.code.0 as u64,
        end_code: addresses.code.1 as u64,
        start_data: addresses.data.0 as u64,
        end_data: addresses.data.1 as u64,
        start_brk: brk,
        brk,
        start_stack: built.sp as u64,
        arg_start: built.args.0 as u64,
        arg_end: built.args.1 as u64,
        env_start: built.env.0 as u64,
        env_end: built.env.1 as u64,
        auxv: auxv.as_ptr() as u64,
        auxv_size: size_of_val(auxv) as u32,
        exe_fd: u32::MAX,
    };
    let size = size_of::<MemoryMap>();
    // SAFETY: the kernel reads the structure and the vector, and changes how it accounts for memory
    // that vload does not use: nothing of vload's is on the heap of brk(2).
    let set = unsafe { sys::prctl(PR_SET_MM, [PR_SET_MM_MAP, &raw const map as usize, size, 0]) };
    if let Err(error) = set {
        runtime::log!(Warn, "the kernel shows vload's command line: {}", error.text());
    }
}
