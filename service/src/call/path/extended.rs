//! Extended attributes.

use vload_module::{Errno, Result};

use super::asked::Asked;
use crate::call::fd::attributes;
use crate::descriptor::Subject;
use crate::vload;

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

/// `getxattr`, `lgetxattr`, `getxattrat`.
pub fn get(asked: &Asked<'_>, subject: &impl Subject) -> Result<usize> {
    attributes::get_attribute(subject, folded(asked)?)
}

/// `setxattr`, `lsetxattr`, `setxattrat`.
pub fn set(asked: &Asked<'_>, subject: &impl Subject) -> Result<usize> {
    attributes::set_attribute(subject, folded(asked)?)
}

/// `listxattr`, `llistxattr`, `listxattrat`.
pub fn list(asked: &Asked<'_>, subject: &impl Subject) -> Result<usize> {
    attributes::list_attributes(subject, folded(asked)?)
}

/// `removexattr`, `lremovexattr`, `removexattrat`.
pub fn remove(asked: &Asked<'_>, subject: &impl Subject) -> Result<usize> {
    attributes::remove_attribute(subject, folded(asked)?[1])
}
