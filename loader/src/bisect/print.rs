//! The two forms of what was found.

use alloc::string::String;

use runtime::abi;
use runtime::layer::modules;
use runtime::patch::Shape;
use runtime::process::OPTIONS;
use runtime::trial::{Place, Seen};

use super::{Bisection, Verdict, run};
use crate::message::Shown;
use crate::report::{Json, Out, Style};
use crate::vectors::string;

/// What would break a reader of the JSON text counts this up.
const SCHEMA: u64 = 1;

/// The word for it, and what it means.
fn meaning(verdict: Verdict) -> (&'static str, &'static str) {
    match verdict {
        Verdict::Same => ("same", "it does under vload what it does natively"),
        Verdict::Unsteady => (
            "unsteady",
            "two native runs differ; it must do the same each time, or be compared by its status alone (--status)",
        ),
        Verdict::Shape => ("shape", "it does not differ with traps there: a shape is at fault"),
        Verdict::Site => (
            "site",
            "it differs with traps there too, and not without the stubs: a stub is at fault, or what vload does with the call",
        ),
        Verdict::Layer => ("layer", "it does not differ without these layers"),
        Verdict::Watch => ("watch", "it does not differ with --watch=never"),
        Verdict::Cache => (
            "cache",
            "it does not differ with --no-cache: an image in the folder of the cache is damaged",
        ),
        Verdict::Rest => (
            "rest",
            "it is no layer, no shape and no site: it is how a program is started, or a call that vload must see",
        ),
        Verdict::Unclear => (
            "unclear",
            "the runs contradict one another: under vload it does not do the same each time",
        ),
    }
}

impl Bisection<'_, '_> {
    /// The path of a site's file; what there is no path for has none.
    fn path(&self, site: &Seen) -> &[u8] {
        let file = Place { vaddr: Place::FILE, ..site.place };
        let found = self.runner.files.iter().find(|known| known.0 == file);
        match found {
            Some((_, path)) => path,
            None if site.place.dev == runtime::text::VDSO => b"[vdso]",
            None => b"?",
        }
    }

    /// The layers of the smallest set.
    fn needed(&self) -> impl Iterator<Item = &'static [u8]> {
        let layers = self.layers;
        run::layers().enumerate().filter(move |(index, _)| layers >> index & 1 != 0).map(|at| at.1)
    }

    /// The command under vload, with the options that it was given; the rest of the line.
    fn command(&self, out: &mut Out) {
        let mut layer = 0;
        OPTIONS.each(|name, value| {
            if name == modules::OPTION.as_bytes() {
                layer += 1;
                if self.layers >> (layer - 1) & 1 == 0 {
                    return;
                }
            }
            let equals = if value.is_empty() { "" } else { "=" };
            out.put(format_args!(" --{}{equals}{}", Shown(name), Shown(value)));
        });
        out.put(format_args!(" --"));
        for &word in self.runner.argv {
            out.put(format_args!(" {}", Shown(string(word).to_bytes())));
        }
        out.put(format_args!("\n"));
    }
}

fn shape(site: &Seen) -> &'static str {
    Shape::from_raw(site.shape).map_or("?", Shape::name)
}

fn call(site: &Seen) -> &'static str {
    let number = site.number as usize;
    abi::Entry::native(number).call(number).map_or("?", abi::Call::name)
}

/// For a person.
pub fn text(verdict: Verdict, found: &Bisection<'_, '_>, out: &mut Out) {
    let (word, meaning) = meaning(verdict);
    let style = if verdict == Verdict::Same { Style::Good } else { Style::Bad };
    out.styled(style, format_args!("{word}"));
    out.put(format_args!(": {meaning} ({} runs)\n", found.runner.runs));
    let Some(difference) = found.difference else { return };
    out.put(format_args!("difference: {difference}\n"));
    if verdict == Verdict::Unsteady {
        return;
    }
    let layers = verdict == Verdict::Layer;
    for layer in found.needed().filter(|_| layers) {
        out.put(format_args!("layer: -m {}\n", Shown(layer)));
    }
    for site in &found.sites {
        let (path, vaddr) = (Shown(found.path(site)), site.place.vaddr);
        let (shape, call) = (shape(site), call(site));
        out.put(format_args!("site: {path}:{vaddr:#x}, shape {shape}, call {call}\n"));
    }
    out.put(format_args!("with it: vload"));
    found.command(out);
    if matches!(verdict, Verdict::Shape | Verdict::Site) {
        out.put(format_args!("without it: vload"));
        for site in &found.sites {
            let (path, vaddr) = (Shown(found.path(site)), site.place.vaddr);
            out.put(format_args!(" --skip {path}:{vaddr:#x}"));
        }
        found.command(out);
    }
    out.put(format_args!("Please report these lines; docs/debugging.md says what else helps.\n"));
}

/// For a program. The manual page describes it.
pub fn json(verdict: Verdict, found: &Bisection<'_, '_>, out: &mut String) {
    let mut json = Json::new(out);
    json.object(|json| {
        json.key("schema").number(SCHEMA);
        json.key("version").string(env!("CARGO_PKG_VERSION"));
        json.key("command").array(|json| {
            found.runner.argv.iter().for_each(|&at| json.bytes(string(at).to_bytes()));
        });
        json.key("verdict").string(meaning(verdict).0);
        json.key("runs").number(found.runner.runs.into());
        json.key("difference").optional(found.difference, |json, difference| {
            json.string(&alloc::format!("{difference}"));
        });
        json.key("layers").array(|json| {
            let layers = verdict == Verdict::Layer;
            found.needed().filter(|_| layers).for_each(|layer| json.bytes(layer));
        });
        json.key("sites").array(|json| {
            for site in &found.sites {
                json.object(|json| {
                    json.key("file").bytes(found.path(site));
                    json.key("address").address(site.place.vaddr);
                    json.key("shape").string(shape(site));
                    json.key("call").string(call(site));
                });
            }
        });
    });
    json.finish();
}
