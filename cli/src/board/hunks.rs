//! What differs between two texts, in as many places as it differs in.

/// Most steps that are spent on finding them; beyond it everything between the first and the last difference is one.
const MAX_MATCHING_STEPS: usize = 4_000_000;

/// One place where a text differs from another one. Counted in code points.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hunk {
    /// Where in the first text.
    pub at: usize,
    /// How much of it is gone.
    pub delete: usize,
    /// What is there instead.
    pub insert: String,
}

/// What turns one text into another, from the start to the end.
#[must_use]
pub fn hunks(before: &str, after: &str) -> Vec<Hunk> {
    let (before, after): (Vec<char>, Vec<char>) = (before.chars().collect(), after.chars().collect());
    let alike = |(one, other): &(&char, &char)| one == other;
    let start = before.iter().zip(&after).take_while(alike).count();
    let (old, new) = (&before[start..], &after[start..]);
    let end = old.iter().rev().zip(new.iter().rev()).take_while(alike).count();
    let (old, new) = (&old[..old.len() - end], &new[..new.len() - end]);
    let kept = match old.len().saturating_mul(new.len()) {
        0 => Vec::new(),
        steps if steps > MAX_MATCHING_STEPS => Vec::new(),
        _ => common(old, new),
    };
    between(start, old, new, &kept)
}

/// Pairs of places at which the texts are alike: a longest common subsequence.
fn common(old: &[char], new: &[char]) -> Vec<(usize, usize)> {
    let columns = new.len() + 1;
    // The length of the longest one of what is left from here on.
    let mut longest = vec![0_u32; (old.len() + 1) * columns];
    for i in (0..old.len()).rev() {
        for j in (0..new.len()).rev() {
            longest[i * columns + j] = match old[i] == new[j] {
                true => longest[(i + 1) * columns + j + 1] + 1,
                false => longest[(i + 1) * columns + j].max(longest[i * columns + j + 1]),
            };
        }
    }
    let (mut i, mut j, mut pairs) = (0, 0, Vec::new());
    while i < old.len() && j < new.len() {
        if old[i] == new[j] {
            pairs.push((i, j));
            (i, j) = (i + 1, j + 1);
        } else if longest[(i + 1) * columns + j] >= longest[i * columns + j + 1] {
            i += 1;
        } else {
            j += 1;
        }
    }
    pairs
}

/// What lies between the pairs.
fn between(start: usize, old: &[char], new: &[char], kept: &[(usize, usize)]) -> Vec<Hunk> {
    let (mut i, mut j, mut hunks) = (0, 0, Vec::new());
    for &(kept_i, kept_j) in kept.iter().chain([&(old.len(), new.len())]) {
        if kept_i > i || kept_j > j {
            hunks.push(Hunk { at: start + i, delete: kept_i - i, insert: new[j..kept_j].iter().collect() });
        }
        (i, j) = (kept_i + 1, kept_j + 1);
    }
    hunks
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_place_that_differs_is_found() {
        let found = hunks("milk\nbread\neggs", "oat milk\nbread\n3 eggs");
        let hunk = |at, insert: &str| Hunk { at, delete: 0, insert: insert.to_owned() };
        assert_eq!(found, [hunk(0, "oat "), hunk(11, "3 ")]);
        assert_eq!(hunks("same", "same"), []);
        assert_eq!(hunks("ab", ""), [Hunk { at: 0, delete: 2, insert: String::new() }]);
    }

    #[test]
    fn long_texts_without_likeness_are_one_difference() {
        let (before, after) = ("a".repeat(3_000), "b".repeat(3_000));
        assert_eq!(hunks(&before, &after), [Hunk { at: 0, delete: 3_000, insert: after.clone() }]);
    }
}
