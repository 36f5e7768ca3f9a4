//! Which numbers calls are made by.

use crate::Table;

/// The numbers of calls that enter the kernel the native way.
pub const NATIVE: Table = Table::Riscv64;

/// The numbers of calls that enter it the other way: there is none.
pub const COMPAT: Option<Table> = None;
