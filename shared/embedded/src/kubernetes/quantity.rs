//! Resource quantities (apimachinery's `pkg/api/resource`): read, added up, compared, and written in their one form.

use std::cmp::Ordering;
use std::fmt;

use serde_json::Value;

/// Members whose values are maps of quantities, wherever they stand.
const MAPS: &[&str] = &[
    "limits",
    "requests",
    "hard",
    "used",
    "capacity",
    "allocatable",
    "min",
    "max",
    "default",
    "defaultRequest",
    "maxLimitRequestRatio",
];
/// Decimal places that are kept.
const PLACES: i32 = 9;
const ONE: i128 = 1_000_000_000;

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

/// An amount, and the notation that it is written in.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Quantity {
    /// In thousandths of millionths.
    nano: i128,
    notation: Notation,
}

#[derive(Clone, Copy, Debug, Default)]
enum Notation {
    /// `k`, `M`, `m`.
    #[default]
    Decimal,
    /// `Ki`, `Mi`.
    Binary,
    /// `e3`.
    Exponent,
}

impl Quantity {
    pub(super) fn whole(value: u32) -> Quantity {
        Quantity {
            nano: i128::from(value) * ONE,
            notation: Notation::Decimal,
        }
    }

    /// Reads a quantity; what is finer than its places is rounded up.
    pub(super) fn read(text: &str) -> Result<Quantity, QuantityError> {
        let nano = scaled(text, PLACES)?;
        let last = text.trim_end_matches(|letter: char| letter.is_ascii_digit() || matches!(letter, '+' | '-'));
        let notation = match text {
            _ if text.ends_with('i') => Notation::Binary,
            _ if last.len() < text.len() && last.ends_with(['e', 'E']) => Notation::Exponent,
            _ => Notation::Decimal,
        };
        Ok(Quantity { nano, notation })
    }

    /// The sum, in the notation of the first that is not zero.
    pub(super) fn plus(self, other: Quantity) -> Quantity {
        Quantity {
            nano: self.nano.saturating_add(other.nano),
            notation: if self.is_zero() { other.notation } else { self.notation },
        }
    }

    /// How often it holds another, which is not zero.
    #[expect(clippy::cast_precision_loss, reason = "a ratio is compared and shown as such")]
    pub(super) fn over(self, other: Quantity) -> f64 {
        self.nano as f64 / other.nano as f64
    }

    pub(super) fn is_zero(self) -> bool {
        self.nano == 0
    }

    pub(super) fn is_whole(self) -> bool {
        self.nano % ONE == 0
    }
}

impl PartialEq for Quantity {
    fn eq(&self, other: &Quantity) -> bool {
        self.nano == other.nano
    }
}

impl Eq for Quantity {}

impl PartialOrd for Quantity {
    fn partial_cmp(&self, other: &Quantity) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Quantity {
    fn cmp(&self, other: &Quantity) -> Ordering {
        self.nano.cmp(&other.nano)
    }
}

/// The one form of each value: no fraction, and the largest suffix that allows it.
impl fmt::Display for Quantity {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        const DECIMAL: [&str; 10] = ["n", "u", "m", "", "k", "M", "G", "T", "P", "E"];
        const BINARY: [&str; 7] = ["", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei"];
        const KIBI: i128 = 1_024;
        if matches!(self.notation, Notation::Binary) && self.is_whole() && self.nano.abs() >= KIBI * ONE {
            let (mut value, mut power) = (self.nano / ONE, 0);
            while value % KIBI == 0 && power + 1 < BINARY.len() {
                (value, power) = (value / KIBI, power + 1);
            }
            return write!(out, "{value}{}", BINARY[power]);
        }
        let (mut value, mut power) = (self.nano, 0);
        while value != 0 && value % 1_000 == 0 && power + 1 < DECIMAL.len() {
            (value, power) = (value / 1_000, power + 1);
        }
        match self.notation {
            _ if value == 0 => write!(out, "0"),
            Notation::Exponent if power != 3 => {
                let exponent = i32::try_from(power).unwrap_or(0) * 3 - PLACES;
                write!(out, "{value}e{exponent}")
            }
            _ => write!(out, "{value}{}", DECIMAL[power]),
        }
    }
}

/// The value of a quantity in thousandths, rounded up; what is too large is the largest.
pub(super) fn milli(text: &str) -> Result<i128, QuantityError> {
    scaled(text, 3)
}

/// The value with so many decimal places, as a whole number.
fn scaled(text: &str, places: i32) -> Result<i128, QuantityError> {
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
    Ok(sign * shift(scaled, decimal.saturating_add(places).saturating_sub(decimals)))
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

/// Checks every quantity of an object and writes it in its one form, as text, which the schema wants.
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
    if let Some(text) = value.as_str() {
        *value = Quantity::read(text)?.to_string().into();
    }
    Ok(())
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
    fn each_value_has_one_form_in_its_notation() {
        for (text, form) in [
            ("0", "0"),
            ("0.0Gi", "0"),
            ("0.5", "500m"),
            ("1000m", "1"),
            ("1500m", "1500m"),
            ("1000", "1k"),
            ("2500000", "2500k"),
            ("0.5Gi", "512Mi"),
            ("1024Mi", "1Gi"),
            ("512", "512"),
            ("1023Ki", "1023Ki"),
            ("0.1Ki", "102400m"),
            ("1e3", "1e3"),
            ("1e0", "1"),
            ("12E", "12E"),
            ("-2000", "-2k"),
            ("1500u", "1500u"),
            ("450M", "450M"),
        ] {
            assert_eq!(Quantity::read(text).unwrap().to_string(), form, "{text}");
        }
    }

    #[test]
    fn a_sum_has_the_notation_of_the_first_that_is_not_zero() {
        let sum = |texts: &[&str]| {
            let quantities = texts.iter().map(|text| Quantity::read(text).unwrap());
            quantities.fold(Quantity::default(), Quantity::plus).to_string()
        };
        assert_eq!(sum(&["700Mi", "300M"]), "1034003200");
        assert_eq!(sum(&["512Mi", "512Mi"]), "1Gi");
        assert_eq!(sum(&["250m", "0.25"]), "500m");
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
