//! PEM text (RFC 7468): base64 in lines of 64 between a BEGIN and an END line.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

/// Wraps `der`, with a final newline.
pub fn encode(label: &str, der: &[u8]) -> String {
    let mut text = String::with_capacity(capacity(label, der));
    write(&mut text, label, der);
    text
}

/// [`encode`] for private keys: what is written on the way is wiped.
pub fn encode_secret(label: &str, der: &[u8]) -> Zeroizing<Vec<u8>> {
    // All room at once: a growing buffer leaves copies behind.
    let mut text = Zeroizing::new(String::with_capacity(capacity(label, der)));
    write(&mut text, label, der);
    Zeroizing::new(std::mem::take(&mut *text).into_bytes())
}

fn capacity(label: &str, der: &[u8]) -> usize {
    der.len() * 3 / 2 + 2 * label.len() + 64
}

fn write(text: &mut String, label: &str, der: &[u8]) {
    text.push_str("-----BEGIN ");
    text.push_str(label);
    text.push_str("-----\n");
    // 48 bytes fill one line of 64 characters exactly.
    for line in der.chunks(48) {
        STANDARD.encode_string(line, text);
        text.push('\n');
    }
    text.push_str("-----END ");
    text.push_str(label);
    text.push_str("-----\n");
}

/// Every block of a PEM text with its label, in order; text around the blocks is passed over, as OpenSSL does. `None`
/// when there is no block, or one is malformed.
pub fn decode(text: &[u8]) -> Option<Vec<(String, Zeroizing<Vec<u8>>)>> {
    let mut lines = std::str::from_utf8(text).ok()?.lines().map(str::trim);
    let mut blocks = Vec::new();
    while let Some(line) = lines.next() {
        let Some(label) = line.strip_prefix("-----BEGIN ").and_then(|rest| rest.strip_suffix("-----")) else {
            continue;
        };
        let end = format!("-----END {label}-----");
        let mut base64 = Zeroizing::new(String::with_capacity(text.len()));
        loop {
            match lines.next()? {
                line if line == end => break,
                line => base64.push_str(line),
            }
        }
        blocks.push((label.to_owned(), Zeroizing::new(STANDARD.decode(base64.as_bytes()).ok()?)));
    }
    if blocks.is_empty() { None } else { Some(blocks) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_decode_whatever_stands_around_them() {
        let text = format!("Bag Attributes\n{}\r\nkey:\n{}", encode("ONE", b"1"), encode("TWO", &[2; 100]));
        let blocks = decode(text.as_bytes()).unwrap();
        assert_eq!(
            blocks.iter().map(|(label, der)| (label.as_str(), der.len())).collect::<Vec<_>>(),
            [("ONE", 1), ("TWO", 100)]
        );
        let cut = &text.as_bytes()[..text.len() - 10];
        assert!(decode(cut).is_none() && decode(b"hello").is_none() && decode(&[0xff; 9]).is_none());
    }

    #[test]
    fn the_reserved_room_is_enough() {
        for size in [0, 1, 47, 48, 49, 138, 5000] {
            let der = vec![0xa5; size];
            let text = encode("PRIVATE KEY", &der);
            assert!(text.len() <= capacity("PRIVATE KEY", &der), "{size}");
            assert_eq!(encode_secret("PRIVATE KEY", &der).as_slice(), text.as_bytes());
        }
    }
}
