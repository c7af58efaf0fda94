//! Which toolchain builds for a target that is not the host's.
//!
//! The ordinary one is the active toolchain with the target's standard library, which rustup may have to add.
//! Where rustup can add none, `core` is built from source by a toolchain that has its library's source beside it:
//! Debian's `rustc-web`, `cargo-web` and `rust-web-src`, or a rustup toolchain with the component `rust-src`.
//! `MOTE_CROSS=active` or `MOTE_CROSS=build-std` forces either.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};
use std::{env, fs};

use anyhow::{Context, Result, bail};

use crate::shell::{output, root, succeeds};

/// The oldest Rust that builds this project.
const OLDEST: (u32, u32) = (1, 95);

/// A way to build for a target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Toolchain {
    /// The toolchain that runs xtask.
    Active,
    /// The toolchain in this folder, with `core` from source.
    BuildStd(PathBuf),
}

/// Variables of an outer cargo or rustup that would change what an inner one does.
fn disturbs(name: &str) -> bool {
    const PREFIXES: [&str; 3] = ["CARGO_PKG_", "CARGO_MANIFEST_", "CARGO_BIN_"];
    const NAMES: [&str; 12] = [
        "CARGO",
        "RUSTC",
        "RUSTDOC",
        "RUSTC_WRAPPER",
        "RUSTFLAGS",
        "CARGO_ENCODED_RUSTFLAGS",
        "CARGO_BUILD_RUSTFLAGS",
        "CARGO_BUILD_TARGET",
        "RUSTUP_TOOLCHAIN",
        "RUSTUP_TOOLCHAIN_SOURCE",
        "RUST_RECURSION_COUNT",
        "LD_LIBRARY_PATH",
    ];
    NAMES.contains(&name) || PREFIXES.iter().any(|prefix| name.starts_with(prefix))
}

impl Toolchain {
    /// The way to build for `target`. Adds it to the active toolchain when that is all it takes.
    pub(crate) fn of(target: &str) -> Result<Self> {
        let forced = env::var("MOTE_CROSS").unwrap_or_default();
        if forced != "build-std" && (has_library(target) || add(target)) {
            return Ok(Self::Active);
        }
        match from_source() {
            Some(folder) if forced != "active" => Ok(Self::BuildStd(folder)),
            _ => bail!(
                "there is no standard library for {target}, and none can be built\n  \
                 run: rustup target add {target}\n  or, on Debian without rustup's servers: cargo xtask setup"
            ),
        }
    }

    /// What it is, for messages.
    pub(crate) fn describe(&self) -> String {
        match self {
            Self::Active => "the active toolchain".into(),
            Self::BuildStd(folder) => format!("{}, core from source", folder.join("rustc").display()),
        }
    }

    /// `cargo build` of programs without `std` for `target` in `folder`.
    pub(crate) fn build(&self, target: &str, folder: &Path) -> Result<Command> {
        let mut command = self.cargo(&["build", "--release", "--target", target], "core,alloc")?;
        command.current_dir(folder);
        Ok(command)
    }

    /// `cargo` with these arguments, which name a target; `libraries` are those that come from source where they must.
    pub(crate) fn cargo(&self, arguments: &[&str], libraries: &str) -> Result<Command> {
        let mut command = match self {
            Self::Active => Command::new(env::var_os("CARGO").unwrap_or("cargo".into())),
            Self::BuildStd(bin) => Command::new(bin.join("cargo")),
        };
        for (name, _) in env::vars_os().filter(|(name, _)| name.to_str().is_some_and(disturbs)) {
            command.env_remove(name);
        }
        command.args(arguments);
        match self {
            Self::Active => {
                // The same toolchain as xtask's own; the other variables follow from it.
                if let Some(active) = env::var_os("RUSTUP_TOOLCHAIN") {
                    command.env("RUSTUP_TOOLCHAIN", active);
                }
            }
            Self::BuildStd(bin) => {
                command.arg(format!("-Zbuild-std={libraries}"));
                command.env("RUSTC_BOOTSTRAP", "1").env("RUSTC", bin.join("rustc"));
                command.env("PATH", path_with(bin)?);
            }
        }
        Ok(command)
    }
}

/// The active compiler.
fn rustc() -> Command {
    Command::new(env::var_os("RUSTC").unwrap_or("rustc".into()))
}

/// Whether the active toolchain has the target's `core`.
pub(crate) fn has_library(target: &str) -> bool {
    let folder = output(rustc().args(["--print", "target-libdir", "--target", target]));
    let entries = folder.and_then(|folder| Path::new(&folder).read_dir().ok());
    entries.is_some_and(|mut all| {
        all.any(|entry| entry.is_ok_and(|entry| entry.file_name().to_string_lossy().starts_with("libcore-")))
    })
}

/// Where it is noted that rustup cannot add targets; `setup` asks again.
fn refusal() -> PathBuf {
    root().join("target/xtask/rustup-adds-no-targets")
}

