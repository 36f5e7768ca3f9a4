//! The entries of binfmt_misc, as `/proc/sys/fs/binfmt_misc` shows them (`fs/binfmt_misc.c`).

use super::{HEAD_SIZE, Head};
use crate::digits::decimal;

/// The name of the file that says whether binfmt_misc is enabled as a whole: its content is
/// `enabled` or `disabled` and a newline.
pub const STATUS: &str = "status";

/// One entry, borrowed from the text of its file.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Entry<'a> {
    /// Whether it is asked at all.
    pub enabled: bool,
    /// The path of the program that runs what matches.
    pub interpreter: &'a [u8],
    /// `P`: the program's own first argument is kept, as the third.
    pub preserve_argv0: bool,
    /// `O`: the file is passed by descriptor (`AT_EXECFD`).
    pub open_binary: bool,
    /// `C`: the file's set-user-ID bits count, not the interpreter's; implies `O`.
    pub credentials: bool,
    /// `F`: the interpreter was opened when the entry was made, so its path need not exist here.
    pub fix_binary: bool,
    rule: Rule<'a>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Rule<'a> {
    /// The file name's last extension.
    Extension(&'a [u8]),
    /// Bytes at an offset, in hexadecimal, with a mask of the same length or none.
    Magic { offset: usize, magic: &'a [u8], mask: Option<&'a [u8]> },
}

impl<'a> Entry<'a> {
    /// Parses what reading the entry's file gave (`entry_status`). `None` if it is not an
    /// entry.
    pub fn parse(text: &'a [u8]) -> Option<Self> {
        let mut lines = text.strip_suffix(b"\n").unwrap_or(text).split(|&byte| byte == b'\n');
        let enabled = match lines.next()? {
            b"enabled" => true,
            b"disabled" => false,
            _ => return None,
        };
        let interpreter = lines.next()?.strip_prefix(b"interpreter ")?;
        let flags = lines.next()?.strip_prefix(b"flags: ")?;
        let rule = lines.next()?;
        let rule = match rule.strip_prefix(b"extension .") {
            Some(extension) => Rule::Extension(extension),
            None => Self::magic(rule, &mut lines)?,
        };
        let flag = |flag| flags.contains(&flag);
        Some(Self {
            enabled,
            interpreter,
            preserve_argv0: flag(b'P'),
            open_binary: flag(b'O'),
            credentials: flag(b'C'),
            fix_binary: flag(b'F'),
            rule,
        })
    }

    fn magic(first: &'a [u8], lines: &mut impl Iterator<Item = &'a [u8]>) -> Option<Rule<'a>> {
        let offset = first.strip_prefix(b"offset ")?;
        let offset: usize = decimal(offset)?;
        let magic = lines.next()?.strip_prefix(b"magic ")?;
        let mask = match lines.next() {
            Some(line) => Some(line.strip_prefix(b"mask ")?),
            None => None,
        };
        let size = magic.len() / 2;
        let fits = offset.checked_add(size).is_some_and(|end| end <= HEAD_SIZE);
        let hex =
            |text: &[u8]| text.len().is_multiple_of(2) && text.iter().all(u8::is_ascii_hexdigit);
        let valid =
            fits && hex(magic) && mask.is_none_or(|mask| hex(mask) && mask.len() == magic.len());
        valid.then_some(Rule::Magic { offset, magic, mask })
    }

    /// Whether the entry takes a file that begins with `head` and was executed by `path`: the
    /// script's or interpreter's own path when it is one (`search_binfmt_handler`).
    pub fn matches(&self, head: &Head, path: &[u8]) -> bool {
        if !self.enabled {
            return false;
        }
        match self.rule {
            Rule::Extension(extension) => {
                // strrchr on the whole path: a dot in a folder's name counts.
                let dot = path.iter().rposition(|&byte| byte == b'.');
                dot.and_then(|dot| path.get(dot + 1..)) == Some(extension)
            }
            Rule::Magic { offset, magic, mask } => {
                let bytes = head.bytes.get(offset..).unwrap_or(&[]);
                (0..magic.len() / 2).all(|at| {
                    let mask = mask.map_or(Some(0xff), |mask| hex_byte(mask, at));
                    match (bytes.get(at), hex_byte(magic, at), mask) {
                        (Some(byte), Some(magic), Some(mask)) => (byte ^ magic) & mask == 0,
                        _ => false,
                    }
                })
            }
        }
    }
}

