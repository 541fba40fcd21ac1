use base64::engine::general_purpose;

use super::*;

const NONCE: [u8; NONCE_LEN] = *b"twelve bytes";

fn key(fill: u8) -> String {
    general_purpose::STANDARD.encode([fill; KEY_BYTES])
}

fn ring(fills: &[u8]) -> Keyring {
    let keys: Vec<String> = fills.iter().map(|fill| key(*fill)).collect();
    Keyring::from_base64(&keys).unwrap()
}

#[test]
fn what_is_sealed_opens_again_and_does_not_show_its_text() {
    let ring = ring(&[1]);
    let long = "kubeconfig ".repeat(5_000);
    for text in ["", "a", "secret", &long] {
        let sealed = ring.seal("kubeconfig", &["cluster-7", "3"], text.as_bytes(), NONCE);
        assert_eq!(
            ring.open("kubeconfig", &["cluster-7", "3"], &sealed),
            Ok(text.as_bytes().to_vec())
        );
    }
    let sealed = ring.seal("kubeconfig", &[], b"secret", NONCE);
    let bytes = URL_SAFE_NO_PAD.decode(&sealed).unwrap();
    assert!(!bytes.windows(6).any(|window| window == b"secret"));
    assert_ne!(sealed, ring.seal("kubeconfig", &[], b"secret", *b"other twelve"));
}

#[test]
fn what_an_older_key_sealed_is_sealed_again_with_the_first_and_what_it_sealed_itself_is_left() {
    let sealed = ring(&[1]).seal("kubeconfig", &["c"], b"secret", NONCE);
    let rotated = ring(&[2, 1]);
    let opened = rotated.open_and_reseal("kubeconfig", &["c"], &sealed).unwrap();
    assert_eq!(opened.text, b"secret");
    let resealed = opened.resealed.unwrap();
    let again = rotated.open_and_reseal("kubeconfig", &["c"], &sealed).unwrap();
    assert_eq!(again.resealed.as_ref(), Some(&resealed), "by whoever opens it");
    let opened = ring(&[2]).open_and_reseal("kubeconfig", &["c"], &resealed).unwrap();
    assert_eq!((opened.text.as_slice(), opened.resealed), (b"secret".as_slice(), None));

    let nonce = |sealed: &str| URL_SAFE_NO_PAD.decode(sealed).unwrap()[1 + KEY_ID_BYTES..HEADER_BYTES].to_vec();
    let other = ring(&[1]).seal("kubeconfig", &["c"], b"other", *b"other twelve");
    let other = rotated.open_and_reseal("kubeconfig", &["c"], &other).unwrap();
    assert_ne!(nonce(&other.resealed.unwrap()), nonce(&resealed));
    assert_ne!(nonce(&sealed), nonce(&resealed));
}

#[test]
fn another_purpose_or_binding_is_refused() {
    let ring = ring(&[1]);
    let sealed = ring.seal("kubeconfig", &["ab", "c"], b"secret", NONCE);
    assert_eq!(ring.open("cursor", &["ab", "c"], &sealed), Err(Unsealable));
    let others: [&[&str]; 6] = [&[], &["ab"], &["a", "bc"], &["abc"], &["c", "ab"], &["ab", "c", ""]];
    for other in others {
        assert_eq!(ring.open("kubeconfig", other, &sealed), Err(Unsealable), "{other:?}");
    }
}

#[test]
fn every_flipped_bit_and_every_cut_is_refused() {
    let ring = ring(&[1]);
    let sealed = URL_SAFE_NO_PAD
        .decode(ring.seal("p", &["b"], b"secret", NONCE))
        .unwrap();
    for bit in 0..sealed.len() * 8 {
        let mut flipped = sealed.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        assert_eq!(
            ring.open("p", &["b"], &URL_SAFE_NO_PAD.encode(flipped)),
            Err(Unsealable),
            "bit {bit}"
        );
    }
    for length in 0..sealed.len() {
        assert_eq!(
            ring.open("p", &["b"], &URL_SAFE_NO_PAD.encode(&sealed[..length])),
            Err(Unsealable),
            "{length}"
        );
    }
    for text in ["", "=", "not base64!", "äöü"] {
        assert_eq!(ring.open("p", &["b"], text), Err(Unsealable), "{text}");
    }
}

