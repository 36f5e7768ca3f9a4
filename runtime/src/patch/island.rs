//! Pages behind the stubs where jumps lead whose distance the file's own bytes fix in part. They
//! hold nothing but jumps to the stubs.

use super::plan::PAGE;
use crate::sort;
use alloc::vec;
use alloc::vec::Vec;

/// Adjoining pages of the image that hold jumps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Island {
    /// The address in the file that they are mapped at, before the load bias is added.
    pub vaddr: u64,
    /// Their length: whole pages.
    pub len: u64,
    /// Where in the image they are: whole pages.
    pub offset: u64,
}

impl Island {
    /// The address behind it.
    #[must_use]
    pub fn end(&self) -> u64 {
        self.vaddr + self.len
    }
}

/// The bytes of an island before it has a place in the image.
pub(super) struct Pages {
    pub vaddr: u64,
    pub bytes: Vec<u8>,
}

impl Pages {
    fn end(&self) -> u64 {
        self.vaddr + self.bytes.len() as u64
    }
}

/// The islands that single bytes make.
pub(super) fn gather(mut bytes: Vec<(u64, u8)>) -> Vec<Pages> {
    sort::by(&mut bytes, |a, b| a < b);
    let mut islands: Vec<Pages> = Vec::new();
    for (address, byte) in bytes {
        let page = address - address % PAGE;
        match islands.last_mut() {
            Some(last) if address < last.end() => {}
            Some(last) if page == last.end() => {
                last.bytes.resize(last.bytes.len() + PAGE as usize, 0);
            }
            _ => islands.push(Pages { vaddr: page, bytes: vec![0; PAGE as usize] }),
        }
        if let Some(island) = islands.last_mut() {
            let at = (address - island.vaddr) as usize;
            island.bytes[at] = byte;
        }
    }
    islands
}

#[cfg(test)]
mod tests {
    use super::gather;
    use std::vec::Vec;

    #[test]
    fn pages_that_adjoin_are_one_island() {
        let islands = gather(Vec::from([(0x9fff, 3), (0x2001, 1), (0x3000, 2)]));
        let found: Vec<_> = islands.iter().map(|pages| (pages.vaddr, pages.bytes.len())).collect();
        assert_eq!(found, [(0x2000, 0x2000), (0x9000, 0x1000)]);
        assert_eq!(islands[0].bytes[..2], [0, 1]);
        assert_eq!(islands[0].bytes[0x1000], 2);
        assert_eq!(islands[1].bytes[0xfff], 3);
    }
}
