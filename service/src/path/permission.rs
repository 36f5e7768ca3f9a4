//! Who may do what with a file of which the mode and the owner are known (`generic_permission`, fs/namei.c).

use linux_raw_sys::general as nr;
use vload_module::abi::service::Stat;
use vload_module::{Errno, Result};

use crate::claim::target::is_directory;
use crate::vload::system;

/// To read.
pub const READ: u32 = 4;
/// To write.
pub const WRITE: u32 = 2;
/// To execute, or to search.
pub const EXECUTE: u32 = 1;

/// `CAP_DAC_OVERRIDE` and `CAP_DAC_READ_SEARCH` (linux/capability.h).
const DAC_OVERRIDE: u32 = 1 << 1;
const DAC_READ_SEARCH: u32 = 1 << 2;
/// `CAP_CHOWN`, `CAP_FOWNER`, `CAP_FSETID`.
const CHOWN: u32 = 1;
const FOWNER: u32 = 1 << 3;
const FSETID: u32 = 1 << 4;
/// `CAP_SYS_CHROOT`.
pub const SYS_CHROOT: u32 = 1 << 18;
/// `CAP_MKNOD`.
pub const MKNOD: u32 = 1 << 27;
/// `CAP_SETFCAP`.
pub const SETFCAP: u32 = 1 << 31;
/// `CAP_SYS_ADMIN`.
pub const SYS_ADMIN: u32 = 1 << 21;

/// Groups that a process is asked for at once.
const GROUPS: usize = 64;

/// Who asks.
pub struct Credentials {
    /// The user.
    pub uid: u32,
    gid: u32,
    capabilities: u32,
}

/// `struct __user_cap_data_struct`, twice.
#[repr(C)]
#[derive(Clone, Copy, Default)]
struct Capabilities {
    effective: u32,
    permitted: u32,
    inheritable: u32,
}

fn ask(number: u32) -> u32 {
    // SAFETY: these calls take nothing, or a number that is no user's.
    unsafe { system(number, [usize::MAX; 6]) }.unwrap_or(usize::MAX) as u32
}

fn capabilities() -> Capabilities {
    // Version 3 (capget(2)).
    let header = [0x2008_0522u32, 0];
    let mut data = [Capabilities::default(); 2];
    let arguments = [header.as_ptr() as usize, data.as_mut_ptr() as usize, 0, 0, 0, 0];
    // SAFETY: both are the structures that the call reads and writes. Where it is forbidden, none are had.
    let _ = unsafe { system(nr::__NR_capget, arguments) };
    data[0]
}

#[cfg(target_pointer_width = "64")]
mod numbers {
    use super::nr;
    pub const SETFSUID: u32 = nr::__NR_setfsuid;
    pub const SETFSGID: u32 = nr::__NR_setfsgid;
    pub const GETUID: u32 = nr::__NR_getuid;
    pub const GETGID: u32 = nr::__NR_getgid;
    pub const GETGROUPS: u32 = nr::__NR_getgroups;
}
#[cfg(target_pointer_width = "32")]
mod numbers {
    use super::nr;
    pub const SETFSUID: u32 = nr::__NR_setfsuid32;
    pub const SETFSGID: u32 = nr::__NR_setfsgid32;
    pub const GETUID: u32 = nr::__NR_getuid32;
    pub const GETGID: u32 = nr::__NR_getgid32;
    pub const GETGROUPS: u32 = nr::__NR_getgroups32;
}

impl Credentials {
    /// Those that the process accesses files with. `setfsuid(-1)` changes nothing and says what it is.
    pub fn effective() -> Self {
        Self {
            uid: ask(numbers::SETFSUID),
            gid: ask(numbers::SETFSGID),
            capabilities: capabilities().effective,
        }
    }

    /// Those that `access(2)` asks about (`access_override_creds`, fs/open.c).
    pub fn real() -> Self {
        let uid = ask(numbers::GETUID);
        let capabilities = capabilities();
        let capabilities = if uid == 0 { capabilities.permitted } else { 0 };
        Self { uid, gid: ask(numbers::GETGID), capabilities }
    }

    /// Whether the process has a capability.
    pub fn can(&self, capability: u32) -> bool {
        self.capabilities & capability != 0
    }

    fn is_in(&self, group: u32) -> bool {
        if group == self.gid {
            return true;
        }
        let mut groups = [0u32; GROUPS];
        let arguments = [GROUPS, groups.as_mut_ptr() as usize, 0, 0, 0, 0];
        // SAFETY: the room is as large as it says. A process in more groups is held to be in none of them.
        let count = unsafe { system(numbers::GETGROUPS, arguments) }.unwrap_or(0);
        groups[..count.min(GROUPS)].contains(&group)
    }

    /// Whether the process owns a file, or may do what its owner may.
    pub fn owns(&self, known: &Stat) -> bool {
        self.uid == known.uid || self.can(FOWNER)
    }

    /// Whether the process may leave a file's set-group-id bit (`setattr_prepare`, fs/attr.c).
    pub fn may_set_group(&self, gid: u32) -> bool {
        self.can(FSETID) || self.is_in(gid)
    }

    /// Whether the process may give a file another owner or group (`chown_ok`, `chgrp_ok`, fs/attr.c).
    pub fn may_give(&self, known: &Stat, uid: u32, gid: u32) -> Result<()> {
        let owns = self.uid == known.uid;
        let user = uid == u32::MAX || owns && uid == known.uid;
        let group = gid == u32::MAX || owns && (gid == known.gid || self.is_in(gid));
        if user && group || self.can(CHOWN) { Ok(()) } else { Err(Errno::PERM) }
    }

    /// Whether the process may take a name from a directory whose sticky bit is set (`check_sticky`, fs/namei.c).
    pub fn may_take(&self, directory: &Stat, known: &Stat) -> bool {
        const STICKY: u32 = 0o1000;
        directory.mode & STICKY == 0 || self.uid == directory.uid || self.owns(known)
    }

    /// Whether all of `wanted` is permitted.
    pub fn check(&self, known: &Stat, wanted: u32) -> Result<()> {
        let class = if self.uid == known.uid {
            6
        } else if (known.mode >> 3 ^ known.mode) & 7 & wanted != 0 && self.is_in(known.gid) {
            3
        } else {
            0
        };
        if known.mode >> class & wanted == wanted {
            return Ok(());
        }
        let directory = is_directory(known.mode);
        let executable = directory || known.mode & 0o111 != 0;
        if self.can(DAC_OVERRIDE) && (wanted & EXECUTE == 0 || executable) {
            return Ok(());
        }
        let reads = if directory { wanted & WRITE == 0 } else { wanted == READ };
        if reads && self.can(DAC_READ_SEARCH) { Ok(()) } else { Err(Errno::ACCES) }
    }
}

/// Whether everybody may do all of `wanted` with a file.
pub fn is_anybodys(known: &Stat, wanted: u32) -> bool {
    (known.mode & known.mode >> 3 & known.mode >> 6) & wanted == wanted
}

/// Whether the process may do all of `wanted` with a file.
pub fn check(known: &Stat, wanted: u32) -> Result<()> {
    Credentials::effective().check(known, wanted)
}
