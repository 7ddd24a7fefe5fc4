//! How a character that is not ASCII reads to a person, and to a model.
//!
//! Compatibility forms are those of Unicode's NFKC that stand for one ASCII character; look-alikes are the letters of Unicode's
//! confusables (UTS #39) of Cyrillic, Greek, Armenian, Cherokee and Latin itself that are the same in common fonts.

use std::sync::LazyLock;

/// What a character reads as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reading {
    /// As what it is.
    Itself,
    /// It can't be seen.
    Nothing,
    /// As this one, whatever stands around it: full-width and mathematical letters.
    Same(char),
    /// As this one, if letters around it are ASCII: another script's letter.
    Alike(char),
}

/// How a character reads.
pub fn read(char: char) -> Reading {
    if char.is_ascii() {
        return Reading::Itself;
    }
    let code = u32::from(char);
    let of_row = |first: u8, index: u32| Reading::Same(char::from(first + index as u8));
    if INVISIBLE
        .iter()
        .any(|&(first, last)| (first..=last).contains(&char))
    {
        return Reading::Nothing;
    }
    if let Some(&(first, _, reads)) = ROWS
        .iter()
        .find(|(first, last, _)| (*first..=*last).contains(&char))
    {
        return of_row(reads as u8, code - u32::from(first));
    }
    match code {
        // Thirteen alphabets of capital and small letters, then five rows of digits.
        0x1d400..0x1d6a4 if (code - 0x1d400) % 52 < 26 => of_row(b'A', (code - 0x1d400) % 52),
        0x1d400..0x1d6a4 => of_row(b'a', (code - 0x1d400) % 52 - 26),
        0x1d7ce..0x1d800 => of_row(b'0', (code - 0x1d7ce) % 10),
        _ => match SINGLES.binary_search_by_key(&char, |&(single, _)| single) {
            Ok(index) => SINGLES[index].1,
            Err(_) => Reading::Itself,
        },
    }
}

/// [`FORMS`] and [`LETTERS`], to be looked up.
static SINGLES: LazyLock<Vec<(char, Reading)>> = LazyLock::new(|| {
    let pairs = |[forms, plain]: [&'static str; 2]| forms.chars().zip(plain.chars());
    let forms = pairs(FORMS).map(|(form, plain)| (form, Reading::Same(plain)));
    let letters = pairs(LETTERS).map(|(letter, plain)| (letter, Reading::Alike(plain)));
    let mut all: Vec<_> = forms.chain(letters).collect();
    all.sort_unstable_by_key(|&(single, _)| single);
    all
});

/// First bytes, in UTF-8, of every character that does not read as itself.
pub const LEADS: [u8; 19] = [
    0xc2, 0xc9, 0xca, 0xcd, 0xce, 0xcf, 0xd0, 0xd1, 0xd2, 0xd3, 0xd4, 0xd5, 0xd6, 0xd8, 0xe1, 0xe2,
    0xef, 0xf0, 0xf3,
];

/// Characters that can't be seen: Unicode's default ignorables.
const INVISIBLE: [(char, char); 11] = [
    ('\u{ad}', '\u{ad}'),
    ('\u{34f}', '\u{34f}'),
    ('\u{61c}', '\u{61c}'),
    ('\u{115f}', '\u{1160}'),
    ('\u{17b4}', '\u{17b5}'),
    ('\u{180b}', '\u{180f}'),
    ('\u{200b}', '\u{200f}'),
    ('\u{202a}', '\u{202e}'),
    ('\u{2060}', '\u{206f}'),
    ('\u{fe00}', '\u{fe0f}'),
    ('\u{e0000}', '\u{e0fff}'),
];

/// Alphabets and digits in a row: the first of them, the last, and what the first reads as.
const ROWS: [(char, char, char); 14] = [
    ('\u{ff01}', '\u{ff5e}', '!'),
    ('\u{2460}', '\u{2468}', '1'),
    ('\u{2474}', '\u{247c}', '1'),
    ('\u{249c}', '\u{24b5}', 'a'),
    ('\u{24b6}', '\u{24cf}', 'A'),
    ('\u{24d0}', '\u{24e9}', 'a'),
    ('\u{2074}', '\u{2079}', '4'),
    ('\u{2080}', '\u{2089}', '0'),
    ('\u{2776}', '\u{277e}', '1'),
    ('\u{1f110}', '\u{1f129}', 'A'),
    ('\u{1f130}', '\u{1f149}', 'A'),
    ('\u{1f150}', '\u{1f169}', 'A'),
    ('\u{1f170}', '\u{1f189}', 'A'),
    ('\u{1fbf0}', '\u{1fbf9}', '0'),
];

/// Single characters, each over the one that it reads as.
const FORMS: [&str; 2] = [
    "\u{a0}\u{2002}\u{2003}\u{2007}\u{2009}\u{202f}‐‑‒–—―−²³¹⁰⁄∕․﹒﹕﹣﹫ℊℋℌℍℎℐℑℒℓℕℙℚℛℜℝℤℨℬℭℯℰℱℳℴℹⅅⅆⅇⅈⅉ⓪ⅠⅤⅩⅬⅭⅮⅯⅰⅴⅹⅼⅽⅾⅿ",
    "      -------2310//..:-@gHHHhIILlNPQRRRZZBCeEFMoiDdeij0IVXLCDMivxlcdm",
];

/// Letters of other scripts, each over the one that they look like.
const LETTERS: [&str; 2] = [
    "аеорсухѕіјһԁԛԝьᴠԍӏАВЕКМНОРСТХУЅІЈԌԚԜҮαοντρυιϲϳΑΒΕΖΗΙΚΜΝΟΡΤΥΧϹͿօոսհցզᏀᎪᏴᏟᎠᎬᎻᎫᏦᏞᎷᏢᏒᏚᎢᏙᎳᏃɑɡɩɪʀ",
    "aeopcyxsijhdqwbvglABEKMHOPCTXYSIJGQWYaovtpuicjABEZHIKMNOPTYXCJounhgqGABCDEHJKLMPRSTVWZagiiR",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_is_over_one_character_and_begins_with_a_known_byte() {
        for [forms, plain] in [FORMS, LETTERS] {
            assert_eq!(forms.chars().count(), plain.len());
        }
        assert!(
            SINGLES.windows(2).all(|pair| pair[0].0 < pair[1].0),
            "one is there twice"
        );
        let is_read = |char: &char| read(*char) != Reading::Itself;
        let leads: std::collections::BTreeSet<u8> = ('\u{80}'..=char::MAX)
            .filter(is_read)
            .map(|char| char.to_string().as_bytes()[0])
            .collect();
        assert_eq!(leads.into_iter().collect::<Vec<_>>(), LEADS);
    }

    #[test]
    fn forms_and_letters_read_as_ascii() {
        let cases = [
            ('Ａ', Reading::Same('A')),
            ('～', Reading::Same('~')),
            ('𝐀', Reading::Same('A')),
            ('𝚣', Reading::Same('z')),
            ('𝟘', Reading::Same('0')),
            ('ⓩ', Reading::Same('z')),
            ('–', Reading::Same('-')),
            ('а', Reading::Alike('a')),
            ('Ζ', Reading::Alike('Z')),
            ('\u{200d}', Reading::Nothing),
            ('\u{ad}', Reading::Nothing),
            ('é', Reading::Itself),
            ('한', Reading::Itself),
            ('a', Reading::Itself),
        ];
        for (char, reading) in cases {
            assert_eq!(read(char), reading, "{char:?}");
        }
    }
}
