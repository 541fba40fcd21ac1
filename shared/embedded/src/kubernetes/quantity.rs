//! Resource quantities (apimachinery's `pkg/api/resource`), as far as checking and adding them up goes.

use serde_json::Value;

/// Members whose values are maps of quantities, wherever they stand.
const MAPS: &[&str] = &["limits", "requests", "hard", "capacity", "allocatable"];

/// Why a text is not a quantity, in the words of the real server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum QuantityError {
    #[error("quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'")]
    Format,
    #[error("unable to parse numeric part of quantity")]
    Number,
    #[error("unable to parse quantity's suffix")]
    Suffix,
}

/// The value of a quantity in thousandths, rounded up; what is too large is the largest.
pub(super) fn milli(text: &str) -> Result<i128, QuantityError> {
    let (sign, unsigned) = match text.as_bytes().first() {
        Some(b'-') => (-1, &text[1..]),
        Some(b'+') => (1, &text[1..]),
        _ => (1, text),
    };
    let end = unsigned
        .find(|letter: char| !letter.is_ascii_digit() && letter != '.')
        .unwrap_or(unsigned.len());
    let (number, suffix) = unsigned.split_at(end);
    if text.is_empty() || !suffix.chars().all(|letter| "eEinumkKMGTP+-0123456789".contains(letter)) {
        return Err(QuantityError::Format);
    }
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if fraction.contains('.') || whole.len() + fraction.len() == 0 {
        return Err(QuantityError::Number);
    }
    let digits: i128 = format!("{whole}{fraction}").parse().unwrap_or(i128::MAX);
    let decimals = i32::try_from(fraction.len()).unwrap_or(i32::MAX);
    let (binary, decimal) = scale(suffix)?;
    let scaled = digits.saturating_mul(1_i128 << binary);
    Ok(sign * shift(scaled, decimal.saturating_add(3).saturating_sub(decimals)))
}

/// The powers of two and of ten that a suffix stands for.
fn scale(suffix: &str) -> Result<(u32, i32), QuantityError> {
    Ok(match suffix {
        "Ki" => (10, 0),
        "Mi" => (20, 0),
        "Gi" => (30, 0),
        "Ti" => (40, 0),
        "Pi" => (50, 0),
        "Ei" => (60, 0),
        "n" => (0, -9),
        "u" => (0, -6),
        "m" => (0, -3),
        "" => (0, 0),
        "k" => (0, 3),
        "M" => (0, 6),
        "G" => (0, 9),
        "T" => (0, 12),
        "P" => (0, 15),
        "E" => (0, 18),
        exponent => (
            0,
            exponent[1..]
                .parse()
                .ok()
                .filter(|_| exponent.starts_with(['e', 'E']))
                .ok_or(QuantityError::Suffix)?,
        ),
    })
}

fn shift(value: i128, power: i32) -> i128 {
    let factor = 10_i128.checked_pow(power.unsigned_abs());
    match (power >= 0, factor) {
        (true, factor) => factor.map_or(if value == 0 { 0 } else { i128::MAX }, |factor| {
            value.saturating_mul(factor)
        }),
        (false, Some(factor)) => value / factor + i128::from(value % factor != 0),
        (false, None) => i128::from(value != 0),
    }
}

/// Checks every quantity of an object and turns numbers into text, which the schema wants.
pub(super) fn settle(object: &mut Value) -> Result<(), QuantityError> {
    match object {
        Value::Object(members) => {
            for (name, member) in members {
                match member.as_object_mut().filter(|_| MAPS.contains(&name.as_str())) {
                    Some(map) => map.values_mut().try_for_each(settle_one)?,
                    None => settle(member)?,
                }
            }
            Ok(())
        }
        Value::Array(elements) => elements.iter_mut().try_for_each(settle),
        _ => Ok(()),
    }
}

fn settle_one(value: &mut Value) -> Result<(), QuantityError> {
    if value.is_number() {
        *value = value.to_string().into();
    }
    value.as_str().map_or(Ok(0), milli).map(|_| ())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantities_are_read_in_every_notation() {
        for (text, value) in [
            ("1", 1_000),
            ("0.5", 500),
            ("500m", 500),
            ("1Ki", 1_024_000),
            ("2k", 2_000_000),
            ("1e3", 1_000_000),
            ("1E", 10_i128.pow(21)),
            ("1.5Gi", 1_610_612_736_000),
            ("1n", 1),
            ("0", 0),
            ("-1", -1_000),
            (".5", 500),
            ("1e-2", 10),
            ("1500u", 2),
        ] {
            assert_eq!(milli(text), Ok(value), "{text}");
        }
    }

    #[test]
    fn what_is_no_quantity_says_so_in_the_words_of_the_real_server() {
        for (text, error) in [
            ("512MB", QuantityError::Format),
            ("", QuantityError::Format),
            ("1 Gi", QuantityError::Format),
            ("abc", QuantityError::Format),
            ("1mm", QuantityError::Suffix),
            ("m", QuantityError::Number),
            ("1e", QuantityError::Suffix),
        ] {
            assert_eq!(milli(text), Err(error), "{text}");
        }
    }

    #[test]
    fn sizes_beyond_measure_are_the_largest_and_do_not_overflow() {
        assert_eq!(milli("1e99"), Ok(i128::MAX));
        assert_eq!(milli("99999999999999999999999999999999999999999Ei"), Ok(i128::MAX));
    }
}
