//! Bytes in JSON: as text where they are UTF-8, otherwise as `{"hex": "…"}`.

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};

#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Form {
    Text(String),
    Hex { hex: String },
}

pub(crate) fn serialize<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
    match std::str::from_utf8(bytes) {
        Ok(text) => Form::Text(text.to_owned()),
        Err(_) => Form::Hex { hex: crate::hex::encode(bytes) },
    }
    .serialize(serializer)
}

pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
    match Form::deserialize(deserializer)? {
        Form::Text(text) => Ok(text.into_bytes()),
        Form::Hex { hex } => crate::hex::decode(&hex).ok_or_else(|| D::Error::custom("hex digits are expected")),
    }
}
