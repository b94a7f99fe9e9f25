//! What plugins can use of their host, each only when it is granted.

pub mod clock;
pub mod http;
pub mod kv;
pub mod log;
pub mod random;
pub mod secrets;
pub mod settings;