/// Forgets what rustup could not do.
pub(crate) fn ask_rustup_again() {
    let _ = fs::remove_file(refusal());
}

/// Asks rustup for the target, unless it refused one before.
fn add(target: &str) -> bool {
    if refusal().exists() {
        return false;
    }
    let added = rustup_adds(target) && has_library(target);
    if !added {
        let _ = fs::create_dir_all(root().join("target/xtask")).and_then(|()| fs::write(refusal(), target));
    }
    added
}

/// Lets rustup try for a minute: without its servers it may wait for long.
fn rustup_adds(target: &str) -> bool {
    eprintln!("xtask: rustup target add {target}");
    let mut rustup = Command::new("rustup");
    rustup.args(["target", "add", target]).env("RUSTUP_MAX_RETRIES", "1").stdout(std::io::stderr());
    let Ok(mut child) = rustup.spawn() else { return false };
    let start = Instant::now();
    while start.elapsed() < Duration::from_secs(60) {
        match child.try_wait() {
            Ok(Some(status)) => return status.success(),
            Ok(None) => std::thread::sleep(Duration::from_millis(50)),
            Err(_) => return false,
        }
    }
    let _ = child.kill();
    let _ = child.wait();
    false
}

/// The folder of a `rustc` and `cargo` with the library's source beside them, new enough for this project.
pub(crate) fn from_source() -> Option<PathBuf> {
    let active = output(rustc().args(["--print", "sysroot"])).map(|root| Path::new(&root).join("bin"));
    let folders = active.into_iter().chain(["/usr/bin", "/usr/local/bin"].map(PathBuf::from));
    folders.into_iter().find(|folder| builds_library(folder))
}

fn builds_library(folder: &Path) -> bool {
    let rustc = || {
        let mut command = Command::new(folder.join("rustc"));
        command.env_remove("RUSTUP_TOOLCHAIN").env_remove("LD_LIBRARY_PATH");
        command
    };
    let source = "lib/rustlib/src/rust/library/Cargo.lock";
    let has_source = output(rustc().args(["--print", "sysroot"]))
        .is_some_and(|root| Path::new(&root).join(source).exists());
    let version = output(rustc().arg("--version")).and_then(|text| version(&text));
    has_source
        && version.is_some_and(|version| version >= OLDEST)
        && succeeds(Command::new(folder.join("cargo")).arg("--version"))
}

/// The numbers of `rustc 1.95.0 (…)`.
fn version(text: &str) -> Option<(u32, u32)> {
    let mut numbers = text.split_whitespace().nth(1)?.split('.').map(str::parse);
    Some((numbers.next()?.ok()?, numbers.next()?.ok()?))
}

/// PATH with the toolchain first, so that no shim answers for it, then the linker that every toolchain of rustup
/// carries under its plain name.
fn path_with(bin: &Path) -> Result<std::ffi::OsString> {
    let mut folders = vec![bin.to_path_buf()];
    folders.extend(linker());
    folders.extend(env::split_paths(&env::var_os("PATH").unwrap_or_default()));
    if !folders.iter().any(|folder| folder.join("rust-lld").exists()) {
        bail!(
            "the linker rust-lld is missing: it comes with every rustup toolchain, and with Debian's rustc-web"
        );
    }
    env::join_paths(folders).context("PATH holds a folder that cannot be written there")
}

/// The folder of the active toolchain's linker.
fn linker() -> Option<PathBuf> {
    let sysroot = output(rustc().args(["--print", "sysroot"]))?;
    let about = output(rustc().arg("-vV"))?;
    let host = about.lines().find_map(|line| line.strip_prefix("host: "))?;
    Some(Path::new(&sysroot).join("lib/rustlib").join(host).join("bin"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read() {
        assert_eq!(version("rustc 1.95.0 (59807616e 2026-04-14)"), Some((1, 95)));
        assert_eq!(version("rustc 1.96.0-nightly"), Some((1, 96)));
        assert_eq!(version("error"), None);
    }

    #[test]
    fn the_workspace_names_the_same_oldest_rust() {
        let manifest = std::fs::read_to_string(crate::shell::root().join("Cargo.toml")).unwrap();
        assert!(manifest.contains(&format!("rust-version = \"{}.{}\"", OLDEST.0, OLDEST.1)));
    }

    #[test]
    fn an_outer_cargo_is_forgotten_and_the_registry_is_not() {
        for name in ["CARGO", "RUSTUP_TOOLCHAIN", "CARGO_MANIFEST_DIR", "CARGO_PKG_NAME", "RUSTFLAGS"] {
            assert!(disturbs(name), "{name}");
        }
        for name in ["CARGO_HOME", "RUSTUP_HOME", "PATH", "HOME", "CARGO_NET_OFFLINE"] {
            assert!(!disturbs(name), "{name}");
        }
    }
}
