//! Weighted rendezvous hashing of sticky keys to targets.

/// Returns the rendezvous score of a target for a key; the target with the highest score owns the key.
///
/// A score depends only on key, target and weight. When a target is removed, only its own keys move; when a weight
/// grows, keys move only to that target. Over many keys, each target owns a share proportional to its weight.
pub(crate) fn rendezvous_score(key: &str, target: &str, weight: f64) -> f64 {
    // The upper 53 bits plus half a step: strictly between 0 and 1, so that the logarithm is finite and not 0.
    #[expect(clippy::cast_precision_loss, reason = "53 bits are exact")]
    let unit = ((hash(key, target) >> 11) as f64 + 0.5) / (1_u64 << 53) as f64;
    -weight / unit.ln()
}

/// FNV-1a with the finalizer of `MurmurHash3`, so that every input bit affects every output bit.
///
/// The standard library's hasher may change between compiler versions, and replicas of different builds must agree on
/// the owner of a key.
fn hash(key: &str, target: &str) -> u64 {
    // The byte 0xff never occurs in UTF-8, so it separates key and target unambiguously.
    let bytes = key.bytes().chain([0xff]).chain(target.bytes());
    let fnv = bytes.fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    });
    let mixed = (fnv ^ (fnv >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
    let mixed = (mixed ^ (mixed >> 33)).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    mixed ^ (mixed >> 33)
}

#[cfg(test)]
mod tests;
