//! What people read of a container's log.

/// The first line of a log whose beginning was left out.
const LEFT_OUT: &str = "[… earlier lines left out]\n";

/// The newest whole lines of `log` as text of at most `most` bytes. Where lines before them are missing, because
/// `is_cut` says so or to keep within `most`, a first line says that. Bytes that are no UTF-8 become `U+FFFD`.
pub fn newest_lines(log: &[u8], is_cut: bool, most: usize) -> String {
    let text = String::from_utf8_lossy(log);
    let fits = text.len() <= most;
    if fits && !is_cut {
        return text.into_owned();
    }
    let room = most.saturating_sub(LEFT_OUT.len());
    let from = text.ceil_char_boundary(text.len().saturating_sub(room));
    // What begins a line needs no cutting; what is cut off anywhere else begins with the rest of a line.
    let begins_line = !is_cut && from == 0 || from > 0 && text.as_bytes().get(from - 1) == Some(&b'\n');
    let rest = text.get(from..).unwrap_or_default();
    let lines = match rest.split_once('\n') {
        Some((_, whole)) if !begins_line => whole,
        // One line longer than all that may be shown: its end is better than nothing.
        _ => rest,
    };
    format!("{LEFT_OUT}{lines}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_fits_is_shown_as_it_is() {
        assert_eq!(newest_lines(b"one\ntwo\n", false, 8), "one\ntwo\n");
        assert_eq!(newest_lines(b"", false, 100), "");
        assert_eq!(newest_lines(b"bad \xff byte", false, 100), "bad \u{fffd} byte");
    }

    #[test]
    fn a_cut_is_marked_and_falls_on_the_beginning_of_a_line() {
        let log = format!("{}\nsecond line\nthird line\n", "first line ".repeat(9));
        let marked = "[… earlier lines left out]\nthird line\n";
        // Room for the last line alone, and for a piece of the line before it.
        for more in [0, 1, 11] {
            assert_eq!(newest_lines(log.as_bytes(), false, marked.len() + more), marked);
        }
        let two = "[… earlier lines left out]\nsecond line\nthird line\n";
        assert_eq!(newest_lines(log.as_bytes(), false, two.len()), two);
        assert_eq!(
            newest_lines(b"d of one\ntwo\n", true, 1000),
            "[… earlier lines left out]\ntwo\n"
        );
    }

    #[test]
    fn nothing_is_ever_longer_than_it_may_be() {
        let most = 100;
        for log in [
            "ä".repeat(500).into_bytes(),
            vec![0xff; 500],
            b"short\n".repeat(100),
            vec![b'x'; 101],
        ] {
            for is_cut in [false, true] {
                let shown = newest_lines(&log, is_cut, most);
                assert!(shown.len() <= most && shown.starts_with(LEFT_OUT), "{}", shown.len());
                assert!(shown.len() > LEFT_OUT.len(), "the end is there");
            }
        }
    }
}
