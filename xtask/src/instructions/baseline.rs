//! The committed numbers: a file of lines, a heading for each compiler and a line for each case below it.

use crate::command::Failure;
use crate::tree::Tree;

/// Where they are.
pub const FILE: &str = "storage/benches/instructions.txt";

/// What stands at the top of the file.
const HEAD: &str = "# Instructions of each case of the benchmark `parts`, by compiler. Renewed by: cargo xtask bench count --renew\n";

/// How many instructions a case takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Count {
    pub case: String,
    pub instructions: u64,
}

/// The numbers of all compilers.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Baseline(Vec<(String, Vec<Count>)>);

impl Baseline {
    /// Reads the file; there are none where it is not there.
    pub fn read(tree: &Tree) -> Result<Self, Failure> {
        if !tree.at(FILE).is_file() {
            return Ok(Self::default());
        }
        let broken = |line: String| {
            Failure::new(format!("{FILE} has a line that is none of its own: {line}"), "restore it from git")
        };
        Self::parse(&tree.read(FILE)?).map_err(broken)
    }

    /// The numbers of a compiler.
    pub fn of(&self, compiler: &str) -> Option<&[Count]> {
        self.0.iter().find(|(known, _)| known == compiler).map(|(_, counts)| counts.as_slice())
    }

    /// Replaces those of a compiler.
    pub fn set(&mut self, compiler: String, counts: Vec<Count>) {
        self.0.retain(|(known, _)| *known != compiler);
        self.0.push((compiler, counts));
        self.0.sort_by(|one, other| one.0.cmp(&other.0));
    }

    /// Writes the file.
    pub fn write(&self, tree: &Tree) -> Result<(), Failure> {
        std::fs::write(tree.at(FILE), self.text())
            .map_err(|error| Failure::new(format!("cannot write {FILE}: {error}"), "make it writable"))
    }

    /// The file's lines, or the first that is no such line.
    fn parse(text: &str) -> Result<Self, String> {
        let mut baseline = Self::default();
        for line in text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
            if let Some(compiler) = line.strip_prefix('[').and_then(|line| line.strip_suffix(']')) {
                baseline.0.push((compiler.to_owned(), Vec::new()));
                continue;
            }
            let count = line.split_once(' ').and_then(|(case, number)| {
                Some(Count { case: case.to_owned(), instructions: number.parse().ok()? })
            });
            let (counts, count) = baseline.0.last_mut().zip(count).ok_or(line)?;
            counts.1.push(count);
        }
        Ok(baseline)
    }

    fn text(&self) -> String {
        let line = |Count { case, instructions }: &Count| format!("{case} {instructions}\n");
        let part = |(compiler, counts): &(String, Vec<Count>)| {
            format!("\n[{compiler}]\n{}", counts.iter().map(line).collect::<String>())
        };
        HEAD.to_owned() + &self.0.iter().map(part).collect::<String>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_again_and_compilers_are_kept_apart() {
        let count = |case: &str, instructions| Count { case: case.to_owned(), instructions };
        let mut baseline = Baseline::default();
        baseline.set("2".to_owned(), vec![count("a", 1), count("b", 2)]);
        baseline.set("1".to_owned(), vec![count("a", 3)]);
        let read = Baseline::parse(&baseline.text()).expect("our own text");
        assert_eq!(read, baseline);
        assert_eq!(read.of("1"), Some([count("a", 3)].as_slice()));
        assert_eq!(read.of("3"), None);
    }

    #[test]
    fn a_line_that_makes_no_sense_is_named() {
        assert_eq!(Baseline::parse("[1]\na 1\nb x\n"), Err("b x".to_owned()));
        assert_eq!(Baseline::parse("a 1\n"), Err("a 1".to_owned()));
    }
}
