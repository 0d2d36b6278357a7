//! Snapshots: how one is offered, and fetched piece by piece.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::text::{DurationText, TimeText};

/// A snapshot to be fetched.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct SnapshotBeginArgs {
    /// How old it may be; where it is left out, it is as of now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "DurationText")]
    pub max_age: Option<String>,
}

/// A piece of a snapshot.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct SnapshotChunkArgs {
    /// Of which snapshot: the `id` of the answer to `snapshot.begin`.
    pub id: String,
    /// Which piece; the first is 0.
    pub index: u64,
}

/// A snapshot that can be fetched. It is true as of `as_of`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct OfferBody {
    /// What to ask for it by.
    pub id: String,
    /// The digest of all live entities in it.
    #[schemars(regex(pattern = "^[0-9a-f]{64}$"))]
    pub digest: String,
    /// When it was made.
    #[schemars(with = "TimeText")]
    pub time: String,
    /// In how many pieces it is fetched.
    pub chunks: u64,
    /// The bytes of the whole file: all pieces, one after the other.
    pub bytes: u64,
}

/// A piece of a snapshot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PieceBody {
    /// Of which snapshot.
    pub id: String,
    /// Which piece; the first is 0.
    pub index: u64,
    /// How many there are.
    pub chunks: u64,
    /// The bytes of the whole file. Every piece but the last has 1 MiB.
    pub bytes: u64,
    /// BLAKE3 of the bytes of the piece.
    #[schemars(regex(pattern = "^[0-9a-f]{64}$"))]
    pub checksum: String,
    /// The bytes of the piece.
    pub data: Base64Bytes,
}

/// Bytes, as base64 in a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Base64Bytes(pub Vec<u8>);

impl Serialize for Base64Bytes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&STANDARD.encode(&self.0))
    }
}

impl<'de> Deserialize<'de> for Base64Bytes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<str>::deserialize(deserializer)?;
        let bytes = STANDARD.decode(text.as_bytes());
        bytes.map(Self).map_err(serde::de::Error::custom)
    }
}

impl JsonSchema for Base64Bytes {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Base64".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "description": "Bytes in base64 (RFC 4648, section 4), with padding.",
            "type": "string",
            "contentEncoding": "base64"
        })
    }
}
