//! A claim and its layer in this process: whom to ask about a place.

use core::ffi::{c_int, c_long};

use linux_raw_sys::general as nr;
use vload_module::abi::service::{File, Node, ServiceOperations, Stat};
use vload_module::{Errno, Result};

use super::Claim;
use crate::call::layout;
use crate::descriptor::{Name, Named, unasked};
use crate::layers::{self, Service};
use crate::path::{LONGEST, Text, permission};

/// Whom to ask about a place.
#[derive(Clone, Copy)]
pub struct Target {
    /// The claim's layer; what it asks itself is as old as the claim.
    pub service: Service,
    /// The claim.
    pub claim: Claim,
}

impl Target {
    /// The layer of a claim, if this process has it.
    pub fn of(claim: Claim) -> Option<Self> {
        let service = layers::find(claim.layer)?;
        Some(Self { service: Service { epoch: claim.epoch, ..service }, claim })
    }

    /// A place in the claim, as its module is told of it. It is valid as long as the path.
    pub fn node(&self, path: &Text) -> Node {
        let whole = path.c_str();
        // What a claim of the root has is the whole path, but for the root itself.
        let own = if path.is_root() { 1 } else { self.claim.length };
        let behind = whole.to_bytes_with_nul().get(own..).unwrap_or(b"\0");
        Node {
            layer: self.service.layer,
            claim: self.claim.number,
            length: behind.len() as u32 - 1,
            private: self.claim.private,
            path: behind.as_ptr().cast(),
            whole: whole.as_ptr(),
            file: core::ptr::null_mut::<File>(),
        }
    }

    /// The same as what a file is opened by.
    pub fn named<'a>(&self, path: &'a Text) -> Named<'a> {
        let behind = if path.is_root() { 1 } else { self.claim.length };
        Named { whole: path.bytes(), name: Name { behind, gone: false } }
    }

    /// Calls an operation on a place; `-ENOSYS` where the module does not have it.
    pub fn ask(
        &self,
        path: &Text,
        what: impl FnOnce(&ServiceOperations, &Node) -> Option<c_long>,
    ) -> Result<c_long> {
        let node = self.node(path);
        let operations = self.service.operations;
        let without = -c_long::from(Errno::NOSYS.0);
        Errno::check(self.service.ask(|| what(operations, &node).unwrap_or(without)))
            .map(|result| result as c_long)
    }

    /// What is known of a place.
    pub fn stat(&self, path: &Text) -> Result<Stat> {
        let mut known = Stat::default();
        self.ask(path, |operations, node| {
            Some(c_long::from(unasked::stat(operations, node, &mut known)))
        })?;
        complete(&mut known, self.claim.number);
        Ok(known)
    }

    /// Whether the process may do all of `wanted` with a file of which this is known: what its module says, or else its
    /// mode and owner.
    pub fn permit(&self, path: &Text, known: &Stat, wanted: u32) -> Result<()> {
        if permission::is_anybodys(known, wanted) {
            return Ok(());
        }
        let answered = self.ask(path, |operations, node| {
            // SAFETY: the node is valid for the call.
            Some(c_long::from(unsafe { (operations.access?)(node, wanted as c_int) }))
        });
        match answered {
            Err(Errno::NOSYS) => permission::check(known, wanted),
            other => other.map(drop),
        }
    }

    /// Where a link leads: how many bytes of `to`.
    pub fn readlink(&self, path: &Text, to: &mut [u8; LONGEST]) -> Result<usize> {
        let (at, room) = (to.as_mut_ptr(), to.len() - 1);
        let length = self.ask(path, |operations, node| {
            // SAFETY: the node is valid for the call, and the room as long as it says.
            Some(unsafe { (operations.readlink?)(node, at.cast(), room) })
        })?;
        Ok((length as usize).min(room))
    }

    /// Whether the module says that the path is its layer's.
    pub fn confirms(&self, path: &Text) -> Result<bool> {
        let confirmed = self.ask(path, |operations, node| {
            // SAFETY: the node is valid for the call.
            Some(c_long::from(unsafe { (operations.confirm?)(node) }))
        });
        match confirmed {
            // A module that cannot say no says yes.
            Err(Errno::NOSYS) => Ok(true),
            answer => answer.map(|answer| answer != 0),
        }
    }
}

/// Fills in what a module leaves to the framework.
pub fn complete(known: &mut Stat, claim: u32) {
    if known.device == 0 {
        known.device = layout::device_of(claim);
    }
    if known.block_size == 0 {
        known.block_size = 4096;
    }
}

/// Whether a mode is a directory's.
pub fn is_directory(mode: u32) -> bool {
    mode & nr::S_IFMT == nr::S_IFDIR
}

/// Whether a mode is a symbolic link's.
pub fn is_link(mode: u32) -> bool {
    mode & nr::S_IFMT == nr::S_IFLNK
}

/// A result of a module's as the kernel gives it.
pub fn raw(result: Result<c_long>) -> c_long {
    match result {
        Ok(value) => value,
        Err(Errno(number)) => -c_long::from(number as c_int),
    }
}
