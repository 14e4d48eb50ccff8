use std::{fmt, str::FromStr};

use thiserror::Error;

/// The id of a request: 128 random bits, displayed as `req_` and 32 hexadecimal digits.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RequestId(u128);

impl RequestId {
    /// Creates an id from its bits.
    pub const fn new(bits: u128) -> Self {
        Self(bits)
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "req_{:032x}", self.0)
    }
}

impl FromStr for RequestId {
    type Err = InvalidRequestId;

    fn from_str(text: &str) -> Result<Self, InvalidRequestId> {
        let digits = text.strip_prefix("req_").filter(|digits| digits.len() == 32);
        let is_hex = |digits: &&str| digits.bytes().all(|byte| byte.is_ascii_hexdigit());
        let bits = digits.filter(is_hex).and_then(|digits| u128::from_str_radix(digits, 16).ok());
        bits.map(Self).ok_or_else(|| InvalidRequestId(text.chars().take(64).collect()))
    }
}

/// The error for a text that is not a request id.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{0:?} is not a request id; expected req_ and 32 hexadecimal digits")]
pub struct InvalidRequestId(String);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn request_id_round_trips_and_rejects_other_text() {
        let id = RequestId::new(0xfeed);
        assert_eq!(id.to_string(), "req_0000000000000000000000000000feed");
        assert_eq!(id.to_string().parse(), Ok(id));
        let long = format!("req_{}", "0".repeat(33));
        for wrong in ["", "req_", "feed", "req_+000000000000000000000000000feed", &long] {
            let error = wrong.parse::<RequestId>().unwrap_err().to_string();
            assert!(error.contains("expected req_ and 32"), "{error}");
        }
    }
}
