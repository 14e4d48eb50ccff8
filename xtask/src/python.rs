//! A Python environment with the client libraries the tests drive the gateway with.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, ExitCode},
};

use anyhow::{Context, Result};

use crate::{
    apt,
    process::{read, run as run_command, succeeds, target_dir},
};

const REQUIREMENTS: &str = include_str!("../python-requirements.txt");

pub(crate) fn run() -> Result<ExitCode> {
    println!("{}", prepare(&target_dir()?)?.display());
    Ok(ExitCode::SUCCESS)
}

/// Returns the interpreter of an environment that has the required packages. The environment is rebuilt when the
/// requirements change.
pub(crate) fn prepare(target: &Path) -> Result<PathBuf> {
    let folder = target.join("py");
    let interpreter = folder.join("bin/python");
    // Written last, so that an interrupted installation is not mistaken for a complete one.
    let stamp = folder.join("requirements.stamp");
    let is_current = fs::read_to_string(&stamp).is_ok_and(|text| text == REQUIREMENTS);
    if is_current && succeeds(Command::new(&interpreter).arg("--version")) {
        return Ok(interpreter);
    }

    println!("creating the Python environment {}", folder.display());
    if folder.exists() {
        fs::remove_dir_all(&folder).with_context(|| format!("cannot remove {}", folder.display()))?;
    }
    fs::create_dir_all(target)?;
    // Debian ships `venv` without `ensurepip`: the packages come from the pip outside.
    if !succeeds(Command::new("python3").args(["-c", "import pip, venv"])) {
        apt::install(&["python3", "python3-pip", "python3-venv"], "python3 with venv and pip is missing")?;
    }
    run_command(Command::new("python3").args(["-m", "venv", "--without-pip"]).arg(&folder))?;
    let packages = read(
        Command::new(&interpreter).args(["-c", "import sysconfig; print(sysconfig.get_path('purelib'))"]),
    )?;
    let requirements = folder.join("requirements.txt");
    fs::write(&requirements, REQUIREMENTS)?;
    let mut install = Command::new("python3");
    // Conflicts with packages outside of the environment do not concern it.
    let quiet = "-q --disable-pip-version-check --no-warn-conflicts";
    install.args(["-m", "pip", "install"]).args(quiet.split(' ')).env("PIP_ROOT_USER_ACTION", "ignore");
    install.arg("--target").arg(packages.trim()).arg("-r").arg(&requirements);
    run_command(&mut install)?;
    fs::rename(&requirements, &stamp)?;
    Ok(interpreter)
}
