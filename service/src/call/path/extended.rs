//! Extended attributes.

use core::ffi::c_long;

use linux_raw_sys::general as nr;
use vload_module::abi::service::{Node, ServiceOperations, Stat};
use vload_module::{Errno, Result};

use super::asked::{Asked, Spot};
use super::{AT, only};
use crate::call::fd::attributes;
use crate::descriptor::Subject;
use crate::path::Text;
use crate::path::permission::WRITE;
use crate::vload;

/// A place that a path has led to, as the operations on open files take it.
struct Found<'a> {
    spot: &'a Spot,
    path: &'a Text,
}

impl Subject for Found<'_> {
    fn usable(&self) -> Result<()> {
        Ok(())
    }

    fn ask_node_long(
        &self,
        error: Errno,
        what: impl FnOnce(&ServiceOperations, &Node) -> Option<c_long>,
    ) -> Result<i64> {
        self.spot.ask(self.path, error, what).map(|value| value as i64)
    }
}

/// `struct xattr_args` (setxattrat(2)).
#[repr(C)]
#[derive(Clone, Copy)]
struct XattrArgs {
    value: u64,
    size: u32,
    flags: u32,
}

/// The arguments as `fgetxattr` and its likes have them: something, the name, the value, its size, flags.
fn folded(asked: &Asked<'_>) -> Result<[usize; 6]> {
    let arguments = asked.call.arguments;
    only(asked.at_flags(), AT)?;
    match asked.described.name() {
        "getxattrat" | "setxattrat" => {
            let [_, _, _, name, from, size] = arguments;
            if size < size_of::<XattrArgs>() {
                return Err(Errno::INVAL);
            }
            let given = vload::get::<XattrArgs>(from)?;
            let value = usize::try_from(given.value).map_err(|_| Errno::FAULT)?;
            if asked.described.name() == "getxattrat" && given.flags != 0 {
                return Err(Errno::INVAL);
            }
            Ok([0, name, value, given.size as usize, given.flags as usize, 0])
        }
        "listxattrat" => Ok([0, arguments[3], arguments[4], 0, 0, 0]),
        "removexattrat" => Ok([0, arguments[3], 0, 0, 0, 0]),
        _ => Ok(arguments),
    }
}

/// Whether attributes may be changed (`xattr_permission`, fs/xattr.c).
fn may_change(spot: &Spot, path: &Text, known: &Stat) -> Result<()> {
    spot.target.permit(path, known, WRITE)
}

/// `getxattr`, `lgetxattr`, `getxattrat`.
pub fn get(asked: &mut Asked<'_>, spot: &Spot, path: &Text) -> Result<usize> {
    let arguments = folded(asked)?;
    spot.stat(path)?;
    attributes::get_attribute(&Found { spot, path }, arguments)
}

/// `setxattr`, `lsetxattr`, `setxattrat`.
pub fn set(asked: &mut Asked<'_>, spot: &Spot, path: &Text) -> Result<usize> {
    let arguments = folded(asked)?;
    only(arguments[4] as u32, nr::XATTR_CREATE | nr::XATTR_REPLACE)?;
    may_change(spot, path, &spot.stat(path)?)?;
    attributes::set_attribute(&Found { spot, path }, arguments)
}

/// `listxattr`, `llistxattr`, `listxattrat`.
pub fn list(asked: &mut Asked<'_>, spot: &Spot, path: &Text) -> Result<usize> {
    let arguments = folded(asked)?;
    spot.stat(path)?;
    attributes::list_attributes(&Found { spot, path }, arguments)
}

/// `removexattr`, `lremovexattr`, `removexattrat`.
pub fn remove(asked: &mut Asked<'_>, spot: &Spot, path: &Text) -> Result<usize> {
    let arguments = folded(asked)?;
    may_change(spot, path, &spot.stat(path)?)?;
    attributes::remove_attribute(&Found { spot, path }, arguments[1])
}
