//! The program's memory that data is read into or written from: one piece, or those of an array of `iovec`.

use linux_raw_sys::general::UIO_MAXIOV;
use vload_module::{Errno, Result};

use crate::vload;

/// What a call moves at most (`MAX_RW_COUNT`, linux/fs.h), with pages of 4 KiB.
const MOST: usize = 0x7fff_f000;
/// The unit in which memory is there or not.
const PAGE: usize = 4096;
/// Pieces that are looked at together.
const TOGETHER: usize = 8;

type Piece = [usize; 2];

/// `EFAULT` where no memory of a program's can be (`access_ok`), whatever is done with it.
fn can_be(address: usize, length: usize) -> Result<()> {
    /// No processor gives programs more than 57 bits.
    const TOP: u64 = 1 << 57;
    let end = address.checked_add(length).ok_or(Errno::FAULT)?;
    if end as u64 > TOP { Err(Errno::FAULT) } else { Ok(()) }
}

/// What is left of the memory of a call.
#[derive(Clone)]
pub struct Span {
    piece: Piece,
    /// Bytes of all pieces together that are left.
    left: usize,
    /// How many the program has asked for.
    asked: usize,
    /// Where the next pieces are described, and how many there are.
    next: usize,
    count: usize,
    batch: [Piece; TOGETHER],
    in_batch: usize,
}

impl Span {
    /// One piece (`vfs_read`, fs/read_write.c).
    pub fn one(address: usize, length: usize) -> Result<Self> {
        can_be(address, length)?;
        let left = length.min(MOST);
        let batch = [[0; 2]; TOGETHER];
        Ok(Self {
            piece: [address, left],
            left,
            asked: length,
            next: 0,
            count: 0,
            batch,
            in_batch: 0,
        })
    }

    /// The pieces of an array (`import_iovec`, lib/iov_iter.c).
    pub fn many(at: usize, count: usize) -> Result<Self> {
        if count > UIO_MAXIOV as usize {
            return Err(Errno::INVAL);
        }
        let mut all = Self { next: at, count, ..Self::one(0, 0)? };
        let mut total = 0usize;
        let mut reachable = Ok(());
        while let Some([address, length]) = all.fetch()? {
            if (length as isize) < 0 {
                return Err(Errno::INVAL);
            }
            reachable = reachable.and(can_be(address, length));
            total = total.saturating_add(length).min(MOST);
        }
        reachable?;
        Ok(Self { next: at, count, left: total, asked: total, ..Self::one(0, 0)? })
    }

    /// The next piece as it is described.
    fn fetch(&mut self) -> Result<Option<Piece>> {
        if self.count == 0 {
            return Ok(None);
        }
        if self.in_batch == 0 {
            let wanted = self.count.min(TOGETHER);
            let size = size_of::<Piece>();
            if wanted == TOGETHER {
                self.batch = vload::get(self.next)?;
            } else {
                for (index, place) in self.batch.iter_mut().take(wanted).enumerate() {
                    *place = vload::get(self.next.wrapping_add(index * size))?;
                }
            }
            self.next = self.next.wrapping_add(wanted * size);
            self.in_batch = wanted;
            // The next one is the first that is taken.
            self.batch[..wanted].reverse();
        }
        self.in_batch -= 1;
        self.count -= 1;
        Ok(Some(self.batch[self.in_batch]))
    }

    /// Bytes that are left.
    pub fn left(&self) -> usize {
        self.left
    }

    /// `EINVAL` where no file can reach so far (`rw_verify_area`, fs/read_write.c).
    pub fn check_at(&self, start: i64) -> Result<()> {
        let end = i64::try_from(self.asked).ok().and_then(|asked| start.checked_add(asked));
        end.map(drop).ok_or(Errno::INVAL)
    }

    /// No more than so many bytes.
    pub fn shorten(&mut self, most: usize) {
        self.left = self.left.min(most);
    }

    /// The piece that comes next, at most `most` bytes of it.
    fn piece(&mut self, most: usize) -> Result<Option<Piece>> {
        while self.piece[1] == 0 {
            match self.fetch()? {
                Some(piece) => self.piece = piece,
                None => return Ok(None),
            }
        }
        let length = self.piece[1].min(self.left).min(most);
        Ok((length != 0).then_some([self.piece[0], length]))
    }

    fn advance(&mut self, length: usize) {
        self.piece[0] = self.piece[0].wrapping_add(length);
        self.piece[1] -= length;
        self.left -= length;
    }

