//! The calls that change the file that a path leads to: what they do to `/proc/PID/exe` they do to the
//! program's file, and not to vload's; and where one of vload's descriptors would lead there is nothing.

use super::exe::{again, behind};
use super::hidden::{PATH, leads_to_own};
use crate::abi::{self, Arg, Service, Table};
use crate::layer::Call;
use crate::memory::User;
use crate::sys::{self, Errno};
use linux_raw_sys::general as nr;

/// Those that follow a link at the end of their path, or can be asked to, but for what changes nothing.
const NAMES: &[&str] = &[
    "chmod",
    "fchmodat",
    "fchmodat2",
    "chown",
    "chown32",
    "fchownat",
    "utime",
    "utimes",
    "futimesat",
    "utimensat",
    "utimensat_time64",
    "truncate",
    "truncate64",
    "setxattr",
    "setxattrat",
    "removexattr",
    "removexattrat",
    "linkat",
    "mount",
];

/// Their numbers.
pub static CALLS: [usize; abi::count_native(NAMES)] = abi::native_numbers(NAMES);

/// Makes a call that has no meaning of its own here.
pub fn pass(call: &mut Call<'_>) -> isize {
    if !CALLS.contains(&call.number) {
        return call.pass();
    }
    let Some(described) = abi::lookup(Table::NATIVE, call.number as u32) else {
        return call.pass();
    };
    let kinds = described.args();
    let mut paths = kinds.iter().enumerate().filter_map(|(index, kind)| match kind {
        Arg::Path => Some((index, sys::CWD)),
        Arg::PathAt(folder) => Some((index, call.args[usize::from(*folder)] as i32)),
        _ => None,
    });
    // A longer one than any in `/proc` is none.
    let mut room = [0; PATH];
    if let Some((index, folder)) = paths.next()
        // The descriptor alone is meant (`futimens(3)`).
        && call.args[index] != 0
        && let Ok(given) = User::<u8>::new(call.args[index]).string(&mut room)
    {
        let given = given.to_bytes();
        if leads_to_own(call, folder, given) {
            return sys::raw(Err(Errno::NOENT));
        }
        // What is executed cannot be written, and to the kernel that is vload's file.
        if described.service() != Some(Service::Truncate)
            && !given.is_empty()
            && follows(call, kinds)
            && let Some(program) = behind(call, folder, given)
        {
            return again(call, index, &program);
        }
    }
    call.pass()
}

/// Whether the call follows a link at the end of its path.
fn follows(call: &Call<'_>, kinds: &[Arg]) -> bool {
    let flags = kinds.iter().position(|kind| *kind == Arg::AtFlags);
    let flags = flags.map_or(0, |at| call.args[at]);
    match call.number as u32 {
        nr::__NR_linkat => flags & nr::AT_SYMLINK_FOLLOW as usize != 0,
        _ => flags & nr::AT_SYMLINK_NOFOLLOW as usize == 0,
    }
}
