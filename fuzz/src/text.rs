//! `#!` lines and entries of binfmt_misc.

use arbitrary::Arbitrary;
use runtime::image::{Head, Script, misc};

/// A piece of a line.
#[derive(Debug, Arbitrary)]
enum Piece {
    Blank,
    Tab,
    Newline,
    Nul,
    Path,
    /// So many letters: lines longer than the kernel's buffer are reached with a few.
    Letters(u8),
    Any(u8),
}

/// The beginning of a script.
#[derive(Debug, Arbitrary)]
pub struct Line {
    pieces: Vec<Piece>,
}

impl Line {
    /// The file's bytes.
    pub fn build(&self) -> Vec<u8> {
        let mut out = b"#!".to_vec();
        for piece in &self.pieces {
            match piece {
                Piece::Blank => out.push(b' '),
                Piece::Tab => out.push(b'\t'),
                Piece::Newline => out.push(b'\n'),
                Piece::Nul => out.push(0),
                Piece::Path => out.extend(b"/bin/sh"),
                Piece::Letters(count) => out.resize(out.len() + usize::from(*count), b'x'),
                Piece::Any(byte) => out.push(*byte),
            }
        }
        out
    }
}

/// Parses a script and checks that path and argument are parts of its first line.
pub fn check_script(file: &[u8]) {
    let script = match Script::read(file) {
        Ok(script) => script,
        Err(refusal) => {
            assert!(!refusal.fatal && !refusal.to_string().is_empty());
            return;
        }
    };
    let head = Head::read(file).expect("a slice can be read");
    let line = head.bytes.split(|byte| matches!(byte, b'\n' | 0)).next().unwrap_or(&[]);
    let path = script.interp().to_bytes();
    // An empty path is shown as the working directory.
    let path = if path == b"." { b"" } else { path };
    assert!(!path.iter().any(|byte| matches!(byte, b' ' | b'\t' | b'\n')));
    let mut rest = line[2..].trim_ascii_start();
    if !path.is_empty() {
        let at = line.windows(path.len()).position(|window| window == path).expect("in the line");
        rest = &line[at + path.len()..];
    }
    if let Some(argument) = script.argument() {
        let argument = argument.to_bytes();
        assert!(!argument.starts_with(b" ") && !argument.starts_with(b"\t"));
        assert!(
            rest.windows(argument.len().max(1)).any(|window| window == argument)
                || argument.is_empty()
        );
    }
}

#[derive(Debug, Arbitrary)]
enum Rule {
    Extension(Vec<u8>),
    Magic { offset: u16, magic: Vec<u8>, mask: Option<Vec<u8>> },
    Spoiled(Vec<u8>),
}

/// An entry of binfmt_misc.
#[derive(Debug, Arbitrary)]
pub struct Entry {
    enabled: bool,
    interpreter: Vec<u8>,
    flags: u8,
    rule: Rule,
    cut: Option<u8>,
}

impl Entry {
    /// The text of its file.
    pub fn build(&self) -> Vec<u8> {
        let mut out = if self.enabled { b"enabled\n".to_vec() } else { b"disabled\n".to_vec() };
        out.extend(b"interpreter ");
        out.extend(&self.interpreter);
        out.extend(b"\nflags: ");
        out.extend(
            b"POCF"
                .iter()
                .enumerate()
                .filter(|(bit, _)| self.flags >> bit & 1 != 0)
                .map(|(_, flag)| flag),
        );
        match &self.rule {
            Rule::Extension(name) => {
                out.extend(b"\nextension .");
                out.extend(name);
            }
            Rule::Magic { offset, magic, mask } => {
                out.extend(format!("\noffset {offset}\nmagic ").bytes());
                out.extend(hex(magic).bytes());
                if let Some(mask) = mask {
                    out.extend(b"\nmask ");
                    out.extend(hex(mask).bytes());
                }
            }
            Rule::Spoiled(text) => {
                out.push(b'\n');
                out.extend(text);
            }
        }
        out.push(b'\n');
        if let Some(cut) = self.cut {
            out.truncate(cut.into());
        }
        out
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Parses an entry and matches it against a file and a name.
pub fn check_entry(text: &[u8], file: &[u8]) {
    let Some(entry) = misc::Entry::parse(text) else { return };
    let head = Head::read(file).expect("a slice can be read");
    let matches = entry.matches(&head, b"/bin/program.py");
    assert!(entry.enabled || !matches);
}
