//! A smallest set of parts that makes the command differ.

use alloc::vec::Vec;

/// What it takes more parts than that to show is not looked for.
const MOST: usize = 4;

/// Which parts a run has, by their indexes.
pub type Parts<'a> = &'a dyn Fn(usize) -> bool;

/// A smallest set of the `count` parts for which `differs` holds, which does for all of them and does not
/// for none. Each part found takes as many runs as halving the weights takes, and one more to see
/// whether it is enough. `None` when the runs contradict one another.
pub fn smallest(
    count: usize,
    weight: &dyn Fn(usize) -> u64,
    differs: &mut dyn FnMut(Parts<'_>) -> bool,
) -> Option<Vec<usize>> {
    let mut found: Vec<usize> = Vec::new();
    // With `found`, the first `end` parts are known to make it differ.
    let mut end = count;
    while end > 0 && found.len() < MOST {
        let mut start = 0;
        while end - start > 1 {
            let middle = half(start, end, weight);
            if differs(&|part| part < middle || found.contains(&part)) {
                end = middle;
            } else {
                start = middle;
            }
        }
        end -= 1;
        found.push(end);
        if count == found.len() || differs(&|part| found.contains(&part)) {
            return Some(found);
        }
        // It takes more than that. That all before suffice together is seen again.
        if !differs(&|part| part < end || found.contains(&part)) {
            return None;
        }
    }
    None
}

/// Where the weights from `start` to `end` are parted into halves as alike as can be, both not empty.
fn half(start: usize, end: usize, weight: &dyn Fn(usize) -> u64) -> usize {
    let total: u64 = (start..end).map(weight).sum();
    let (mut best, mut least, mut sum) = (start + 1, u64::MAX, 0);
    for middle in start + 1..end {
        sum += weight(middle - 1);
        let apart = total.abs_diff(sum * 2);
        if apart < least {
            (best, least) = (middle, apart);
        }
    }
    best
}
