//! How wide a text is, which nobody can know who does not choose the font: as wide as in Helvetica or Arial.

/// Widths of the printable ASCII characters in thousandths of the font's size.
const WIDTHS: [u16; 95] = [
    278, 278, 355, 556, 556, 889, 667, 191, 333, 333, 389, 584, 278, 333, 278, 278, 556, 556, 556, 556, 556,
    556, 556, 556, 556, 556, 278, 278, 584, 584, 584, 556, 1015, 667, 667, 722, 722, 667, 611, 778, 722, 278,
    500, 667, 556, 833, 722, 778, 667, 778, 722, 667, 611, 722, 667, 944, 667, 667, 611, 278, 278, 278, 469,
    556, 333, 556, 556, 500, 556, 556, 278, 556, 556, 222, 222, 500, 222, 833, 556, 556, 556, 556, 333, 500,
    278, 556, 500, 722, 500, 500, 500, 334, 260, 334, 584,
];

/// How much wider letters may be where neither font is there.
const OTHER_FONTS: f64 = 1.12;

/// How much wider bold letters are.
const BOLD: f64 = 1.06;

/// The width of a text.
pub fn width(text: &str, size: f64) -> f64 {
    text.chars().map(thousandths).map(f64::from).sum::<f64>() * size / 1000.0 * OTHER_FONTS
}

/// The width of a text in bold letters.
pub fn bold_width(text: &str, size: f64) -> f64 {
    width(text, size) * BOLD
}

fn thousandths(character: char) -> u16 {
    match character as usize {
        code @ 0x20..=0x7e => WIDTHS[code - 0x20],
        // Marks that stand on the letter before, and what joins.
        0..0x20 | 0x300..=0x36f | 0x200b..=0x200f | 0xfe00..=0xfe0f => 0,
        // The scripts of East Asia and emoji fill a square.
        0x1100..=0x115f | 0x2e80..=0xd7a3 | 0xf900..=0xfaff | 0xff00..=0xff60 | 0x1f000.. => 1000,
        _ => 580,
    }
}

/// The text if it is no wider than that, else its beginning and an ellipsis.
pub fn shortened(text: &str, size: f64, widest: f64) -> String {
    if width(text, size) <= widest {
        return text.to_owned();
    }
    let room = widest - width("…", size);
    let mut used = 0.0;
    let fits = |character: &char| {
        used += width(character.encode_utf8(&mut [0; 4]), size);
        used <= room
    };
    let beginning: String = text.chars().take_while(fits).collect();
    format!("{}…", beginning.trim_end())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_text_ends_in_an_ellipsis_and_fits() {
        let long = "a label of some length, 漢字 and more";
        let short = shortened(long, 10.0, 60.0);
        assert!(short.ends_with('…') && width(&short, 10.0) <= 60.0, "{short}");
        assert_eq!(shortened("short", 10.0, 60.0), "short");
    }
}
