//! How much one read takes (`seq_read_iter`, fs/seq_file.c): what the last one has left in the kernel's buffer, then whole
//! records, as many as fit in it. A program may go by that: who asks for a page gets whole lines, and never all of a page.

use super::Kind;
use crate::sys::maps::Mapped;

/// Bytes of the buffer that the kernel begins with.
const BUFFER: usize = 4096;

/// What the kernel's buffer would hold for who reads a file.
pub struct Records {
    /// Where the last read has ended.
    next: usize,
    /// Bytes that it has left in the buffer.
    left: usize,
    /// Bytes of the buffer, which grows for a record.
    room: usize,
}

impl Records {
    /// Nothing was read.
    pub const fn new() -> Self {
        Self { next: 0, left: 0, room: BUFFER }
    }

    /// How many bytes of `text`, from `position` on, a read of `wanted` takes.
    pub fn take(&mut self, kind: Kind, text: &[u8], position: usize, wanted: usize) -> usize {
        if wanted == 0 || position >= text.len() {
            return 0;
        }
        if position == 0 {
            self.left = 0;
        } else if position != self.next {
            // traverse(): the record that the place is in lies in the buffer.
            self.left = end(kind, text, position - 1) - position;
        }
        let first = self.left.min(wanted);
        self.left -= first;
        let begin = position + first;
        let mut taken = first;
        if self.left == 0 && begin < text.len() {
            let batch = self.batch(kind, text, begin, wanted - first);
            let more = batch.min(wanted - first);
            self.left = batch - more;
            taken += more;
        }
        self.next = position + taken;
        taken
    }

    /// Of what was taken, so much stays in the buffer.
    pub fn put_back(&mut self, bytes: usize) {
        self.next -= bytes;
        self.left += bytes;
    }

    /// Bytes of the records from `begin` on that come into the empty buffer: one, and more while there are not enough, and
    /// the next leaves room.
    fn batch(&mut self, kind: Kind, text: &[u8], begin: usize, wanted: usize) -> usize {
        let mut length = end(kind, text, begin) - begin;
        while length >= self.room {
            self.room *= 2;
        }
        while length < wanted && begin + length < text.len() {
            let longer = end(kind, text, begin + length) - begin;
            if longer >= self.room {
                break;
            }
            length = longer;
        }
        length
    }
}

/// Where the record ends that has the byte at `at`.
fn end(kind: Kind, text: &[u8], at: usize) -> usize {
    let line_end = |at: usize| {
        let rest = text.get(at..).unwrap_or_default();
        rest.iter().position(|&byte| byte == b'\n').map_or(text.len(), |line| at + line + 1)
    };
    match kind {
        Kind::Maps | Kind::Numa => line_end(at),
        Kind::Smaps => {
            let mut here = line_end(at);
            while here < text.len() {
                let next = line_end(here);
                let line = text.get(here..next).unwrap_or_default();
                if Mapped::parse(line.strip_suffix(b"\n").unwrap_or(line)).is_some() {
                    break;
                }
                here = next;
            }
            here
        }
        // One that says all (single_open).
        _ => text.len(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    extern crate std;
    use std::vec::Vec;

    fn lines(length: usize, count: usize) -> Vec<u8> {
        let mut line = std::vec![b'x'; length - 1];
        line.push(b'\n');
        line.repeat(count)
    }

    #[test]
    fn whole_lines_less_than_a_page() {
        let text = lines(64, 100);
        let mut records = Records::new();
        // 64 of them are a page, and the kernel takes a full buffer for one that has overflowed.
        assert_eq!(records.take(Kind::Maps, &text, 0, 4096), 63 * 64);
        assert_eq!(records.take(Kind::Maps, &text, 63 * 64, 1 << 20), 37 * 64);
        assert_eq!(records.take(Kind::Maps, &text, 6400, 4096), 0);
    }

    #[test]
    fn what_is_left_comes_first() {
        let text = lines(64, 100);
        let mut records = Records::new();
        assert_eq!(records.take(Kind::Maps, &text, 0, 100), 100);
        // 28 of the two lines in the buffer, and as many lines as fit in it anew.
        assert_eq!(records.take(Kind::Maps, &text, 100, 4096), 28 + 63 * 64);
        // A place in the middle of a line is come to by the line.
        assert_eq!(records.take(Kind::Maps, &text, 70, 10), 10);
        assert_eq!(records.take(Kind::Maps, &text, 80, 48), 48);
        assert_eq!(records.take(Kind::Maps, &text, 128, 1), 1);
        records.put_back(1);
        assert_eq!(records.take(Kind::Maps, &text, 128, 64), 64);
    }

    #[test]
    fn a_long_record_comes_whole() {
        let text = lines(5000, 3);
        let mut records = Records::new();
        assert_eq!(records.take(Kind::Maps, &text, 0, 1 << 20), 5000);
        assert_eq!(records.take(Kind::Status, &text, 0, 1 << 20), 15000);
    }

    #[test]
    fn a_mapping_of_smaps_is_one_record() {
        let text = b"1000-2000 r--p 00000000 00:00 0 \nSize: 4 kB\nRss: 4 kB\n\
                     2000-3000 r--p 00000000 00:00 0 \nSize: 4 kB\n";
        let first = text.iter().rposition(|&byte| byte == b'2').map_or(0, |at| at);
        let mut records = Records::new();
        let taken = records.take(Kind::Smaps, text, 0, 1);
        assert_eq!(taken, 1);
        let rest = records.take(Kind::Smaps, text, 1, 4096);
        assert!(1 + rest == text.len() && first > 1);
    }
}
