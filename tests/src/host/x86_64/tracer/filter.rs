//! The filter that stops a process before each of its calls.

use std::io;

/// Puts the filter on this process; it stays across fork and exec. From here on the process needs
/// a tracer: without one each call answers ENOSYS.
pub fn install() -> io::Result<()> {
    let mut program =
        [libc::sock_filter { code: (libc::BPF_RET | libc::BPF_K) as u16, jt: 0, jf: 0, k: TRACE }];
    let filter = libc::sock_fprog { len: 1, filter: program.as_mut_ptr() };
    let set = || {
        // SAFETY: the kernel copies the filter, which is valid for the call.
        match unsafe { libc::prctl(libc::PR_SET_SECCOMP, MODE_FILTER, &raw const filter) } {
            0 => Ok(()),
            _ => Err(io::Error::last_os_error()),
        }
    };
    // Only the superuser may do so and still gain rights by an exec (seccomp(2)).
    match set() {
        Err(error) if error.raw_os_error() == Some(libc::EACCES) => {
            // SAFETY: takes numbers only.
            if unsafe { libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) } != 0 {
                return Err(io::Error::last_os_error());
            }
            set()
        }
        other => other,
    }
}

const TRACE: u32 = libc::SECCOMP_RET_TRACE;
const MODE_FILTER: libc::c_ulong = libc::SECCOMP_MODE_FILTER as libc::c_ulong;
