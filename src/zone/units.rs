//! Spans of time in master files: `3600`, `1h`, `1h30m`, `2w`.

/// The most seconds a TTL can have (RFC 2181 §8).
pub const MAX_TTL: u32 = i32::MAX as u32;

/// Seconds; `None` if the text is no span, or more than [`MAX_TTL`].
pub fn seconds(text: &str) -> Option<u32> {
    let mut total: u32 = 0;
    let mut number: Option<u32> = None;
    let mut units = false;
    for byte in text.bytes() {
        let factor = match byte.to_ascii_lowercase() {
            digit @ b'0'..=b'9' => {
                let so_far = number.unwrap_or(0).checked_mul(10)?;
                number = Some(so_far.checked_add(u32::from(digit - b'0'))?);
                continue;
            }
            b's' => 1,
            b'm' => 60,
            b'h' => 3600,
            b'd' => 86_400,
            b'w' => 604_800,
            _ => return None,
        };
        units = true;
        total = total.checked_add(number.take()?.checked_mul(factor)?)?;
    }
    match number {
        // `1h30`: nobody knows thirty of what.
        Some(_) if units => None,
        Some(plain) => Some(plain),
        None if units => Some(total),
        None => None,
    }
    .filter(|seconds| *seconds <= MAX_TTL)
}

#[cfg(test)]
mod tests {
    use super::seconds;

    #[test]
    fn spans() {
        assert_eq!(seconds("3600"), Some(3600));
        assert_eq!(seconds("1h"), Some(3600));
        assert_eq!(seconds("1W2D3h4M5s"), Some(788_645));
        assert_eq!(seconds("0"), Some(0));
        assert_eq!(seconds("2147483647"), Some(2_147_483_647));
        for bad in ["", "h", "1h30", "1x", "-1", "2147483648", "9999999999w", "A"] {
            assert_eq!(seconds(bad), None, "{bad}");
        }
    }
}
