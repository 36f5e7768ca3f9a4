//! Which text is close enough to a candidate for its names to matter: what is far from all of
//! them is neither decoded nor remembered.

use super::elf::Elf;
use alloc::vec;
use alloc::vec::Vec;
use core::ops::Range;

/// One bit stands for this many bytes.
const LINE: u64 = 64;

/// A bitmap of text, a bit a line.
pub struct Near {
    texts: Vec<(Range<u64>, Vec<u64>)>,
}

impl Near {
    /// Marks every line that one of the ranges touches.
    pub fn new(elf: &Elf<'_>, ranges: impl Iterator<Item = Range<u64>>) -> Self {
        let texts = elf.loads.iter().filter(|load| load.executable());
        let empty = |load: &super::elf::Load| {
            let words = load.filesz.div_ceil(LINE * 64) as usize;
            (load.range(), vec![0; words])
        };
        let mut near = Self { texts: texts.map(empty).collect() };
        ranges.for_each(|range| near.mark(range));
        near
    }

    fn mark(&mut self, range: Range<u64>) {
        for (text, bits) in &mut self.texts {
            let (from, to) = (range.start.max(text.start), range.end.min(text.end));
            if from >= to {
                continue;
            }
            for line in (from - text.start) / LINE..=(to - 1 - text.start) / LINE {
                if let Some(word) = bits.get_mut((line / 64) as usize) {
                    *word |= 1 << (line % 64);
                }
            }
        }
    }

    /// Whether `address` is in a marked line.
    pub fn has(&self, address: u64) -> bool {
        self.texts.iter().any(|(text, bits)| {
            text.contains(&address) && {
                let line = (address - text.start) / LINE;
                bits.get((line / 64) as usize).is_some_and(|word| word >> (line % 64) & 1 != 0)
            }
        })
    }
}
