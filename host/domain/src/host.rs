//! What a host does for the others.

/// What a running server process does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HostRole {
    /// Everything: the only role where a database has one host.
    All,
    /// Takes requests and webhooks; runs no contact and sends nothing.
    Api,
    /// Runs contacts and sends; answers nothing but questions about its health.
    Worker,
}

impl HostRole {
    /// The word of the configuration and of the database.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::All => "all",
            Self::Api => "api",
            Self::Worker => "worker",
        }
    }

    /// Whether it runs contacts and sends.
    pub fn works(self) -> bool {
        self != Self::Api
    }
}

impl From<String> for HostRole {
    /// A word of a newer version is a host of which nothing is known: it is counted as one that does everything.
    fn from(word: String) -> Self {
        match word.as_str() {
            "api" => Self::Api,
            "worker" => Self::Worker,
            _ => Self::All,
        }
    }
}
