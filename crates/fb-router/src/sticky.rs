//! Which target a key belongs to.

/// The claim of a target on a key, by rendezvous hashing with weights: the highest claim wins.
///
/// A claim depends on nothing but key, target and weight, so when a target goes only its own keys move, and when a
/// weight grows keys move to that target only. Over many keys each target wins the part its weight is of all.
pub(crate) fn claim(key: &str, target: &str, weight: f64) -> f64 {
    // The upper 53 bits, in the middle of their step: never 0 or 1.
    #[expect(clippy::cast_precision_loss, reason = "53 bits are exact")]
    let unit = ((hash(key, target) >> 11) as f64 + 0.5) / (1_u64 << 53) as f64;
    -weight / unit.ln()
}

/// FNV-1a, then the last steps of `MurmurHash3` so that every bit of the input reaches every bit of the result.
///
/// Not the standard library's hash: its result may change with the compiler, and replicas of different builds have to
/// agree on who serves a key.
fn hash(key: &str, target: &str) -> u64 {
    // No UTF-8 text holds the byte 0xff, so key and target cannot run into one another.
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
