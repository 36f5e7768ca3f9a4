//! Text put into a buffer of fixed size, without allocation or failure.

/// What stands at the end of a text that did not fit.
const CUT: &[u8] = b"...\n";

/// Text that grows in a buffer. What does not fit is dropped, and [`Text::finish`] says so.
pub(super) struct Text<'a> {
    buffer: &'a mut [u8],
    len: usize,
    cut: bool,
}

impl<'a> Text<'a> {
    pub fn new(buffer: &'a mut [u8]) -> Self {
        Self { buffer, len: 0, cut: false }
    }

    pub fn bytes(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            match self.buffer.get_mut(self.len) {
                Some(place) => *place = byte,
                None => {
                    self.cut = true;
                    return;
                }
            }
            self.len += 1;
        }
    }

    pub fn str(&mut self, text: &str) {
        self.bytes(text.as_bytes());
    }

    /// Blanks up to column `column`, none if that has been reached.
    pub fn pad_to(&mut self, column: usize) {
        for _ in self.len..column {
            self.bytes(b" ");
        }
    }

    pub fn signed(&mut self, value: i64) {
        if value < 0 {
            self.bytes(b"-");
        }
        self.unsigned(value.unsigned_abs());
    }

    pub fn unsigned(&mut self, value: u64) {
        self.digits(value, 10, 0);
    }

    /// At least `width` columns wide, filled with blanks on the left.
    pub fn unsigned_right(&mut self, value: u64, width: usize) {
        self.digits(value, 10, width);
    }

    /// As strace has it: `0` bare, anything else behind `0x`.
    pub fn hex(&mut self, value: u64) {
        if value != 0 {
            self.bytes(b"0x");
        }
        self.digits(value, 16, 0);
    }

    /// Behind a `0`, as C writes it.
    pub fn octal(&mut self, value: u64) {
        if value != 0 {
            self.bytes(b"0");
        }
        self.digits(value, 8, 0);
    }

    fn digits(&mut self, mut value: u64, base: u64, width: usize) {
        // 22 octal digits are the most that 64 bits need.
        let mut digits = [b' '; 24];
        let mut count = 0;
        for place in digits.iter_mut().rev() {
            *place = match (value % base) as u8 {
                digit @ 0..=9 => b'0' + digit,
                letter => b'a' + (letter - 10),
            };
            value /= base;
            count += 1;
            if value == 0 {
                break;
            }
        }
        let shown = usize::max(count, usize::min(width, digits.len()));
        if let Some(digits) = digits.get(digits.len() - shown..) {
            self.bytes(digits);
        }
    }

    /// Ends the line and gives its length; a line that was cut ends in `...`.
    pub fn finish(mut self) -> usize {
        self.bytes(b"\n");
        if self.cut {
            let start = self.buffer.len().saturating_sub(CUT.len());
            let room = self.buffer.len() - start;
            if let (Some(end), Some(mark)) =
                (self.buffer.get_mut(start..), CUT.get(CUT.len() - room..))
            {
                end.copy_from_slice(mark);
            }
        }
        self.len
    }
}
