//! Seeds of what has failed.

/// Something that is being played. Where it fails, its seed is printed.
pub struct Named {
    /// What it is.
    pub what: String,
    /// Which part of `cargo xtask clients` repeats it.
    pub part: &'static str,
    /// Its seed.
    pub seed: u64,
}

impl Drop for Named {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let Self { what, part, seed } = self;
            println!(
                "FAILED: {what} with seed {seed}; `cargo xtask clients --{part} 1 --seed {seed}` repeats it"
            );
        }
    }
}