#[test]
fn after_a_rotation_old_texts_and_tokens_hold_until_their_key_goes() {
    let (before, during, after) = (ring(&[1]), ring(&[2, 1]), ring(&[2]));
    let (sealed, token) = (before.seal("p", &[], b"secret", NONCE), before.token("stop", "id"));
    assert_eq!(during.open("p", &[], &sealed), Ok(b"secret".to_vec()));
    assert!(during.token_matches("stop", "id", &token));
    let both: Vec<String> = during.tokens("stop", "id").collect();
    assert_eq!(both, [during.token("stop", "id"), token.clone()]);
    assert_eq!(after.open("p", &[], &sealed), Err(Unsealable));
    assert!(!after.token_matches("stop", "id", &token));

    let renewed = during.seal("p", &[], b"secret", NONCE);
    assert_eq!(after.open("p", &[], &renewed), Ok(b"secret".to_vec()));
    assert_eq!(before.open("p", &[], &renewed), Err(Unsealable));
    assert!(after.token_matches("stop", "id", &during.token("stop", "id")));
}

#[test]
fn formats_do_not_change_by_accident() {
    // Computed apart from this code: RFC 5869, HMAC-SHA256 and AES-256-GCM in Python.
    let ring = ring(&[7]);
    assert_eq!(
        ring.token("application", "0123456789abcdef0123456789abcdef"),
        "ePwSd6OKlclcmkEx_kZN3QdVfG3E8lf0qvRboH9lTek"
    );
    assert_eq!(
        ring.seal("kubeconfig", &["a", "b"], b"secret", NONCE),
        "AUuwb450d2VsdmUgYnl0ZXPehybdccFNwXMnNbSUk34y7dgvlK-E"
    );
}

#[test]
fn a_token_is_of_its_purpose_and_id_alone() {
    let ring = ring(&[1]);
    let token = ring.token("stop", "id");
    assert_eq!(token.len(), 43);
    assert_eq!(token, ring.token("stop", "id"));
    assert!(ring.token_matches("stop", "id", &token));
    assert!(!ring.token_matches("lease", "id", &token));
    assert!(!ring.token_matches("stop", "other", &token));
    assert!(!ring.token_matches("stopi", "d", &token));
    for presented in ["", &token[..42], &format!("{token}A"), &token.to_lowercase()] {
        assert!(!ring.token_matches("stop", "id", presented), "{presented}");
    }
}

#[test]
fn keys_are_taken_with_and_without_padding_and_white_space() {
    let padded = key(1);
    let bare = padded.trim_end_matches('=').to_owned();
    let spaced = format!(" {padded}\n");
    let token = ring(&[1]).token("p", "i");
    for text in [padded, bare, spaced] {
        assert_eq!(Keyring::from_base64(&[text]).unwrap().token("p", "i"), token);
    }
}

#[test]
fn what_is_no_keyring_is_refused_by_place() {
    let refused = |keys: &[String]| Keyring::from_base64(keys).unwrap_err();
    let short = general_purpose::STANDARD.encode([1; 31]);
    let long = general_purpose::STANDARD.encode([1; 33]);
    assert_eq!(refused(&[]), KeyringError::Empty);
    assert_eq!(refused(&(0..9).map(key).collect::<Vec<_>>()), KeyringError::TooMany);
    assert!(Keyring::from_base64(&(0..8).map(key).collect::<Vec<_>>()).is_ok());
    assert_eq!(refused(&[key(1), key(2), key(1)]), KeyringError::Duplicate(3));
    for text in [String::new(), "no base64!".to_owned(), short, long] {
        assert_eq!(refused(&[key(1), text]), KeyringError::Malformed(2));
    }
}

#[test]
fn neither_debug_nor_errors_show_a_key() {
    let shown = format!("{:?}", ring(&[1, 2]));
    assert_eq!(shown, r#"Keyring { keys: ["72cd6e84", "75877bb4"], .. }"#);
    let error = Keyring::from_base64(&["hunter2hunter2"]).unwrap_err();
    assert!(!format!("{error:?} {error}").contains("hunter2"));
}
