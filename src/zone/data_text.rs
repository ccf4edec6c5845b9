//! One record's data from text and to text, outside a master file.

use hickory_proto::rr::RData;
use hickory_proto::serialize::binary::{BinDecoder, Restrict};

use super::lex::{Lexer, Word};
use super::rdata;
use crate::model::{Name, RecordType};

/// The data of a record as it is written in a master file (RFC 1035 §5.1),
/// names being absolute with or without their last dot; in wire form, names in
/// lower case and uncompressed.
///
/// # Errors
/// A sentence that says what is wrong with the text.
pub fn data_from_text(rtype: RecordType, text: &str) -> Result<Vec<u8>, String> {
    let entry = Lexer::new(text).entry().map_err(|fault| fault.problem.to_owned())?;
    let entry =
        entry.ok_or_else(|| format!("a {rtype} record has data: give it after the type"))?;
    rdata::read(rtype, &entry.words, &Name::root())
}

/// The same of words that are taken apart already: a shell's. Quotes that the
/// shell left are a master file's, so that what `record list` and dig print can
/// be given in one piece, or word by word.
///
/// # Errors
/// A sentence that says what is wrong with the words.
pub fn data_from_words(rtype: RecordType, words: &[String]) -> Result<Vec<u8>, String> {
    match words {
        [] => Err(format!("a {rtype} record has data: give it after the type")),
        [text] if !matches!(rtype, RecordType::TXT | RecordType::SPF) || text.starts_with('"') => {
            data_from_text(rtype, text)
        }
        words => {
            let words: Vec<Word> = words.iter().map(|text| word(text)).collect();
            rdata::read(rtype, &words, &Name::root())
        }
    }
}

/// What the shell took for one word stays one, blanks and all.
fn word(text: &str) -> Word<'_> {
    match text.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) {
        Some(inner) if !ends_a_quote(inner) => Word { text: inner, quoted: true },
        _ => {
            let quoted = text.is_empty() || text.contains([' ', '\t', ';', '(', ')']);
            Word { text, quoted }
        }
    }
}

/// Whether there is a quote in a text that stands for itself, or one after it
/// would (`\"`).
fn ends_a_quote(text: &str) -> bool {
    let mut escaped = false;
    for c in text.chars() {
        if c == '"' && !escaped {
            return true;
        }
        escaped = c == '\\' && !escaped;
    }
    escaped
}

/// A record's data in presentation form; `\\# length hex` where there is none
/// (RFC 3597 §5), or none that would be read again as these data.
pub fn data_to_text(rtype: RecordType, data: &[u8]) -> String {
    // hickory-proto writes texts without quotes.
    if let (RecordType::TXT | RecordType::SPF, Some(texts)) = (rtype, texts(data)) {
        return texts;
    }
    let mut decoder = BinDecoder::new(data);
    let length = Restrict::new(u16::try_from(data.len()).unwrap_or(u16::MAX));
    let words = match RData::read(&mut decoder, rtype.0.into(), length) {
        Ok(read) if decoder.is_empty() && !matches!(read, RData::Unknown { .. }) => {
            read.to_string()
        }
        _ => return octets(data),
    };
    // hickory-proto leaves out quotes and escapes here and there.
    match data_from_text(rtype, &words) {
        Ok(again) if again == data => words,
        _ => octets(data),
    }
}

fn octets(data: &[u8]) -> String {
    let text = format!("\\# {} {}", data.len(), data_encoding::HEXLOWER.encode(data));
    text.trim_end().to_owned()
}