    /// Moves up to `length` bytes by `move_one(address, offset, length)`: how many, up to the first that is not there.
    fn each(
        &mut self,
        length: usize,
        mut move_one: impl FnMut(usize, usize, usize) -> Result<()>,
    ) -> usize {
        let mut done = 0;
        while done < length {
            let Ok(Some([address, most])) = self.piece(length - done) else { break };
            let moved = if move_one(address, done, most).is_ok() {
                most
            } else {
                by_pages(address, most, |address, from, length| {
                    move_one(address, done + from, length)
                })
            };
            self.advance(moved);
            done += moved;
            if moved < most {
                break;
            }
        }
        done
    }

    /// Puts bytes there: how many, up to the first place that is not there.
    pub fn put(&mut self, bytes: &[u8]) -> usize {
        self.each(bytes.len(), |address, from, length| {
            vload::put_bytes(address, &bytes[from..from + length])
        })
    }

    /// Gets bytes from there: how many, up to the first that is not there.
    pub fn get(&mut self, bytes: &mut [u8]) -> usize {
        let length = bytes.len();
        self.each(length, |address, from, length| {
            vload::get_bytes(&mut bytes[from..from + length], address)
        })
    }
}

/// Moves what is there of a range: page by page, because a page is there or not.
fn by_pages(
    address: usize,
    length: usize,
    mut move_one: impl FnMut(usize, usize, usize) -> Result<()>,
) -> usize {
    let mut done = 0;
    while done < length {
        let at = address.wrapping_add(done);
        let part = (PAGE - at % PAGE).min(length - done);
        if move_one(at, done, part).is_err() {
            break;
        }
        done += part;
    }
    done
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::Pages;

    #[test]
    fn pieces_are_one_after_the_other() {
        let (mut a, mut b, mut c) = ([0u8; 3], [0u8; 0], [0u8; 5]);
        let address = |piece: &mut [u8]| [piece.as_mut_ptr() as usize, piece.len()];
        let mut vector: std::vec::Vec<Piece> =
            std::vec![address(&mut a), address(&mut b), address(&mut c)];
        vector.extend(std::iter::repeat_n([0, 0], 20));
        let mut span = Span::many(vector.as_ptr() as usize, vector.len()).unwrap();
        assert_eq!(span.left(), 8);
        assert_eq!(span.put(b"abcd"), 4);
        assert_eq!(span.put(b"efghij"), 4);
        assert_eq!(span.put(b"x"), 0);
        assert_eq!((&a, &c), (b"abc", b"defgh"));
        let mut span = Span::many(vector.as_ptr() as usize, vector.len()).unwrap();
        span.shorten(6);
        let mut all = [0; 8];
        assert_eq!(span.get(&mut all), 6);
        assert_eq!(&all, b"abcdef\0\0");
    }

    #[test]
    fn what_is_not_there_ends_it_at_its_page() {
        let pages = Pages::two_of_which_one_is_there();
        let mut span = Span::one(pages.address() + PAGE - 10, 20).unwrap();
        assert_eq!(span.put(&[7; 20]), 10);
        assert_eq!(span.put(&[7; 10]), 0);
        let mut bytes = [0; 20];
        let mut span = Span::one(pages.address() + PAGE - 10, 20).unwrap();
        assert_eq!(span.get(&mut bytes), 10);
        assert_eq!(bytes[..11], [7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 0]);
    }

    #[test]
    fn counts_that_are_none() {
        assert_eq!(Span::many(0, 1025).err(), Some(Errno::INVAL));
        assert_eq!(Span::many(8, 1).err(), Some(Errno::FAULT));
        assert_eq!(Span::many(8, 0).map(|span| span.left()), Ok(0));
        let negative: [Piece; 2] = [[0, 1], [0, usize::MAX]];
        assert_eq!(Span::many(negative.as_ptr() as usize, 2).err(), Some(Errno::INVAL));
        assert_eq!(Span::one(8, usize::MAX).err(), Some(Errno::FAULT));
        assert_eq!(Span::one(0, 1 << 40).map(|span| span.left()), Ok(MOST));
        let huge: [Piece; 2] = [[0, 1 << 40], [0, 1 << 40]];
        let span = Span::many(huge.as_ptr() as usize, 2);
        assert_eq!(span.map(|span| span.left()), Ok(MOST));
    }
}
