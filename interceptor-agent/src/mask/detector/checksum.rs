//! Check digits of numbered things. Digits are values, 0 to 9, most significant first.

/// Luhn's checksum (ISO/IEC 7812): cards, and ids of several countries.
pub fn luhn(digits: &[u8]) -> bool {
    let sum: u32 = digits
        .iter()
        .rev()
        .enumerate()
        .map(|(index, &digit)| match (u32::from(digit), index % 2) {
            (digit, 0) => digit,
            (digit, _) => digit * 2 / 10 + digit * 2 % 10,
        })
        .sum();
    sum.is_multiple_of(10)
}

/// The sum of digits times weights.
pub fn weighted(digits: &[u8], weights: &[u32]) -> u32 {
    digits
        .iter()
        .zip(weights)
        .map(|(&digit, weight)| u32::from(digit) * weight)
        .sum()
}

/// Verhoeff's checksum: Aadhaar.
pub fn verhoeff(digits: &[u8]) -> bool {
    const PERMUTATION: [u8; 10] = [1, 5, 7, 6, 2, 8, 3, 0, 9, 4];
    // The dihedral group of a pentagon: rotations 0 to 4, reflections 5 to 9.
    let product = |a: u8, b: u8| match (a < 5, b < 5) {
        (true, true) => (a + b) % 5,
        (true, false) => 5 + (a + b) % 5,
        (false, true) => 5 + (a + 5 - b) % 5,
        (false, false) => (a + 5 - b) % 5,
    };
    let check = digits
        .iter()
        .rev()
        .enumerate()
        .fold(0, |check, (index, &digit)| {
            let permuted = (0..index % 8).fold(digit, |digit, _| PERMUTATION[digit as usize]);
            product(check, permuted)
        });
    check == 0
}

/// ISO/IEC 7064 MOD 11,10: German tax and VAT numbers.
pub fn mod_11_10(digits: &[u8]) -> bool {
    let Some((&check, body)) = digits.split_last() else {
        return false;
    };
    let product = body.iter().fold(10, |product, &digit| {
        let sum = match (u32::from(digit) + product) % 10 {
            0 => 10,
            sum => sum,
        };
        sum * 2 % 11
    });
    (11 - product) % 10 == u32::from(check)
}

/// ISO/IEC 7064 MOD 97,10 of letters and digits, where a letter counts as two digits: IBAN.
pub fn mod_97(text: impl IntoIterator<Item = u8>) -> Option<u32> {
    text.into_iter().try_fold(0, |rest, byte| match byte {
        b'0'..=b'9' => Some((rest * 10 + u32::from(byte - b'0')) % 97),
        b'A'..=b'Z' => Some((rest * 100 + u32::from(byte - b'A') + 10) % 97),
        b'a'..=b'z' => Some((rest * 100 + u32::from(byte - b'a') + 10) % 97),
        _ => None,
    })
}

/// Digits as a number.
pub fn number(digits: &[u8]) -> u64 {
    digits
        .iter()
        .fold(0, |number, &digit| number * 10 + u64::from(digit))
}

/// Whether there is such a day, in some year.
pub fn is_day(month: u64, day: u64) -> bool {
    match month {
        2 => (1..=29).contains(&day),
        4 | 6 | 9 | 11 => (1..=30).contains(&day),
        1..=12 => (1..=31).contains(&day),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn digits(text: &str) -> Vec<u8> {
        text.bytes().map(|byte| byte - b'0').collect()
    }

    #[test]
    fn published_examples_hold_and_their_neighbours_do_not() {
        type Check = fn(&[u8]) -> bool;
        let checks: [(Check, &str); 3] = [
            (luhn, "4111111111111111"),
            (verhoeff, "234567890124"),
            (mod_11_10, "02476291358"),
        ];
        for (check, text) in checks {
            let mut digits = digits(text);
            assert!(check(&digits), "{text}");
            for index in 0..digits.len() {
                let right = digits[index];
                digits[index] = (right + 1) % 10;
                assert!(!check(&digits), "{text} at {index}");
                digits[index] = right;
            }
        }
        assert_eq!(mod_97("370400440532013000DE89".bytes()), Some(1));
        assert_eq!(mod_97("a b".bytes()), None);
        assert!(is_day(2, 29) && !is_day(2, 30) && !is_day(13, 1) && !is_day(4, 31));
    }
}
