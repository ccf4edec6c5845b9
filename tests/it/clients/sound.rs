//! The faults of a server that break real clients (CLIENTS.md §2): none of
//! them in any answer.

/// Checks one answer. `request` is as sent; `closed` says whether the
/// connection ended with the answer.
pub fn check(name: &str, request: &[u8], head: &str, body: &str, closed: bool) {
    let request = String::from_utf8_lossy(request).to_ascii_lowercase();
    let has = |header: &str| head.lines().any(|line| line.starts_with(header));
    let status = &head[9..12];
    let fault = |what: &str| panic!("{name}: {what}\n{head}\n\n{body}");

    // ddclient 3 and every client that reads to the end.
    if has("Transfer-Encoding") {
        fault("chunked");
    }
    // uclient-fetch, and so OpenWrt.
    if !has("Content-Length: ") {
        fault("no Content-Length");
    }
    // inadyn, ez-ipupdate, DD-WRT, Tomato wait for the end of HTTP/1.0;
    // ddclient 3 and FRITZ!Box where they asked for it.
    let keeps = request.contains("connection: keep-alive");
    if head.starts_with("HTTP/1.0") && !keeps && !closed {
        fault("HTTP/1.0 without an end");
    }
    if request.contains("\nconnection: close") && !closed {
        fault("not closed although asked to");
    }
    // GNU wget, uclient-fetch. Other languages have other words for it.
    if body == "badauth\n" && status != "401"
        || (status == "401") != has("Www-Authenticate: Basic realm=\"")
    {
        fault("badauth, 401 and the Basic challenge belong together");
    }
    // inadyn ends for good, OpenWrt asks every minute, ddclient says nothing.
    // Programs that speak JSON know what a 403 is.
    let first = request.lines().next().unwrap_or_default();
    let programs = ["post /api/records ", "/present ", "/cleanup "];
    let is_program = programs.iter().any(|path| first.contains(path));
    if (["403", "429"].contains(&status) && !is_program) || status.starts_with('3') {
        fault("a status that update clients take badly");
    }
    let words = ["good ", "nochg ", "nohost", "notfqdn", "abuse", "dnserr", "numhost"];
    let is_dyndns2 = |line: &str| words.iter().any(|word| line.starts_with(word));
    if body.lines().any(is_dyndns2) {
        if status != "200" {
            fault("an outcome of a host with a status other than 200");
        }
        // ddclient, Home Assistant, ddns-updater take the first line.
        if !body.lines().all(is_dyndns2) || !body.ends_with('\n') {
            fault("something beside one line a host");
        }
        // ez-ipupdate, pfSense, awk: `good` and the address, and no more. (Or
        // the value of the TXT record that was set.)
        for line in body.lines().filter(|line| line.contains(' ')) {
            let (_, addresses) = line.split_once(' ').expect("it has a blank");
            let is_txt = request.contains("txt=");
            let spelled = |c: char| match is_txt {
                true => c.is_ascii_alphanumeric() || "-_".contains(c),
                false => c.is_ascii_hexdigit() || ".:,".contains(c),
            };
            if addresses.is_empty() || !addresses.chars().all(spelled) {
                fault("no address after the word");
            }
        }
    }
    // DD-WRT takes the first a.b.c.d of the whole answer, inadyn the first
    // token that is an IPv6 address.
    if head
        .split(|c: char| !(c.is_ascii_digit() || c == '.'))
        .any(|word| word.split('.').count() >= 4)
    {
        fault("a number of four parts in the head");
    }
    // inadyn's sscanf needs a reason.
    if head.lines().next().is_none_or(|line| line.len() < 14) {
        fault("no reason phrase");
    }
    if head.contains("Set-Cookie") || has("Strict-Transport-Security") || has("Content-Encoding") {
        fault("a header that has no place here");
    }
    if !has("Cache-Control: no-store") && status != "400" {
        fault("it may be cached");
    }
    if head.len() + body.len() > 2048 {
        fault("longer than old firmware reads");
    }
}
