//! Colours: the palettes of Vega by name, and what may stand in a picture as a colour.

use super::node::Node;
use super::undrawable::Undrawable;

/// What marks have where nothing gives them another.
pub const DEFAULT: &str = "#4c78a8";

/// Colours for names, in the order in which they are given out.
const PALETTES: [(&str, &str); 6] = [
    ("category10", "1f77b4ff7f0e2ca02cd627289467bd8c564be377c27f7f7fbcbd2217becf"),
    (
        "category20",
        "1f77b4aec7e8ff7f0effbb782ca02c98df8ad62728ff98969467bdc5b0d58c564bc49c94e377c2f7b6d27f7f7f\
         c7c7c7bcbd22dbdb8d17becf9edae5",
    ),
    (
        "category20b",
        "393b795254a36b6ecf9c9ede6379398ca252b5cf6bcedb9c8c6d31bd9e39e7ba52e7cb94843c39ad494ad6616b\
         e7969c7b4173a55194ce6dbdde9ed6",
    ),
    (
        "category20c",
        "3182bd6baed69ecae1c6dbefe6550dfd8d3cfdae6bfdd0a231a35474c476a1d99bc7e9c0756bb19e9ac8bcbddc\
         dadaeb636363969696bdbdbdd9d9d9",
    ),
    ("tableau10", "4c78a8f58518e4575672b7b254a24beeca3bb279a2ff9da69d755dbab0ac"),
    (
        "tableau20",
        "4c78a89ecae9f58518ffbf7954a24b88d27ab79a20f2cf5b43989483bcb6e45756ff9d9879706ebab0acd67195\
         fcbfd2b279a2d6a5c99e765fd8b5a5",
    ),
];

/// Colours for numbers, between which others are mixed.
const RAMPS: [(&str, &str); 18] = [
    ("blues", "cfe1f2bed8eca8cee58fc1de74b2d75ba3cf4592c63181bd206fb2125ca40a4a90"),
    ("greens", "d3eecdc0e6baabdda594d3917bc77d60ba6c46ab5e329a512089430e7735036429"),
    ("greys", "e2e2e2d4d4d4c4c4c4b1b1b19d9d9d8888887575756262624d4d4d3535351e1e1e"),
    ("oranges", "fdd8b3fdc998fdb87bfda55efc9244f87f2cf06b18e4580bd14904b93d029f3303"),
    ("purples", "e2e1efd4d4e8c4c5e0b4b3d6a3a0cc928ec3827cb97566ae684ea25c3696501f8c"),
    ("reds", "fdc9b4fcb49afc9e80fc8767fa7051f6573fec3f2fdc2a25c81b1db21218970b13"),
    ("blueorange", "134b852f78b35da2cb9dcae1d2e5eff2f0ebfce0bafbbf74e8932fc5690d994a07"),
    ("redblue", "8c0d25bf363adf745ef4ae91fbdbc9f2efeed2e5ef9dcae15da2cb2f78b3134b85"),
    ("redyellowblue", "a50026d4322cf16e43fcac64fedd90faf8c1dcf1ecabd6e875abd04a74b4313695"),
    ("redyellowgreen", "a50026d4322cf16e43fcac63fedd8df9f7aed7ee8ea4d86e64bc6122964f006837"),
    ("spectral", "9e0142d13c4bf0704afcac63fedd8dfbf8b0e0f3a1a9dda269bda94288b55e4fa2"),
    ("yellowgreenblue", "eff9bddbf1b4bde5b594d5b969c5be45b4c22c9ec02182b82163aa23479c1c3185"),
    ("yelloworangered", "fee087fed16ffebd59fea849fd903efc7335f9522bee3423de1b20ca0b22af0225"),
    (
        "viridis",
        "440154470e61481a6c482575472f7d443a834144873d4e8a39568c35608d31688e2d708e2a788e27818e23888e\
         21918d1f988b1fa08822a8842ab07f35b77943bf7154c56866cc5d7ad1518fd744a5db36bcdf27d2e21be9e51a\
         fde725",
    ),
    (
        "magma",
        "0000040404130b0924150e3720114b2c11603b0f704a107957157e651a80721f817f24828c29819a2e80a8327d\
         b6377ac43c75d1426fde4968e95462f1605df76f5cfa7f5efc8f65fe9f6dfeaf78febf84fece91fddea0fcedaf\
         fcfdbf",
    ),
    (
        "inferno",
        "0000040403130c0826170c3b240c4f330a5f420a68500d6c5d126e6b176e781c6d86216b932667a12b62ae305c\
         bb3755c73e4cd24644dd513ae65c30ed6925f3771af8850ffb9506fca50afcb519fac62df6d645f2e661f3f484\
         fcffa4",
    ),
    (
        "plasma",
        "0d088723069033059742039d5002a25d01a66a00a87801a88405a7900da49c179ea72198b12a90ba3488c33d80\
         cb4779d35171da5a69e16462e76e5bed7953f2834cf68f44fa9a3dfca636fdb32ffec029fcce25f9dc24f5ea27\
         f0f921",
    ),
    (
        "turbo",
        "23171b32204a3e2a71453493493eae4b49c54a53d7485ee44569ee4074f53c7ff8378af93295f72e9ff42ba9ef\
         28b3e926bce125c5d925cdcf27d5c629dcbc2de3b232e9a738ee9d3ff39347f68950f9805afc7765fd6e70fe66\
         7cfd5e88fc5795fb51a1f84badf545b9f140c5ec3cd0e637dae034e4d931ecd12ef4c92bfac029ffb626ffad24\
         ffa223ff9821ff8d1fff821dff771cfd6c1af76118f05616e84b14df4111d5380fcb2f0dc0260ab61f07ac1805\
         a313029b0f00950c00910b00",
    ),
];

