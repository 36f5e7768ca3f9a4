//! `seccomp(2)` and `prctl(PR_SET_SECCOMP)`.

use super::bpf::Instruction;
use super::chain::{self, Node};
use crate::arch;
use crate::layer::Call;
use crate::memory::read_words;
use crate::sys::{self, Errno, Result};
use crate::thread::POOL;
use linux_raw_sys::general as nr;

/// `PR_SET_SECCOMP` (linux/prctl.h).
const PR_SET_SECCOMP: usize = 22;
/// `SECCOMP_MODE_STRICT`, and `SECCOMP_MODE_FILTER`.
const MODE_STRICT: usize = 1;
const MODE_FILTER: usize = 2;
/// `SECCOMP_SET_MODE_STRICT`, `SECCOMP_SET_MODE_FILTER`.
const SET_STRICT: usize = 0;
const SET_FILTER: usize = 1;
/// `SECCOMP_FILTER_FLAG_TSYNC`: for all threads. With `NEW_LISTENER` the result is a descriptor.
const TSYNC: usize = 1;
const NEW_LISTENER: usize = 8;
/// `BPF_MAXINSNS` (linux/bpf_common.h).
const MOST: usize = 4096;

const RET_KILL: u32 = 0;
const RET_ALLOW: u32 = 0x7fff_0000;

/// The strict mode as a filter (`mode1_syscalls`, kernel/seccomp.c).
const STRICT: [Instruction; 7] = {
    const fn is(number: u32, to_allow: u8) -> Instruction {
        Instruction { code: 0x15, yes: to_allow, no: 0, k: number }
    }
    [
        Instruction { code: 0x20, yes: 0, no: 0, k: 0 },
        is(nr::__NR_read, 4),
        is(nr::__NR_write, 3),
        is(nr::__NR_exit, 2),
        is(arch::numbers::STRICT_SIGRETURN, 1),
        Instruction { code: 0x06, yes: 0, no: 0, k: RET_KILL },
        Instruction { code: 0x06, yes: 0, no: 0, k: RET_ALLOW },
    ]
};

/// `prctl(2)`.
pub fn prctl(call: &mut Call<'_>) -> isize {
    match (call.args[0], call.args[1]) {
        (PR_SET_SECCOMP, MODE_STRICT) => strict(call),
        (PR_SET_SECCOMP, MODE_FILTER) => filter(call, call.args[2], 0),
        _ => call.pass(),
    }
}

/// `seccomp(2)`.
pub fn seccomp(call: &mut Call<'_>) -> isize {
    let [operation, flags, program, ..] = call.args;
    match operation {
        SET_STRICT => strict(call),
        SET_FILTER => filter(call, program, flags),
        _ => call.pass(),
    }
}

fn strict(call: &mut Call<'_>) -> isize {
    let node = chain::make(call.block.filters.known(), STRICT.len(), |program| {
        program.copy_from_slice(&STRICT);
        Ok(())
    });
    install(call, node, 0)
}

fn filter(call: &mut Call<'_>, program: usize, flags: usize) -> isize {
    let node = copy(call, program);
    // The filter may forbid mmap(2), and allow what starts a child that shares memory.
    POOL.reserve();
    install(call, node, flags)
}

/// Reads the filter as the kernel will (`seccomp_prepare_user_filter`).
fn copy(call: &Call<'_>, program: usize) -> Result<*const Node> {
    let mut head = [0usize; 2];
    read_words(program, &mut head)?;
    let length = usize::from(head[0] as u16);
    if length == 0 || length > MOST {
        return Err(Errno::INVAL);
    }
    chain::make(call.block.filters.known(), length, |place| {
        for (index, instruction) in place.iter_mut().enumerate() {
            let mut words = [0usize; size_of::<Instruction>() / size_of::<usize>()];
            read_words(head[1].wrapping_add(index * size_of::<Instruction>()), &mut words)?;
            // SAFETY: both have eight bytes, and every pattern of them is an instruction.
            *instruction = unsafe { core::mem::transmute_copy(&words) };
        }
        Ok(())
    })
}

/// Makes the call. The filter counts from before it on: the kernel asks it at the next one.
fn install(call: &mut Call<'_>, node: Result<*const Node>, flags: usize) -> isize {
    let Ok(node) = node else {
        // What cannot be read the kernel refuses, and says why.
        return call.pass();
    };
    let before = call.block.filters.known().map_or(core::ptr::null(), core::ptr::from_ref);
    call.block.filters.set(node);
    let result = call.pass();
    let installed = match sys::check(result) {
        // With TSYNC a thread's id: that one could not follow, and nothing was done.
        Ok(value) => value == 0 || flags & TSYNC == 0 || flags & NEW_LISTENER != 0,
        Err(_) => false,
    };
    if !installed {
        // The mapping stays: another thread may have been started meanwhile, which has it.
        call.block.filters.set(before);
    } else if flags & TSYNC != 0 {
        let own = call.block.sighand;
        POOL.each_in_use(|block| {
            if core::ptr::eq(block.sighand, own) {
                block.filters.set(node);
            }
        });
    }
    result
}
