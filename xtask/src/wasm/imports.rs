//! The import section of a WebAssembly module, as far as names go.

/// A thing that a module wants from outside.
#[derive(Debug, PartialEq, Eq)]
pub struct Import {
    /// Whom it asks.
    pub module: String,
    /// What for.
    pub name: String,
}

/// The first eight bytes of every module of version 1.
const HEAD: &[u8] = b"\0asm\x01\0\0\0";
/// The id of the section of imports.
const IMPORT_SECTION: u8 = 2;

/// The module's imports; `None` when the bytes are no module.
pub fn imports(module: &[u8]) -> Option<Vec<Import>> {
    let mut reader = Reader { rest: module.strip_prefix(HEAD)? };
    while !reader.rest.is_empty() {
        let id = reader.byte()?;
        let length = reader.number()?;
        let section = reader.take(length)?;
        if id == IMPORT_SECTION {
            let mut reader = Reader { rest: section };
            return (0..reader.number()?).map(|_| reader.import()).collect();
        }
    }
    Some(Vec::new())
}

struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    fn import(&mut self) -> Option<Import> {
        let import = Import { module: self.name()?, name: self.name()? };
        self.skip_kind()?;
        Some(import)
    }

    fn name(&mut self) -> Option<String> {
        let length = self.number()?;
        String::from_utf8(self.take(length)?.to_vec()).ok()
    }

    /// Function, table, memory, global, tag: each describes itself in its own way.
    fn skip_kind(&mut self) -> Option<()> {
        match self.byte()? {
            0 => self.number().map(drop),
            1 => self.byte().and_then(|_| self.skip_limits()),
            2 => self.skip_limits(),
            3 => self.take(2).map(drop),
            4 => self.byte().and_then(|_| self.number()).map(drop),
            _ => None,
        }
    }

    fn skip_limits(&mut self) -> Option<()> {
        let has_maximum = self.byte()? & 1 == 1;
        self.number()?;
        if has_maximum {
            self.number()?;
        }
        Some(())
    }

    /// LEB128, seven bits a byte, the low ones first.
    fn number(&mut self) -> Option<usize> {
        let mut value = 0_u64;
        for shift in (0..u64::BITS).step_by(7) {
            let byte = self.byte()?;
            value |= u64::from(byte & 0x7f).checked_shl(shift)?;
            if byte & 0x80 == 0 {
                return usize::try_from(value).ok();
            }
        }
        None
    }

    fn byte(&mut self) -> Option<u8> {
        self.take(1).map(|bytes| bytes[0])
    }

    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.rest.split_at_checked(length)?;
        self.rest = rest;
        Some(taken)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn module(section: &[u8]) -> Vec<u8> {
        let length = u8::try_from(section.len()).expect("the test's sections are short");
        [HEAD, &[0, 2, 9, 9, IMPORT_SECTION, length], section].concat()
    }

    #[test]
    fn reads_every_kind_of_import() {
        let section = b"\x05\x03env\x01f\0\x81\x01\x01a\x01t\x01\x70\x01\x01\x02\x01a\x01m\x02\0\x01\x01a\x01g\x03\x7f\0\x01a\x01x\x04\0\x05";
        let imports = imports(&module(section)).expect("the bytes are a module");
        let names: Vec<&str> = imports.iter().map(|import| import.name.as_str()).collect();
        assert_eq!(names, ["f", "t", "m", "g", "x"]);
        assert_eq!(imports[0].module, "env");
    }

    #[test]
    fn a_module_may_import_nothing_and_a_torn_one_is_none() {
        assert_eq!(imports(HEAD), Some(Vec::new()));
        assert_eq!(imports(&module(b"\x01\x03en")), None);
        assert_eq!(imports(b"\0elf"), None);
    }
}
