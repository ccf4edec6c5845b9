//! Which differences are no faults.

use std::collections::BTreeMap;
use std::path::Path;

use super::canonical::{Canonical, Parts};
use super::questions::Asked;
use truename::wire::RecordType;

/// The classes of difference explained for a server: `class | servers | why`.
pub fn table(file: &Path, server: &str) -> BTreeMap<String, String> {
    let text = std::fs::read_to_string(file).unwrap();
    let rows = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    let mut table = BTreeMap::new();
    for row in rows {
        let columns: Vec<&str> = row.split('|').map(str::trim).collect();
        let [class, servers, why] = columns[..] else { panic!("three columns: {row}") };
        assert!(!why.is_empty(), "{row}");
        if servers.split_whitespace().any(|name| name == server) {
            table.insert(class.to_owned(), why.to_owned());
        }
    }
    table
}

/// The class that two answers differ by; `None` if they are the same.
///
/// # Errors
/// Both answers, when no class knows the difference.
pub fn difference(
    question: &Asked,
    ours: &Canonical,
    theirs: &Canonical,
) -> Result<Option<&'static str>, String> {
    if ours == theirs {
        return Ok(None);
    }
    let class = match (ours, theirs) {
        (Canonical::Message(our), Canonical::Message(their)) => class(question, our, their),
        (Canonical::Message(our), Canonical::Silence) => {
            (our.code == "formerr" && our.echoed.is_none()).then_some("silence")
        }
        _ => None,
    };
    class.map(Some).ok_or_else(|| format!("  ours:   {ours}\n  theirs: {theirs}"))
}

/// Each class only in the shape its explanation speaks of.
fn class(question: &Asked, our: &Parts, their: &Parts) -> Option<&'static str> {
    let (answer, authority, additional) = (0, 1, 2);
    let but = |same: &dyn Fn(&mut Parts)| same_but(our, their, same);
    let is_cname = |record: &String| record.contains(" CNAME ");
    let both = |part: usize| (&our.sections[part], &their.sections[part]);
    let (our_answer, their_answer) = both(answer);
    let rtype = question.question().map(|(_, rtype)| rtype);

    if question.odd.is_some() {
        return odd(question, our, their);
    }
    if !our_answer.is_empty()
        && our.sections[additional].is_empty()
        && but(&|their| their.sections[additional].clear())
    {
        return Some("additional");
    }
    if rtype == Some(RecordType::ANY)
        && !our_answer.is_empty()
        && !their_answer.is_empty()
        && but(&|their| {
            their.sections[answer] = our.sections[answer].clone();
            their.sections[additional].clear();
        })
    {
        return Some("any");
    }
    // Five links and nothing else, of a chain that we follow further.
    if their_answer.len() == 5
        && their_answer.iter().all(is_cname)
        && their_answer.is_subset(our_answer)
        && their.sections[authority].is_empty()
        && but(&|their| their.sections = our.sections.clone())
    {
        return Some("chain");
    }
    // One link, which leads into another zone, and what that zone says.
    let link = our_answer.iter().next().filter(|_| our_answer.len() == 1);
    if link.is_some_and(|link| link.contains(" CNAME www.child.") || link.contains("up.child."))
        && our.sections[authority].is_empty()
        && our_answer.is_subset(their_answer)
        && but(&|their| {
            their.sections = our.sections.clone();
        })
    {
        return Some("other zone");
    }
    None
}

/// Whether nothing differs once these parts of ours stand in place of theirs.
fn same_but(our: &Parts, their: &Parts, change: impl FnOnce(&mut Parts)) -> bool {
    let mut their = their.clone();
    change(&mut their);
    *our == their
}

/// Messages that are odd in one way.
fn odd(question: &Asked, our: &Parts, their: &Parts) -> Option<&'static str> {
    let odd = question.odd.unwrap_or_default();
    let same_but_the_question = same_but(our, their, |their| their.echoed = our.echoed);
    match odd {
        _ if same_but_the_question && our.code != "noerror" => Some("question"),
        "an opcode nobody has"
            if same_but(our, their, |their| {
                (their.echoed, their.header) = (our.echoed, their.header & !0x100);
            }) =>
        {
            Some("RD")
        }
        "octets behind the question" | "one octet behind the question" if our.code == "formerr" => {
            Some("rubbish")
        }
        "a record in the answer section"
        | "a record in the authority section"
        | "a record in the additional section"
        | "an OPT record and another"
        | "another record and an OPT record"
        | "every flag a query can have"
            if our.code == "noerror" && their.code == "formerr" =>
        {
            Some("strict")
        }
        "an OPT record with a name" if our.code == "formerr" => Some("named OPT"),
        "EDNS version 255 with DO" if same_but(our, their, |their| their.edns = our.edns) => {
            Some("badvers DO")
        }
        "another class" if our.code == "refused" && their.code == "noerror" => Some("class ANY"),
        "a type that is no data" => Some("meta"),
        _ => None,
    }
}
