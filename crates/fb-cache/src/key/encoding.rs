//! The unambiguous byte encoding that keys are hashed from.

/// Appends bytes with their length first, so that no two sequences of values have the same encoding.
pub(super) fn push_bytes(encoded: &mut Vec<u8>, bytes: &[u8]) {
    encoded.extend_from_slice(&(bytes.len() as u64).to_le_bytes());
    encoded.extend_from_slice(bytes);
}
