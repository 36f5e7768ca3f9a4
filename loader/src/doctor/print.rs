//! The two forms of what was found.

use alloc::string::String;

use runtime::abi::Table;

use super::{Line, State};
use crate::report::{Json, Out, Style};

/// What would break a reader of the JSON text counts this up.
const SCHEMA: u64 = 1;

fn word(state: State) -> &'static str {
    match state {
        State::Good => "ok",
        State::Limited => "limited",
        State::Missing => "missing",
    }
}

/// A line for each.
pub fn text(lines: &[Line], out: &mut Out) {
    for line in lines {
        let style = match line.state {
            State::Good => Style::Good,
            State::Limited => Style::Doubtful,
            State::Missing => Style::Bad,
        };
        out.styled(style, format_args!("{:<8}", word(line.state)));
        out.styled(Style::Bold, format_args!("{}", line.name));
        out.put(format_args!(": {}", line.found));
        if line.state != State::Good {
            out.put(format_args!(": {}; to change it: {}", line.means, line.fix));
        }
        out.put(format_args!("\n"));
    }
}

/// The same for a program.
pub fn json(lines: &[Line], status: i32, out: &mut String) {
    let mut json = Json::new(out);
    json.object(|json| {
        json.key("schema").number(SCHEMA);
        json.key("version").string(env!("CARGO_PKG_VERSION"));
        json.key("machine").string(Table::NATIVE.name());
        json.key("probes").array(|json| {
            for line in lines {
                json.object(|json| one(json, line));
            }
        });
        json.key("status").number(status as u64);
    });
    json.finish();
}

fn one(json: &mut Json<'_>, line: &Line) {
    json.key("name").string(line.name);
    json.key("state").string(word(line.state));
    json.key("found").string(&line.found);
    let bad = (line.state != State::Good).then_some(line);
    json.key("means").optional(bad, |json, line| json.string(line.means));
    json.key("fix").optional(bad, |json, line| json.string(line.fix));
}
