//! Parameters of a query or a form, as clients really spell them.

use percent_encoding::percent_decode;

/// Names (in lower case) and values in the order sent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Parameters {
    pairs: Vec<(String, String)>,
    has_unread: bool,
}

/// The parameters whose values are secrets or somebody's own URL: nothing is
/// looked for inside of them.
const OPAQUE: [&str; 13] = [
    "password", "pass", "pwd", "pw", "p", "token", "key", "k", "secret", "sha", "txt", "url",
    "alias",
];

impl Parameters {
    /// Adds what `text`, a query or a form, holds. Empty pairs (`a=1&&b=2&`)
    /// are nothing; `&amp;`, as copied from a web page, is `&`.
    pub fn read(&mut self, text: &[u8]) {
        for pair in text.split(|&byte| byte == b'&') {
            let pair = pair.strip_prefix(b"amp;").unwrap_or(pair);
            let equals = pair.iter().position(|&byte| byte == b'=');
            let (name, value) = match equals {
                Some(at) => (&pair[..at], &pair[at + 1..]),
                None => (pair, &b""[..]),
            };
            if !name.is_empty() {
                self.push(&decode(name), &decode(value));
            }
        }
    }

    /// Adds what a form holds. A text in which nothing has a value is none, and
    /// unread.
    pub fn read_form(&mut self, text: &[u8]) {
        self.read(text);
        self.has_unread |= !text.contains(&b'=');
    }

    /// None yet, to be put together from these: what nobody could read beside
    /// these, nobody could beside those.
    pub fn others(&self) -> Parameters {
        Parameters { pairs: Vec::new(), has_unread: self.has_unread }
    }

    /// Says that more was sent, which nobody here can read.
    pub fn add_unread(&mut self) {
        self.has_unread = true;
    }

    /// Whether more was sent than could be read: an address may be in it, so
    /// that none stands here does not mean that none was said.
    pub fn has_unread(&self) -> bool {
        self.has_unread
    }

    /// Adds one as it is.
    pub fn add(&mut self, name: &str, value: &str) {
        self.pairs.push((name.to_owned(), value.trim().to_owned()));
    }

    /// Adds a pair. Where a second URL is glued to the value (two URLs in one
    /// field of a FRITZ!Box, a template glued to its own query by UniFi), the
    /// parameter it starts with is taken apart from it, and so on: a stranger
    /// may send a chain of thousands.
    fn push(&mut self, name: &str, value: &str) {
        let mut next = Some((name, value));
        while let Some((name, value)) = next {
            let name = name.trim().to_ascii_lowercase();
            let (own, glued) = match OPAQUE.contains(&name.as_str()) {
                true => (value, None),
                false => taken_apart(value),
            };
            if !name.is_empty() {
                self.pairs.push((name, own.trim().to_owned()));
            }
            next = glued;
        }
    }

    /// Whether there is one of this name, empty or not.
    pub fn has(&self, name: &str) -> bool {
        self.pairs.iter().any(|(have, _)| have == name)
    }

    /// Every value of this name.
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.pairs.iter().filter(move |(have, _)| have == name).map(|(_, value)| value.as_str())
    }

    /// The first value that is not empty, of the first name that has one.
    pub fn first<'a>(&'a self, names: &'a [&str]) -> Option<&'a str> {
        names.iter().flat_map(|name| self.all(name)).find(|value| !value.is_empty())
    }

    /// Names and values in the order sent.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.pairs.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }
}

/// A value without the URL glued to it, and the parameter which that starts
/// with.
fn taken_apart(value: &str) -> (&str, Option<(&str, &str)>) {
    let (own, glued) = match value.split_once('?') {
        Some((own, query)) => (own, query.split_once('=')),
        None => (value, None),
    };
    if !own.contains(":/") {
        return (own, glued);
    }
    let lower = own.to_ascii_lowercase();
    let url = ["http:/", "https:/"].iter().filter_map(|scheme| lower.find(scheme)).min();
    (&own[..url.unwrap_or(own.len())], glued)
}

/// Percent-decoded text, `+` being a blank. A `%` that is no escape stays.
fn decode(bytes: &[u8]) -> String {
    if !bytes.iter().any(|byte| b"%+".contains(byte)) {
        return text(bytes.to_vec());
    }
    let spaced: Vec<u8> =
        bytes.iter().map(|&byte| if byte == b'+' { b' ' } else { byte }).collect();
    text(percent_decode(&spaced).collect())
}

/// UTF-8, or what old firmware means when it is not: Latin-1.
pub fn text(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes)
        .unwrap_or_else(|error| error.into_bytes().into_iter().map(char::from).collect())
}

#[cfg(test)]
mod tests {
    use super::Parameters;

    fn read(query: &str) -> String {
        let mut parameters = Parameters::default();
        parameters.read(query.as_bytes());
        let pairs: Vec<String> =
            parameters.iter().map(|(name, value)| format!("{name}={value}")).collect();
        pairs.join("\n")
    }

    #[test]
    fn pairs_as_clients_spell_them() {
        assert_eq!(
            read("hostname=a&MyIP=1%2E2&wildcard=OFF&"),
            "hostname=a\nmyip=1.2\nwildcard=OFF"
        );
        assert_eq!(read("a=1&amp;b=2&&=3&c"), "a=1\nb=2\nc=");
        assert_eq!(read("h=%h&i=%i&p=a+b%2Bc"), "h=%h\ni=%i\np=a b+c");
        assert_eq!(read("h=gr%F6%DFe&i=gr%C3%B6%C3%9Fe"), "h=größe\ni=größe");
    }

    #[test]
    fn a_second_url_glued_to_a_value_is_taken_apart() {
        assert_eq!(
            read("ip=%i&hostname=%h/nic/update?system=dyndns&hostname=real&myip=1"),
            "ip=%i\nhostname=%h/nic/update\nsystem=dyndns\nhostname=real\nmyip=1"
        );
        assert_eq!(
            read("hostname=a&myip=1.2.3.4%20https://b/nic/update?hostname=a&myip=::1"),
            "hostname=a\nmyip=1.2.3.4\nhostname=a\nmyip=::1"
        );
        assert_eq!(read("myip=1.2.3.4https:/b/nic"), "myip=1.2.3.4");
        assert_eq!(read("password=a?b=c&url=http://x/?d=e"), "password=a?b=c\nurl=http://x/?d=e");
        assert_eq!(read("myip=1?=2?=3"), "myip=1");
    }

    #[test]
    fn a_chain_of_glued_urls_takes_no_stack() {
        let (links, of_value) = (30_000, "myip=1");
        let chain = of_value.to_owned() + &"?a=".repeat(links);
        let small = std::thread::Builder::new().stack_size(256 * 1024);
        let read = small.spawn(move || read(&chain)).unwrap().join().unwrap();
        assert_eq!(read.lines().count(), 1 + links);
    }
}
