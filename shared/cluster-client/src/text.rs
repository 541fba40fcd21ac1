//! Sentences from the cluster, made fit for a record.

use domain::limits::MESSAGE_MAX;

/// `text` in one line without control characters, its end cut off after [`MESSAGE_MAX`] characters.
pub(crate) fn head(text: &str) -> String {
    let line = one_line(text);
    if line.chars().count() <= MESSAGE_MAX {
        return line;
    }
    line.chars().take(MESSAGE_MAX - 1).chain(['…']).collect()
}

/// As [`head`], but the beginning is cut off: what a program says last tells why it died.
pub(crate) fn tail(text: &str) -> String {
    let line = one_line(text);
    let count = line.chars().count();
    if count <= MESSAGE_MAX {
        return line;
    }
    ['…']
        .into_iter()
        .chain(line.chars().skip(count - MESSAGE_MAX + 1))
        .collect()
}

fn one_line(text: &str) -> String {
    let spaced: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    spaced.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_and_line_ends_become_single_spaces() {
        assert_eq!(head("a\n\tb\u{1b}[31mc\0 d\r\n"), "a b [31mc d");
    }

    #[test]
    fn what_is_too_long_is_cut_on_the_side_that_matters_less() {
        let long = format!("first {} last", "ä".repeat(MESSAGE_MAX));
        for (cut, starts, ends) in [(head(&long), "first", "ä…"), (tail(&long), "…ä", "last")] {
            assert_eq!(cut.chars().count(), MESSAGE_MAX);
            assert!(cut.starts_with(starts) && cut.ends_with(ends), "{cut}");
        }
        let fits = "x".repeat(MESSAGE_MAX);
        assert_eq!((head(&fits), tail(&fits)), (fits.clone(), fits));
    }
}
