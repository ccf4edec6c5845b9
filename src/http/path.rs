//! Paths as routers spell them, and what each is for.

use std::borrow::Cow;

use percent_encoding::percent_decode;

use super::parameters::text;

/// A path in one spelling: decoded, lower case, backslashes as slashes, no
/// slash doubled or at the end. `/\/nic/update/` is `/nic/update`.
pub fn normal(path: &str) -> String {
    let is_plain = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'/' | b'.' | b'-' | b'_');
    let is_normal = path.starts_with('/') && !path.ends_with('/') && !path.contains("//");
    if is_normal && path.bytes().all(is_plain) {
        return path.to_owned();
    }
    let parts = segments(path);
    let normal: String = parts.iter().flat_map(|part| ["/", part]).collect();
    if normal.is_empty() { "/".into() } else { normal.to_lowercase() }
}

/// The parts of a path between its slashes, decoded, letters as they are.
pub fn segments(path: &str) -> Vec<String> {
    let decoded = match path.contains('%') {
        true => text(percent_decode(path.as_bytes()).collect()).into(),
        false => Cow::Borrowed(path),
    };
    let parts = decoded.split(['/', '\\']).filter(|part| !part.is_empty());
    parts.map(str::to_owned).collect()
}

/// Whether a path, as [`normal`] makes it, is one that clients update by:
/// `/nic/update`, `/v3/update`, `/ph/update`, `/update.php`, `/ddns/update`,
/// `/XDynDNSServer/XDynDNS.php` and whatever else says so. Only where a
/// request has neither host nor credentials does it depend on the path.
pub fn is_update(path: &str) -> bool {
    ["update", "dyndns", "ddns"].iter().any(|word| path.contains(word)) || is_deletion(path)
}

/// Whether a path, as [`normal`] makes it, is one by which addresses are taken
/// away: nsupdate.info's `/nic/delete`.
pub fn is_deletion(path: &str) -> bool {
    path.ends_with("/delete")
}

#[cfg(test)]
mod tests {
    use super::{is_update, normal};

    #[test]
    fn one_spelling() {
        for (path, expected) in [
            ("/", "/"),
            ("//", "/"),
            ("", "/"),
            ("/nic/update", "/nic/update"),
            ("//nic/update/", "/nic/update"),
            ("/%5C/nic/update", "/nic/update"),
            ("/NIC/Update", "/nic/update"),
            ("/nic/update%20http:/ipv6.host/nic/update", "/nic/update http:/ipv6.host/nic/update"),
        ] {
            assert_eq!(normal(path), expected, "{path}");
        }
    }

    #[test]
    fn update_paths() {
        for path in [
            "/nic/update",
            "/v3/update",
            "/xdyndnsserver/xdyndns.php",
            "/update.php",
            "/ddns.example.org",
            "/nic/delete",
        ] {
            assert!(is_update(path), "{path}");
        }
        for path in ["/", "/index.html", "/favicon.ico", "/.env"] {
            assert!(!is_update(path), "{path}");
        }
    }
}
