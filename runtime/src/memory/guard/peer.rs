//! The same vload in another process: its lists lie where ours do in the image.

use crate::arch;
use crate::sys::{self, Result};

/// Another process that runs this vload.
pub struct Peer {
    pid: i32,
    /// Where its image begins.
    base: usize,
}

impl Peer {
    /// Process `pid`, in which the image begins at `base`.
    pub fn new(pid: i32, base: usize) -> Self {
        Self { pid, base }
    }

    /// Where its image begins.
    pub fn base(&self) -> usize {
        self.base
    }

    /// Where lies there what of the image is at `address` here.
    pub fn there(&self, address: usize) -> usize {
        address.wrapping_sub(arch::image_range().0).wrapping_add(self.base)
    }

    /// Where lies here what of the image is at `address` there.
    pub fn here(&self, address: usize) -> usize {
        address.wrapping_sub(self.base).wrapping_add(arch::image_range().0)
    }

    /// Copies numbers from where ours are at `address`.
    pub fn read<T: Copy>(&self, address: usize, into: &mut [T]) -> Result<()> {
        self.read_at(self.there(address), into)
    }

    /// Copies numbers from `address` in that process.
    pub fn read_at<T: Copy>(&self, address: usize, into: &mut [T]) -> Result<()> {
        sys::read_process(self.pid, address, into)
    }
}
