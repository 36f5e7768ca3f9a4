//! Bytes that somebody else has chosen, as they stand in a message: names are mostly text, but need not be.

use core::ascii;
use core::ffi::CStr;
use core::fmt::{Display, Formatter, Result, Write};

/// A path or word as it is, but for bytes that are not text.
pub struct Shown<'a>(pub &'a [u8]);

impl Display for Shown<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        for chunk in self.0.utf8_chunks() {
            f.write_str(chunk.valid())?;
            chunk.invalid().iter().try_for_each(|&byte| escape(byte, f))?;
        }
        Ok(())
    }
}

/// A word in a line that it can neither end nor, between quotes, be taken for more of.
pub struct Escaped<'a>(pub &'a [u8]);

impl Display for Escaped<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        for chunk in self.0.utf8_chunks() {
            for character in chunk.valid().chars() {
                match u8::try_from(character) {
                    Ok(byte) if byte.is_ascii() => escape(byte, f)?,
                    _ if arranges(character) => {
                        let mut bytes = [0; 4];
                        let bytes = character.encode_utf8(&mut bytes).bytes();
                        bytes.into_iter().try_for_each(|byte| escape(byte, f))?;
                    }
                    _ => f.write_char(character)?,
                }
            }
            chunk.invalid().iter().try_for_each(|&byte| escape(byte, f))?;
        }
        Ok(())
    }
}

/// Whether a character is none that is seen: it controls the terminal, ends the line or turns its direction.
fn arranges(character: char) -> bool {
    matches!(character, '\u{80}'..='\u{9f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// A path between quotes, escaped.
pub struct Quoted<'a>(pub &'a CStr);

impl Display for Quoted<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        write!(f, "\"{}\"", Escaped(self.0.to_bytes()))
    }
}

fn escape(byte: u8, f: &mut Formatter<'_>) -> Result {
    write!(f, "{}", ascii::escape_default(byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_text_is_escaped() {
        let name = c"/tmp/a b\"\\ü";
        assert_eq!(std::format!("{}", Shown(name.to_bytes())), "/tmp/a b\"\\ü");
        assert_eq!(std::format!("{}", Quoted(name)), "\"/tmp/a b\\\"\\\\ü\"");
        assert_eq!(
            std::format!("{}", Quoted(c"a\u{9b}\u{2028}é")),
            "\"a\\xc2\\x9b\\xe2\\x80\\xa8é\""
        );
        assert_eq!(std::format!("{}", Shown(b"a\xff\xfeb\nc")), "a\\xff\\xfeb\nc");
        assert_eq!(std::format!("{}", Quoted(c"a\xff\xfeb\nc")), "\"a\\xff\\xfeb\\nc\"");
    }
}
