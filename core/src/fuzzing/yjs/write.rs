//! Writes Yjs v1 updates, right ones and wrong ones alike.

/// One position of one client's history.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Id {
    pub client: u64,
    pub clock: u32,
}

/// An update, as it will be written.
#[derive(Clone, Debug, Default)]
pub struct Draft {
    pub sections: Vec<Section>,
    pub deletions: Vec<(u64, Vec<(u32, u32)>)>,
    /// Added to the counts that are written, where they lie.
    pub lie: u64,
    /// What follows the end.
    pub rest: Vec<u8>,
}

/// The blocks of one client.
#[derive(Clone, Debug)]
pub struct Section {
    pub client: u64,
    pub clock: u32,
    pub blocks: Vec<Block>,
}

/// A run of operations.
#[derive(Clone, Debug)]
pub struct Block {
    /// Its first byte, which says what follows.
    pub info: u8,
    pub origin: Option<Id>,
    pub right_origin: Option<Id>,
    /// Written where there are no neighbours.
    pub parent: Parent,
    pub key: Option<String>,
    /// How many clocks it takes, as far as its content does not lie.
    pub len: u32,
    pub content: Vec<u8>,
}

/// What a block is inside of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Parent {
    Root(&'static str),
    Item(Id),
}

pub const HAS_ORIGIN: u8 = 0b1000_0000;
pub const HAS_RIGHT_ORIGIN: u8 = 0b0100_0000;
pub const HAS_KEY: u8 = 0b0010_0000;

/// What is left of content that was collected with its place.
pub const COLLECTED: u8 = 0;
/// Clocks that are left out.
pub const SKIPPED: u8 = 10;

impl Draft {
    /// The bytes.
    pub fn write(&self) -> Vec<u8> {
        let mut out = Vec::new();
        number(self.sections.len() as u64 + self.lie % 2, &mut out);
        for section in &self.sections {
            number(section.blocks.len() as u64 + self.lie / 2 % 2, &mut out);
            number(section.client, &mut out);
            number(section.clock.into(), &mut out);
            section.blocks.iter().for_each(|block| block.write(&mut out));
        }
        number(self.deletions.len() as u64 + self.lie / 4, &mut out);
        for (client, ranges) in &self.deletions {
            number(*client, &mut out);
            number(ranges.len() as u64, &mut out);
            for (start, len) in ranges {
                number((*start).into(), &mut out);
                number((*len).into(), &mut out);
            }
        }
        out.extend(&self.rest);
        out
    }
}

impl Block {
    fn write(&self, out: &mut Vec<u8>) {
        out.push(self.info);
        if self.info == COLLECTED || self.info == SKIPPED {
            return number(self.len.into(), out);
        }
        let neighbours = [(HAS_ORIGIN, self.origin), (HAS_RIGHT_ORIGIN, self.right_origin)];
        for (flag, neighbour) in neighbours {
            if let (true, Some(neighbour)) = (self.info & flag != 0, neighbour) {
                id(neighbour, out);
            }
        }
        if self.info & (HAS_ORIGIN | HAS_RIGHT_ORIGIN) == 0 {
            self.write_parent(out);
        }
        out.extend(&self.content);
    }

    fn write_parent(&self, out: &mut Vec<u8>) {
        match &self.parent {
            Parent::Root(name) => {
                number(1, out);
                text(name, out);
            }
            Parent::Item(parent) => {
                number(0, out);
                id(*parent, out);
            }
        }
        if let (true, Some(key)) = (self.info & HAS_KEY != 0, &self.key) {
            text(key, out);
        }
    }
}

fn id(id: Id, out: &mut Vec<u8>) {
    number(id.client, out);
    number(id.clock.into(), out);
}

/// A number in seven bits a byte.
pub fn number(mut number: u64, out: &mut Vec<u8>) {
    while number >= 0x80 {
        out.push(u8::try_from(number & 0x7f).unwrap_or(0) | 0x80);
        number >>= 7;
    }
    out.push(u8::try_from(number).unwrap_or(0));
}

/// A string behind its length.
pub fn text(text: &str, out: &mut Vec<u8>) {
    buffer(text.as_bytes(), out);
}

/// Bytes behind their length.
pub fn buffer(bytes: &[u8], out: &mut Vec<u8>) {
    number(bytes.len() as u64, out);
    out.extend(bytes);
}
