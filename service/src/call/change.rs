//! What changes what is known of a file, by its path or by a descriptor of it (`fs/attr.c`).

use linux_raw_sys::general as nr;
use vload_module::abi::service::Time;
use vload_module::{Errno, Result};

use super::path::is_read_only;
use crate::claim::target::{is_directory, is_link};
use crate::descriptor::Subject;
use crate::path::permission::{Credentials, WRITE};

/// Set-user-id, set-group-id.
const SUID: u32 = 0o4000;
const SGID: u32 = 0o2000;

/// Why it is not allowed: where nothing can be changed, that comes first (`mnt_want_write`).
fn denied(subject: &impl Subject, error: Errno) -> Errno {
    if is_read_only(subject) { Errno::ROFS } else { error }
}

/// Sets the permissions.
pub fn chmod(subject: &impl Subject, mode: u32) -> Result<usize> {
    let known = subject.stat()?;
    // No file system keeps the mode of a link (`chmod_common`, fs/open.c).
    if is_link(known.mode) {
        return Err(Errno::OPNOTSUPP);
    }
    let who = Credentials::effective();
    if !who.owns(&known) {
        return Err(denied(subject, Errno::PERM));
    }
    set_mode(subject, if who.may_set_group(known.gid) { mode } else { mode & !SGID })
}

fn set_mode(subject: &impl Subject, mode: u32) -> Result<usize> {
    subject.ask_node(Errno::PERM, |operations, node| {
        // SAFETY: the node is valid for the call.
        Some(unsafe { (operations.chmod?)(node, mode) })
    })?;
    Ok(0)
}

/// Sets owner and group; `u32::MAX` leaves one as it is.
pub fn chown(subject: &impl Subject, uid: u32, gid: u32) -> Result<usize> {
    let known = subject.stat()?;
    Credentials::effective().may_give(&known, uid, gid).map_err(|error| denied(subject, error))?;
    subject.ask_node(Errno::PERM, |operations, node| {
        // SAFETY: the node is valid for the call.
        Some(unsafe { (operations.chown?)(node, uid, gid) })
    })?;
    // What runs as its owner does not run as another one.
    let group = if known.mode & 0o010 != 0 { SGID } else { 0 };
    let taken = known.mode & (SUID | group);
    if taken != 0 && !is_directory(known.mode) {
        set_mode(subject, known.mode & 0o7777 & !taken)?;
    }
    Ok(0)
}

/// Sets the times.
pub fn utimens(subject: &impl Subject, times: &[Time; 2]) -> Result<usize> {
    if times.iter().all(|time| time.nanoseconds == nr::UTIME_OMIT) {
        return Ok(0);
    }
    let known = subject.stat()?;
    // Who may write may set both to now; else one must be the owner (`vfs_utimes`, fs/utimes.c).
    if !Credentials::effective().owns(&known) {
        if times.iter().any(|time| time.nanoseconds != nr::UTIME_NOW) {
            return Err(denied(subject, Errno::PERM));
        }
        subject.permit(&known, WRITE).map_err(|error| denied(subject, error))?;
    }
    let times = core::ptr::from_ref(times);
    subject.ask_node(Errno::PERM, |operations, node| {
        // SAFETY: the node and the times are valid for the call.
        Some(unsafe { (operations.utimens?)(node, times) })
    })?;
    Ok(0)
}
