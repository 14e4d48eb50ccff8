//! The CPU features that the prebuilt `llama-server` was compiled for.

use std::fs;

/// AVX2, FMA, F16C and BMI2 are what the pinned wheel was compiled with: Haswell of 2013 and later, any Zen.
const NEEDED: [&str; 4] = ["avx2", "fma", "f16c", "bmi2"];

/// The reason why this machine cannot run the server, or `None` when it can.
pub(crate) fn unsupported() -> Option<String> {
    if !cfg!(all(target_os = "linux", target_arch = "x86_64")) {
        return Some("the prebuilt llama-server is for Linux on x86-64 only".to_owned());
    }
    missing(&fs::read_to_string("/proc/cpuinfo").unwrap_or_default())
}

/// The reason as read from the text of `/proc/cpuinfo`. A machine without that file is assumed to be able: the
/// server's exit is reported when it is not.
fn missing(cpuinfo: &str) -> Option<String> {
    let flags = cpuinfo.lines().find_map(|line| line.strip_prefix("flags")?.split_once(':'))?.1;
    let has = |needed: &&str| flags.split_whitespace().any(|flag| flag == *needed);
    let missing: Vec<&str> = NEEDED.into_iter().filter(|needed| !has(needed)).collect();
    (!missing.is_empty()).then(|| format!("this CPU lacks {}, which llama-server needs", missing.join(", ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn missing_features_are_named() {
        let flags = |flags: &str| format!("processor\t: 0\nflags\t\t: {flags}\nbugs\t\t: x\n");
        assert_eq!(missing(&flags("fpu fma avx avx2 bmi1 bmi2 f16c amx_tile")), None);
        assert_eq!(
            missing(&flags("fpu fma avx avx2_other bmi2 f16c")),
            Some("this CPU lacks avx2, which llama-server needs".to_owned())
        );
        assert_eq!(
            missing(&flags("fpu avx")),
            Some("this CPU lacks avx2, fma, f16c, bmi2, which llama-server needs".to_owned())
        );
    }

    #[test]
    fn unreadable_cpuinfo_is_no_reason() {
        assert_eq!(missing(""), None);
        assert_eq!(missing("processor\t: 0\n"), None);
    }
}
