//! What the kernel tells of a signal (`struct siginfo`, asm-generic/siginfo.h), where words are 64 bits
//! wide.

/// `struct siginfo`, as 64-bit words.
pub type SigInfo = [u64; 16];

/// Bytes of it that the kernel keeps (`struct kernel_siginfo`, linux/signal_types.h).
pub const SIGINFO_KEPT: usize = 48;

/// `si_signo` of a siginfo.
pub fn si_signo(info: &SigInfo) -> i32 {
    info[0] as i32
}

/// `si_perf_type` of the siginfo of a performance event.
pub fn si_perf_type(info: &SigInfo) -> u32 {
    info[4] as u32
}

/// `si_code` of a siginfo (asm-generic/siginfo.h).
pub fn si_code(info: &SigInfo) -> i32 {
    info[1] as i32
}

/// `si_addr` of a siginfo of a fault.
pub fn si_addr(info: &SigInfo) -> usize {
    info[2] as usize
}

/// Sets `si_addr`, or `si_call_addr` of a `SIGSYS`, which lies in the same place.
pub fn set_si_addr(info: &mut SigInfo, address: usize) {
    info[2] = address as u64;
}

/// What `sigqueue(3)` of process `pid` would make of `value`.
pub fn queued_info(signal: i32, pid: i32, value: usize) -> SigInfo {
    let mut info = [0; 16];
    info[0] = u64::from(signal as u32);
    info[1] = u64::from(SI_QUEUE as u32);
    info[2] = u64::from(pid as u32);
    info[3] = value as u64;
    info
}

/// `si_value` of a siginfo that was queued.
pub fn si_value(info: &SigInfo) -> usize {
    info[3] as usize
}

/// `SI_QUEUE` (asm-generic/siginfo.h).
pub const SI_QUEUE: i32 = -1;

/// Sets `si_code`.
pub fn set_si_code(info: &mut SigInfo, code: i32) {
    info[1] = u64::from(code as u32);
}

/// The siginfo of a `SIGSYS` for call `number` of the architecture `arch`, behind whose instruction is
/// `address`.
pub fn user_dispatch_info(code: i32, address: usize, number: u32, arch: u32) -> SigInfo {
    let mut info = [0; 16];
    info[0] = u64::from(linux_raw_sys::general::SIGSYS);
    info[1] = u64::from(code as u32);
    info[2] = address as u64;
    info[3] = u64::from(arch) << 32 | u64::from(number);
    info
}