/// Character strings in quotes (RFC 1035 §5.1); `None`: they are none.
fn texts(mut data: &[u8]) -> Option<String> {
    let mut texts = Vec::new();
    while let Some((&length, rest)) = data.split_first() {
        let text = rest.get(..usize::from(length))?;
        data = &rest[text.len()..];
        let character = |&octet: &u8| match octet {
            b'"' | b'\\' => format!("\\{}", char::from(octet)),
            b' '..=b'~' => char::from(octet).into(),
            _ => format!("\\{octet:03}"),
        };
        texts.push(format!("\"{}\"", text.iter().map(character).collect::<String>()));
    }
    (!texts.is_empty()).then(|| texts.join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_and_back() {
        for (rtype, text) in [
            ("MX", "10 mail.example.org."),
            ("TXT", "\"v=spf1 -all\" \"a \\\"b\\\" \\\\ \\200\""),
            ("CAA", "0 issue \"letsencrypt.org\""),
            ("SRV", "0 5 5060 sip.example.org."),
            ("SSHFP", "4 2 123456789ABCDEF67890123456789ABCDEF67890123456789ABCDEF123456789"),
            ("A", "192.0.2.1"),
            ("CNAME", "x.tunnel.example."),
            ("TYPE65280", "\\# 3 abcdef"),
            ("TYPE65280", "\\# 0"),
            ("NULL", "\\# 0"),
            ("CAA", "0 issue \"ca.test; a=\\\"b c\\\"\""),
            ("HINFO", "\"a b\" \"\\\"\""),
            ("NAPTR", "1 2 \"\\\"\" \"\\\\\" \"a b\" x.example."),
        ] {
            let rtype: RecordType = rtype.parse().unwrap();
            let data = data_from_text(rtype, text).unwrap();
            let back = data_to_text(rtype, &data);
            assert_eq!(data_from_text(rtype, &back), Ok(data), "{rtype} {text} -> {back}");
        }
    }

    #[test]
    fn words_of_a_shell() {
        let words = |words: &[&str]| -> Vec<String> { words.iter().map(|&w| w.into()).collect() };
        assert_eq!(
            data_from_words(RecordType::TXT, &words(&["a b; c"])),
            Ok(b"\x06a b; c".to_vec())
        );
        assert_eq!(
            data_from_words(RecordType::MX, &words(&["10", "mail.example.org"])),
            data_from_words(RecordType::MX, &words(&["10 mail.example.org."])),
        );
        assert!(data_from_words(RecordType::MX, &[]).is_err());
    }

    /// What a person pastes from `record list`, dig or a zone file, in quotes
    /// of the shell's around those that are there.
    #[test]
    fn quotes_that_the_shell_left() {
        let words = |words: &[&str]| -> Vec<String> { words.iter().map(|&w| w.into()).collect() };
        let caa = data_from_text(RecordType::CAA, "0 issue \"letsencrypt.org\"");
        let spf = data_from_text(RecordType::TXT, "\"v=spf1 -all\"");
        let two = data_from_text(RecordType::TXT, "\"a b\" \"c\"");
        for (rtype, given, wanted) in [
            (RecordType::CAA, &["0", "issue", "\"letsencrypt.org\""][..], &caa),
            (RecordType::CAA, &["0 issue \"letsencrypt.org\""], &caa),
            (RecordType::CAA, &["0", "issue", "letsencrypt.org"], &caa),
            (RecordType::TXT, &["\"v=spf1 -all\""], &spf),
            (RecordType::TXT, &["v=spf1 -all"], &spf),
            (RecordType::TXT, &["\"a b\" \"c\""], &two),
            (RecordType::TXT, &["\"a b\"", "c"], &two),
        ] {
            assert_eq!(data_from_words(rtype, &words(given)), *wanted, "{given:?}");
        }
        // A quote within a word is one.
        assert_eq!(
            data_from_words(RecordType::TXT, &words(&["say \"x\""])),
            Ok(b"\x07say \"x\"".to_vec())
        );
        assert_eq!(
            data_from_words(RecordType::TXT, &words(&["\"a \\\"b\\\"\"", "c"])),
            Ok(b"\x05a \"b\"\x01c".to_vec())
        );
        assert!(data_from_words(RecordType::TXT, &words(&["\"no end"])).is_err());
    }

    #[test]
    fn data_have_a_type() {
        assert!(data_from_text(RecordType::A, "home").is_err());
    }
}
