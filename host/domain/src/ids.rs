//! Integer ids, one type per noun so that they cannot be mixed up.

use serde::{Deserialize, Serialize};

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident)*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub i64);

        impl From<i64> for $name {
            fn from(id: i64) -> Self {
                Self(id)
            }
        }

        impl From<$name> for i64 {
            fn from(id: $name) -> Self {
                id.0
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                self.0.fmt(f)
            }
        }
    )*};
}

ids! {
    /// A person who logs in to build bots.
    UserId
    /// A long-lived credential of a user.
    ApiKeyId
    /// A bot: the owner of flows, contacts and one WhatsApp number.
    BotId
    /// A flow: a graph of nodes.
    FlowId
    /// One node of a flow's draft. Running executions speak of positions, not of these.
    NodeId
    /// A flow template.
    TemplateId
    /// A person who writes to a bot.
    ContactId
    /// One message, inbound or outbound.
    MessageId
    /// One run of a flow with one contact.
    ExecutionId
    /// A trigger: what starts a flow.
    TriggerId
    /// One thing waiting to be handled in a contact's mailbox.
    ItemId
    /// A plugin: what a user uploaded under one name, in all its versions.
    PluginId
    /// One running server process. A restart is another host.
    HostId
}
