//! What is run, suite by suite.

mod calls;
mod check;
mod confined;
mod counts;
mod edges;
mod exec;
mod i686;
mod identity;
mod options;
mod programs;
mod servers;
mod signals;
mod stack;
mod trace;

use crate::case::Case;

/// Every case.
pub fn all() -> Vec<Case> {
    let suites: [fn() -> Vec<Case>; 14] = [
        stack::cases,
        identity::cases,
        calls::cases,
        signals::cases,
        edges::cases,
        exec::cases,
        i686::cases,
        confined::cases,
        counts::cases,
        options::cases,
        check::cases,
        trace::cases,
        programs::cases,
        servers::cases,
    ];
    suites.into_iter().flat_map(|suite| suite()).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    #[test]
    fn every_name_is_there_once() {
        let cases = super::all();
        let names: HashSet<_> = cases.iter().map(|case| &case.name).collect();
        assert_eq!(names.len(), cases.len());
        assert!(cases.iter().all(|case| case.name.contains('/')), "a name has a suite");
    }
}
