//! What a client presents to prove who it is: in `Authorization`, in the
//! userinfo of an absolute URL, in the query, in a form.

use std::sync::LazyLock;

use axum::http::request::Parts;
use axum::http::{HeaderMap, header};
use data_encoding::{BASE64_NOPAD, Encoding, Specification};
use percent_encoding::percent_decode;

use super::parameters::{Parameters, text};
use crate::model::Secret;
use crate::registry::Login;

/// Logins tried for one request. A client that presents more is not one.
const MAX_LOGINS: usize = 6;

/// The names of a user parameter.
pub const USER: [&str; 5] = ["username", "user", "login", "u", "usr"];

/// The names of a parameter that holds a secret.
pub const SECRET: [&str; 9] = ["password", "pass", "pwd", "pw", "p", "token", "key", "k", "secret"];

/// What clients put into the password field when the token is in the user's.
pub const NO_PASSWORD: [&str; 9] =
    ["x", "-", "*", "none", "null", "token", "unused", "anything", "password"];

/// Every login a request may mean, likeliest first, without duplicates.
/// Empty: it presents none, which is no failed login but the usual first
/// request of GNU wget (WIRE.md, finding 1).
pub fn logins(request: &Parts, parameters: &Parameters) -> Vec<Login> {
    let mut logins = Vec::new();
    for value in request.headers.get_all(header::AUTHORIZATION) {
        authorization(value.as_bytes(), &mut logins);
    }
    if let Some(authority) = request.uri.authority()
        && let Some((userinfo, _)) = authority.as_str().rsplit_once('@')
    {
        pair(userinfo.as_bytes(), &mut logins);
    }
    let user = parameters.first(&USER).unwrap_or_default();
    let secret = parameters.first(&SECRET).unwrap_or_default();
    push(user, secret, &mut logins);
    logins.truncate(MAX_LOGINS);
    logins
}

/// Whether a request carries anything that looks like credentials.
pub fn presented(headers: &HeaderMap, parameters: &Parameters) -> bool {
    headers.contains_key(header::AUTHORIZATION) || parameters.first(&SECRET).is_some()
}

/// Logins by a token alone, where a language has one place for it.
pub fn tokens<'a>(tokens: impl IntoIterator<Item = &'a str>) -> Vec<Login> {
    let mut logins = Vec::new();
    for token in tokens.into_iter().take(MAX_LOGINS) {
        push("", token, &mut logins);
    }
    logins
}

fn authorization(value: &[u8], logins: &mut Vec<Login>) {
    let value = value.trim_ascii();
    let Some(blank) = value.iter().position(u8::is_ascii_whitespace) else { return };
    let (scheme, rest) = (&value[..blank], value[blank..].trim_ascii());
    if scheme.eq_ignore_ascii_case(b"basic") {
        if let Some(userinfo) = base64(rest) {
            pair(&userinfo, logins);
        }
    } else if scheme.eq_ignore_ascii_case(b"bearer") || scheme.eq_ignore_ascii_case(b"token") {
        push("", &text(rest.to_vec()), logins);
    }
}

/// Base64 with or without padding, whatever the unused bits of its end say.
pub fn base64(bytes: &[u8]) -> Option<Vec<u8>> {
    static LENIENT: LazyLock<Encoding> = LazyLock::new(|| {
        let mut specification: Specification = BASE64_NOPAD.specification();
        specification.check_trailing_bits = false;
        specification.ignore.push_str(" \t=");
        specification.encoding().expect("BASE64_NOPAD has none of these characters")
    });
    LENIENT.decode(bytes).ok()
}

/// `user:password`. The password may hold colons, the user may not
/// (RFC 7617 §2). Percent signs are taken literally first, then as clients
/// mean them that take user and password from a URL without decoding.
fn pair(userinfo: &[u8], logins: &mut Vec<Login>) {
    let colon = userinfo.iter().position(|&byte| byte == b':');
    let (user, secret) = match colon {
        Some(at) => (&userinfo[..at], &userinfo[at + 1..]),
        None => (userinfo, &b""[..]),
    };
    push(&text(user.to_vec()), &text(secret.to_vec()), logins);
    if userinfo.contains(&b'%') {
        let decoded = |part| text(percent_decode(part).collect());
        push(&decoded(user), &decoded(secret), logins);
    }
}

/// Adds a login, and the user field as a token where the password is none.
fn push(user: &str, secret: &str, logins: &mut Vec<Login>) {
    let mut add = |user: &str, secret: &str| {
        let login = Login { user: user.to_owned(), secret: Secret(secret.to_owned()) };
        if !secret.is_empty() && !logins.contains(&login) {
            logins.push(login);
        }
    };
    add(user, secret);
    let is_none = secret.is_empty() || NO_PASSWORD.contains(&secret.to_ascii_lowercase().as_str());
    if is_none || secret == user {
        add("", user);
    }
}

#[cfg(test)]
mod tests {
    use super::logins;
    use crate::http::parameters::Parameters;
    use axum::http::Request;

    /// The logins of a request as `user:secret`, a blank between them.
    fn of(uri: &str, authorization: &str) -> String {
        let mut request = Request::builder().uri(uri);
        if !authorization.is_empty() {
            request = request.header("Authorization", authorization);
        }
        let (parts, ()) = request.body(()).unwrap().into_parts();
        let mut parameters = Parameters::default();
        parameters.read(parts.uri.query().unwrap_or("").as_bytes());
        let logins = logins(&parts, &parameters);
        let texts: Vec<String> =
            logins.iter().map(|login| format!("{}:{}", login.user, login.secret.0)).collect();
        texts.join(" ")
    }

    fn basic(userinfo: &str) -> String {
        format!("Basic {}", data_encoding::BASE64.encode(userinfo.as_bytes()))
    }

    #[test]
    fn in_the_header() {
        assert_eq!(of("/", ""), "");
        assert_eq!(of("/", &basic("ann:a:b")), "ann:a:b");
        assert_eq!(of("/", "basic   YW5uOnBhc3M"), "ann:pass");
        assert_eq!(of("/", "Basic YW5uOnBhc3M="), "ann:pass");
        assert_eq!(of("/", "Bearer t0ken"), ":t0ken");
        assert_eq!(of("/", "Token t0ken"), ":t0ken");
        assert_eq!(of("/", "Digest username=\"ann\""), "");
        assert_eq!(of("/", "Basic %%%"), "");
        assert_eq!(of("/", &basic(":")), "");
    }

    #[test]
    fn the_user_field_may_be_the_token() {
        assert_eq!(of("/", &basic("t0ken:")), ":t0ken");
        assert_eq!(of("/", &basic("t0ken:none")), "t0ken:none :t0ken");
        assert_eq!(of("/", &basic("t0ken:t0ken")), "t0ken:t0ken :t0ken");
        assert_eq!(of("/", &basic("none:t0ken")), "none:t0ken");
    }

    #[test]
    fn not_decoded_by_the_client() {
        assert_eq!(of("/", &basic("ann:a%3Ab")), "ann:a%3Ab ann:a:b");
        assert_eq!(of("http://ann:a%3Ab@x/", ""), "ann:a%3Ab ann:a:b");
    }

    #[test]
    fn in_the_query() {
        assert_eq!(of("/?username=ann&password=a%3Ab", ""), "ann:a:b");
        assert_eq!(of("/?token=t", ""), ":t");
        assert_eq!(of("/?u=ann&p=b", &basic("box:c")), "box:c ann:b");
        assert_eq!(of("/?user=t0ken", ""), ":t0ken");
        assert_eq!(of("/?hostname=a", ""), "");
    }
}