/// The byte number `at` of a text of hexadecimal pairs.
fn hex_byte(text: &[u8], at: usize) -> Option<u8> {
    let digit = |at: usize| char::from(*text.get(at)?).to_digit(16);
    let value = digit(2 * at)? << 4 | digit(2 * at + 1)?;
    u8::try_from(value).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const ARM: &[u8] = b"enabled\ninterpreter /usr/bin/qemu-arm\nflags: OCF\noffset 0\n\
        magic 7f454c4601010100000000000000000002002800\n\
        mask ffffffffffffff00fffffffffffffffffeffffff\n";

    fn head(file: &[u8]) -> Head {
        Head::read(file).unwrap()
    }

    /// `entry_status`, `bin2hex`; `search_binfmt_handler` with a mask.
    #[test]
    fn magic_and_mask() {
        let entry = Entry::parse(ARM).unwrap();
        assert_eq!(entry.interpreter, b"/usr/bin/qemu-arm");
        assert!(entry.enabled && entry.open_binary && entry.credentials && entry.fix_binary);
        assert!(!entry.preserve_argv0);
        let mut file = b"\x7fELF\x01\x01\x01\x00\0\0\0\0\0\0\0\0\x02\0\x28\0rest".to_vec();
        assert!(entry.matches(&head(&file), b"/bin/x"));
        file[7] = 9; // not in the mask
        file[16] = 3; // its last bit is not in the mask
        assert!(entry.matches(&head(&file), b"/bin/x"));
        file[18] = 62;
        assert!(!entry.matches(&head(&file), b"/bin/x"));
        assert!(!entry.matches(&head(&file[..10]), b"/bin/x"));
    }

    /// `search_binfmt_handler` without a mask, at an offset, up to the buffer's end.
    #[test]
    fn magic_at_offset() {
        let text = b"enabled\ninterpreter /i\nflags: P\noffset 254\nmagic 4142\n";
        let entry = Entry::parse(text).unwrap();
        assert!(entry.preserve_argv0);
        let mut file = [0; 300];
        file[254..256].copy_from_slice(b"AB");
        assert!(entry.matches(&head(&file), b""));
        assert!(!entry.matches(&head(&file[..255]), b""));
        let beyond = b"enabled\ninterpreter /i\nflags: \noffset 255\nmagic 4142\n";
        assert_eq!(Entry::parse(beyond), None);
    }

    /// `search_binfmt_handler`: `strrchr(bprm->interp, '.')`.
    #[test]
    fn extension() {
        let entry = Entry::parse(b"enabled\ninterpreter /i\nflags: \nextension .jar\n").unwrap();
        let none = head(b"");
        assert!(entry.matches(&none, b"/a.b/c.jar"));
        assert!(!entry.matches(&none, b"/a.jar/c"));
        assert!(!entry.matches(&none, b"/a/cjar"));
        assert!(!entry.matches(&none, b"/a/c.jar "));
        let disabled =
            Entry::parse(b"disabled\ninterpreter /i\nflags: \nextension .jar\n").unwrap();
        assert!(!disabled.matches(&none, b"c.jar"));
    }

    #[test]
    fn not_entries() {
        let texts: [&[u8]; 8] = [
            b"",
            b"enabled\n",
            b"enabled\ninterpreter /i\n",
            b"enabled\ninterpreter /i\nflags: \n",
            b"enabled\ninterpreter /i\nflags: \noffset x\nmagic 41\n",
            b"enabled\ninterpreter /i\nflags: \noffset 0\nmagic 4g\n",
            b"enabled\ninterpreter /i\nflags: \noffset 0\nmagic 4142\nmask ff\n",
            b"enabled\ninterpreter /i\nflags: \noffset 99999999999999999999\nmagic 41\n",
        ];
        for text in texts {
            assert_eq!(Entry::parse(text), None, "{:?}", text.escape_ascii());
        }
    }
}
