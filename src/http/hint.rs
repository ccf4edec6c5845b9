//! What the owner of a client should mend: one sentence of advice each, for
//! the log and for whoever asks why an update did not work.

/// Something odd about a request that its owner can mend.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hint {
    /// A host such as `%h`.
    HostPlaceholder,
    /// An address such as `<ip6addr>`.
    AddressPlaceholder,
    /// No address, and none to be seen.
    NoSource,
}

impl Hint {
    /// A sentence that says what to do.
    pub fn sentence(self) -> &'static str {
        match self {
            Hint::HostPlaceholder => {
                "the router sent its template for the host (like %h or <domain>) unfilled: \
                 write the host name into its update URL"
            }
            Hint::AddressPlaceholder => {
                "the router sent its template for an address (like %i or <ip6addr>) unfilled: \
                 take the parameter out of its update URL"
            }
            Hint::NoSource => {
                "no address was given, and the request came from this machine or a trusted proxy \
                 that did not say for whom: set trusted_proxies, and X-Forwarded-For in the proxy"
            }
        }
    }
}
