//! Arguments that a call refuses before it looks at its path.

use abi::{Arg, Service, Struct};
use linux_raw_sys::general as nr;
use vload_module::{Errno, Result};

use super::asked::Asked;
use super::{attributes, names, only, open};

/// The `AT_*` flags of most calls.
const AT: u32 = nr::AT_SYMLINK_NOFOLLOW | nr::AT_EMPTY_PATH;

/// What the kernel says of a call whatever its path leads to. It is asked where the kernel does not judge itself.
pub fn check(asked: &Asked<'_>) -> Result<()> {
    let flags = asked.at_flags();
    match asked.described.service() {
        Some(Service::Open) => open::check_arguments(asked),
        Some(Service::Stat) => {
            if asked.index_of(|arg| arg == Arg::Out(Struct::Statx)).is_some() {
                statx(flags, asked.call.arguments[3] as u32)?;
            }
            only(flags, AT | nr::AT_NO_AUTOMOUNT | nr::AT_STATX_SYNC_TYPE)
        }
        Some(Service::Access) => {
            let mode = asked.index_of(|arg| arg == Arg::Mode).map(|at| asked.call.arguments[at]);
            only(mode.unwrap_or(0) as u32, 7)?;
            only(flags, AT | nr::AT_EACCESS)
        }
        Some(Service::Unlink) => only(flags, nr::AT_REMOVEDIR),
        Some(Service::Rename) => names::check_flags(asked),
        Some(Service::Mknod) => names::kind(asked).map(drop),
        Some(Service::Truncate) => attributes::length(asked).map(drop),
        Some(Service::Readlink) => attributes::room(asked).map(drop),
        Some(Service::Link) => only(flags, nr::AT_SYMLINK_FOLLOW | nr::AT_EMPTY_PATH),
        Some(
            Service::Chmod
            | Service::Chown
            | Service::Utimens
            | Service::Getxattr
            | Service::Setxattr
            | Service::Listxattr
            | Service::Removexattr,
        ) => only(flags, AT),
        _ => Ok(()),
    }
}

/// `do_statx` (fs/stat.c).
fn statx(flags: u32, mask: u32) -> Result<()> {
    let both = flags & nr::AT_STATX_SYNC_TYPE == nr::AT_STATX_SYNC_TYPE;
    if both || mask & nr::STATX__RESERVED != 0 { Err(Errno::INVAL) } else { Ok(()) }
}
