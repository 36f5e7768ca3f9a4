//! What the kernel puts on a new program's stack: argument vector, environment, auxiliary vector.

use core::ffi::{CStr, c_char};

/// The vectors, where they lie.
#[derive(Clone, Copy)]
pub struct Vectors {
    /// The arguments, without the NULL.
    pub argv: &'static [usize],
    /// The environment, without the NULL.
    pub envp: &'static [usize],
    /// The auxiliary vector as pairs, without the AT_NULL.
    pub auxv: &'static [[usize; 2]],
    /// One past the AT_NULL: everything above belongs to the kernel's strings.
    pub end: usize,
}

impl Vectors {
    /// Reads the initial stack.
    ///
    /// # Safety
    /// `sp` must be the stack pointer with which the kernel started the process, and nothing may
    /// have been written there.
    pub unsafe fn at(sp: usize) -> Self {
        // SAFETY: the layout is the kernel's (create_elf_tables, fs/binfmt_elf.c): argc, argv, NULL,
        // envp, NULL, auxv, AT_NULL; it stays until the hand-over replaces it.
        unsafe {
            let word = sp as *const usize;
            let argc = word.read();
            let argv = word.add(1);
            let envp = argv.add(argc + 1);
            let mut count = 0;
            while envp.add(count).read() != 0 {
                count += 1;
            }
            let auxv = envp.add(count + 1).cast::<[usize; 2]>();
            let mut pairs = 0;
            while auxv.add(pairs).read()[0] != 0 {
                pairs += 1;
            }
            Self {
                argv: core::slice::from_raw_parts(argv, argc),
                envp: core::slice::from_raw_parts(envp, count),
                auxv: core::slice::from_raw_parts(auxv, pairs),
                end: auxv.add(pairs + 1) as usize,
            }
        }
    }

    /// Argument `index`.
    pub fn arg(&self, index: usize) -> Option<&'static CStr> {
        self.argv.get(index).map(|&at| string(at))
    }

    /// The value of the environment's variable `name`.
    pub fn env(&self, name: &[u8]) -> Option<&'static [u8]> {
        self.envp
            .iter()
            .find_map(|&at| string(at).to_bytes().strip_prefix(name)?.strip_prefix(b"="))
    }

    /// The value of auxiliary entry `kind`.
    pub fn aux(&self, kind: u32) -> Option<usize> {
        self.auxv.iter().find(|pair| pair[0] == kind as usize).map(|pair| pair[1])
    }
}

/// The string at an address of the initial stack.
pub fn string(at: usize) -> &'static CStr {
    // SAFETY: the kernel put NUL-terminated strings there; they are not changed before the target
    // runs.
    unsafe { CStr::from_ptr(at as *const c_char) }
}
