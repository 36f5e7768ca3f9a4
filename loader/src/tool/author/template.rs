//! The files of a new module: those of `loader/templates`, with its name in place of `@NAME@`.

use alloc::string::String;
use alloc::vec::Vec;

use super::new::Language;

/// A file of a new module.
pub struct Template {
    /// Its path in the module's folder; it may have the name, too.
    pub path: &'static str,
    /// What is in it.
    text: &'static str,
}

const fn file(path: &'static str, text: &'static str) -> Template {
    Template { path, text }
}

static C: [Template; 3] = [
    file("@NAME@.c", include_str!("../../../templates/c/module.c")),
    file("Makefile", include_str!("../../../templates/c/Makefile")),
    file("test.sh", include_str!("../../../templates/c/test.sh")),
];

static RUST: [Template; 5] = [
    file("Cargo.toml", include_str!("../../../templates/rust/manifest")),
    file("Cargo.lock", include_str!("../../../templates/rust/lock")),
    file("build.rs", include_str!("../../../templates/rust/build.rs")),
    file("src/lib.rs", include_str!("../../../templates/rust/module.rs")),
    file("tests/@IDENT@.rs", include_str!("../../../templates/rust/test.rs")),
];

/// The files of a module in a language.
pub fn of(language: Language) -> &'static [Template] {
    match language {
        Language::C => &C,
        Language::Rust => &RUST,
    }
}

/// What stands for a template's words.
pub struct Words<'a> {
    /// `@NAME@`: the module's name.
    pub name: &'a str,
    /// `@CRATE@`: the path of the crate `vload-module`.
    pub library: &'a str,
}

impl Words<'_> {
    /// A text of a template with its words replaced.
    pub fn put(&self, text: &str) -> String {
        // As C and Rust have it, where a name has no dash.
        let identifier = self.name.replace('-', "_");
        let text = text.replace("@NAME@", self.name).replace("@IDENT@", &identifier);
        text.replace("@CRATE@", &quoted(self.library))
    }

    /// The file's content.
    pub fn content(&self, template: &Template) -> Vec<u8> {
        self.put(template.text).into_bytes()
    }
}

/// A basic string of TOML.
fn quoted(text: &str) -> String {
    let mut quoted = String::from("\"");
    for character in text.chars() {
        if matches!(character, '"' | '\\') {
            quoted.push('\\');
        }
        quoted.push(character);
    }
    quoted.push('"');
    quoted
}
