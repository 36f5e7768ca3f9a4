//! `vload lsmod`.

use alloc::string::String;
use alloc::vec::Vec;
use core::ffi::CStr;
use core::fmt::{self, Write};

use runtime::arch;
use runtime::layer::raw::Wants;
use runtime::layer::{modules, refresh};
use runtime::module::control::{self, Listed};
use runtime::session;
use runtime::sys::{self, Result};
use vload_module::abi::SERVICE;

use super::verbs::FAILED;
use crate::message::fail;
use crate::report::Json;

/// All layers that this process has, oldest first.
pub fn layers() -> Result<Vec<Listed>> {
    let mut layers = loaded()?;
    layers.extend((0..).map_while(of_options).flatten());
    layers.sort_unstable_by_key(|layer| layer.epoch);
    Ok(layers)
}

/// What the `-m` at a place that the session began with has put there, where that is part of vload. `None`: there is no such `-m`.
fn of_options(place: usize) -> Option<Option<Listed>> {
    let mut text = [0u8; 4096];
    let room = [place, text.as_mut_ptr() as usize, text.len()];
    let since = control::ask(control::OPTION, room).ok()?;
    let found = CStr::from_bytes_until_nul(&text).ok().map(|text| modules::find(text.to_bytes()));
    let Some(Ok((raw, spec))) = found else { return Some(None) };
    let mut listed = Listed {
        epoch: session::epoch_of(place + 1),
        since: since as u64,
        kind: refresh::BUILT_IN,
        view: session::ROOT.0,
        users: 0,
        claims: match raw.wants {
            Wants::Every => u32::MAX,
            Wants::Numbers(numbers) => numbers.len() as u32,
        },
        keeps: 0,
        name: [0; 32],
        description: [0; 128],
        arguments: [0; 128],
    };
    control::put(&mut listed.name, raw.name.as_bytes());
    control::put(&mut listed.description, raw.description.as_bytes());
    control::put(&mut listed.arguments, spec.text());
    Some(Some(listed))
}

fn loaded() -> Result<Vec<Listed>> {
    let mut listed: Vec<Listed> = Vec::new();
    loop {
        let most = listed.capacity();
        let count = control::ask(control::LSMOD, [listed.as_mut_ptr() as usize, most, 0])?;
        if count <= most {
            // SAFETY: as many have been written.
            unsafe { listed.set_len(count) };
            return Ok(listed);
        }
        listed.reserve(count);
    }
}

/// Prints the layers, and ends.
pub fn list(json: bool) -> ! {
    let layers = match layers() {
        Ok(layers) => layers,
        Err(error) => fail(FAILED, format_args!("lsmod: {}", error.text())),
    };
    let now = sys::now().unwrap_or(0) as u64 / 1_000_000_000;
    let mut out = String::new();
    if json {
        let mut json = Json::new(&mut out);
        json.array(|json| {
            layers.iter().for_each(|layer| json.object(|json| one(json, layer, now)))
        });
        json.finish();
    } else {
        out.push_str("NAME              AGE USERS CLAIMS DESCRIPTION\n");
        for layer in &layers {
            let _ = writeln!(
                out,
                "{:16} {:4} {:5} {:>6} {}",
                text(&layer.name),
                Age(now.saturating_sub(layer.since)),
                layer.users,
                Claims(layer.claims),
                text(&layer.description),
            );
        }
    }
    let shown = sys::write_all(1, out.as_bytes());
    sys::exit(i32::from(shown.is_err()))
}

fn one(json: &mut Json<'_>, layer: &Listed, now: u64) {
    json.key("name").string(text(&layer.name));
    json.key("arguments").string(text(&layer.arguments));
    json.key("description").string(text(&layer.description));
    json.key("kind").string(if layer.kind == SERVICE { "service" } else { "raw" });
    json.key("age").number(now.saturating_sub(layer.since));
    json.key("epoch").number(layer.epoch);
    json.key("view").number(u64::from(layer.view));
    json.key("users").number(u64::from(layer.users));
    let some = (layer.claims != u32::MAX).then_some(layer.claims);
    json.key("keeps").array(|json| {
        let bits = (0..u64::BITS).filter(|bit| layer.keeps >> bit & 1 != 0);
        bits.for_each(|bit| json.string(arch::component(bit)));
    });
    json.key("claims").optional(some, |json, claims| json.number(u64::from(claims)));
}

/// What stands before the zeros.
pub fn text(bytes: &[u8]) -> &str {
    let text = CStr::from_bytes_until_nul(bytes).map_or(&b""[..], CStr::to_bytes);
    text.utf8_chunks().next().map_or("", |chunk| chunk.valid())
}

/// Seconds as a person says them.
struct Age(u64);

impl fmt::Display for Age {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (number, unit) = match self.0 {
            seconds @ ..60 => (seconds, 's'),
            seconds @ ..3600 => (seconds / 60, 'm'),
            seconds @ ..86400 => (seconds / 3600, 'h'),
            seconds => (seconds / 86400, 'd'),
        };
        write!(f, "{number:3}{unit}")
    }
}

/// How many there are, or that there is no end of them.
struct Claims(u32);

impl fmt::Display for Claims {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            u32::MAX => f.pad("all"),
            claims => claims.fmt(f),
        }
    }
}