/// Names of colours that can be mixed with others.
const NAMES: [(&str, u32); 20] = [
    ("black", 0x00_0000),
    ("blue", 0x00_00ff),
    ("brown", 0xa5_2a2a),
    ("cyan", 0x00_ffff),
    ("darkblue", 0x00_008b),
    ("darkgreen", 0x00_6400),
    ("darkred", 0x8b_0000),
    ("gray", 0x80_8080),
    ("green", 0x00_8000),
    ("grey", 0x80_8080),
    ("lightgray", 0xd3_d3d3),
    ("lightgrey", 0xd3_d3d3),
    ("magenta", 0xff_00ff),
    ("navy", 0x00_0080),
    ("orange", 0xff_a500),
    ("purple", 0x80_0080),
    ("red", 0xff_0000),
    ("steelblue", 0x46_82b4),
    ("white", 0xff_ffff),
    ("yellow", 0xff_ff00),
];

/// A colour of red, green and blue.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rgb([f64; 3]);

impl Rgb {
    const fn from_bits(bits: u32) -> Self {
        let [_, red, green, blue] = bits.to_be_bytes();
        Self([red as f64, green as f64, blue as f64])
    }

    /// Reads `#rgb`, `#rrggbb` or a common name.
    pub fn parse(colour: &str) -> Option<Self> {
        let named = NAMES.iter().find(|(name, _)| name.eq_ignore_ascii_case(colour));
        if let Some((_, bits)) = named {
            return Some(Self::from_bits(*bits));
        }
        let digits =
            colour.strip_prefix('#').filter(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()))?;
        let bits = u32::from_str_radix(digits, 16).ok()?;
        match digits.len() {
            3 => Some(Self::from_bits(((bits & 0xf00) << 8 | (bits & 0xf0) << 4 | bits & 0xf) * 0x11)),
            6 => Some(Self::from_bits(bits)),
            _ => None,
        }
    }

    /// As it is written in a picture.
    pub fn write(&self) -> String {
        let [red, green, blue] = self.0.map(|part| part.round().clamp(0.0, 255.0) as u8);
        format!("#{red:02x}{green:02x}{blue:02x}")
    }
}

/// Colours from one to another, by way of those between.
#[derive(Clone, Debug, PartialEq)]
pub struct Ramp(Vec<Rgb>);

impl Ramp {
    /// Of these colours; of none, black.
    pub fn new(mut colours: Vec<Rgb>) -> Self {
        if colours.is_empty() {
            colours.push(Rgb::from_bits(0));
        }
        Self(colours)
    }

