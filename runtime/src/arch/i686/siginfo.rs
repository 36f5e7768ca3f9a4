//! What the kernel tells of a signal (`struct siginfo`, asm-generic/siginfo.h).

/// `siginfo_t`, as words.
pub type SigInfo = [u32; 32];

/// Bytes of it that a kernel of 32 bits keeps (`struct kernel_siginfo`, linux/signal_types.h).
pub const SIGINFO_KEPT: usize = 32;

/// `si_signo` of a siginfo.
pub fn si_signo(info: &SigInfo) -> i32 {
    info[0] as i32
}

/// `si_perf_type` of the siginfo of a performance event.
pub fn si_perf_type(info: &SigInfo) -> u32 {
    info[5]
}

/// `si_code` of a siginfo (asm-generic/siginfo.h).
pub fn si_code(info: &SigInfo) -> i32 {
    info[2] as i32
}

/// `si_addr` of a siginfo of a fault.
pub fn si_addr(info: &SigInfo) -> usize {
    info[3] as usize
}

/// Sets `si_addr`, or `si_call_addr` of a `SIGSYS`, which lies in the same place.
pub fn set_si_addr(info: &mut SigInfo, address: usize) {
    info[3] = address as u32;
}

/// What `sigqueue(3)` of process `pid` would make of `value`.
pub fn queued_info(signal: i32, pid: i32, value: usize) -> SigInfo {
    let mut info = [0; 32];
    (info[0], info[2], info[3], info[5]) =
        (signal as u32, SI_QUEUE as u32, pid as u32, value as u32);
    info
}

/// `si_value` of a siginfo that was queued.
pub fn si_value(info: &SigInfo) -> usize {
    info[5] as usize
}

/// `SI_QUEUE` (asm-generic/siginfo.h).
pub const SI_QUEUE: i32 = -1;

/// Sets `si_code`.
pub fn set_si_code(info: &mut SigInfo, code: i32) {
    info[2] = code as u32;
}

/// The siginfo of a `SIGSYS` for call `number` of the architecture `arch`, behind whose instruction is
/// `address`.
pub fn user_dispatch_info(code: i32, address: usize, number: u32, arch: u32) -> SigInfo {
    let mut info = [0; 32];
    info[..6].copy_from_slice(&[
        linux_raw_sys::general::SIGSYS,
        0,
        code as u32,
        address as u32,
        number,
        arch,
    ]);
    info
}