    /// By its name, in whatever case.
    pub fn named(name: &str) -> Option<Self> {
        let name = name.to_ascii_lowercase();
        let (_, colours) = RAMPS.iter().find(|(known, _)| *known == name)?;
        Some(Self::new(split(colours).filter_map(|colour| Rgb::parse(&colour)).collect()))
    }

    /// The colour at a fraction of the way.
    pub fn at(&self, fraction: f64) -> String {
        let last = self.0.len() - 1;
        let way = fraction.clamp(0.0, 1.0) * last as f64;
        let before = (way.floor() as usize).min(last);
        let (from, to) = (self.0[before].0, self.0[(before + 1).min(last)].0);
        let mixed = |part: usize| from[part] + (to[part] - from[part]) * (way - before as f64);
        Rgb([mixed(0), mixed(1), mixed(2)]).write()
    }

    /// So many colours apart, none of them at an end.
    pub fn parts(&self, count: usize) -> Vec<String> {
        (1..=count).map(|part| self.at(part as f64 / (count + 1) as f64)).collect()
    }
}

/// A palette by its name, in whatever case.
pub fn palette(name: &str) -> Option<Vec<String>> {
    let name = name.to_ascii_lowercase();
    let found = PALETTES.iter().find(|(known, _)| *known == name);
    found.map(|(_, colours)| split(colours).collect())
}

fn split(colours: &'static str) -> impl Iterator<Item = String> {
    (0..colours.len() / 6).map(|at| format!("#{}", &colours[at * 6..at * 6 + 6]))
}

/// A colour of a specification. What could be anything but a colour, such as a reference to something elsewhere, is none.
pub fn read(node: &Node<'_>) -> Result<String, Undrawable> {
    if node.json.get("gradient").is_some() {
        return Err(node.unsupported("a gradient"));
    }
    let colour = node.string()?;
    if is_colour(colour) {
        return Ok(colour.to_owned());
    }
    Err(node.malformed(format!("{colour:?} is no colour")))
}

/// `#` and digits, a name, or a function such as `rgb` with numbers.
pub fn is_colour(colour: &str) -> bool {
    if let Some(digits) = colour.strip_prefix('#') {
        return [3, 4, 6, 8].contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    }
    if let Some((function, numbers)) = colour.split_once('(') {
        let plain = |byte: u8| byte.is_ascii_digit() || b" ,.%/+-".contains(&byte);
        let known = ["rgb", "rgba", "hsl", "hsla"].contains(&function);
        return known && numbers.strip_suffix(')').is_some_and(|numbers| numbers.bytes().all(plain));
    }
    (3..=24).contains(&colour.len()) && colour.bytes().all(|byte| byte.is_ascii_alphabetic())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_palette_and_ramp_is_made_of_colours() {
        for (name, _) in PALETTES {
            assert!(
                palette(name).is_some_and(
                    |colours| colours.len() >= 10 && colours.iter().all(|colour| is_colour(colour))
                )
            );
        }
        for (name, colours) in RAMPS {
            assert_eq!(Ramp::named(name).map(|ramp| ramp.0.len()), Some(colours.len() / 6), "{name}");
        }
    }

    #[test]
    fn a_ramp_mixes_neighbours() {
        let ramp = Ramp::new(["black", "#fff"].iter().filter_map(|colour| Rgb::parse(colour)).collect());
        assert_eq!([ramp.at(-1.0), ramp.at(0.5), ramp.at(2.0)], ["#000000", "#808080", "#ffffff"]);
        assert_eq!(ramp.parts(1), ["#808080"]);
    }

    #[test]
    fn nothing_but_a_colour_is_a_colour() {
        for colour in ["#4c78a8", "steelblue", "rgb(1, 2, 3)", "rgba(0,0,0,0.5)", "#fff"] {
            assert!(is_colour(colour), "{colour}");
        }
        for other in ["", "url(#a)", "url(http://example.org/a)", "red\" onload=\"", "#12", "rgb(url(a))"] {
            assert!(!is_colour(other), "{other}");
        }
    }
}
