//! The boards that have an image. What they are made of is said in `firmware/`: the target in each board's
//! `.cargo/config.toml`, the machine in `run-qemu.sh`; a test holds this list against both.

use std::path::PathBuf;

use clap::ValueEnum;

use crate::shell::root;

/// A board that QEMU emulates.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Board {
    QemuM4,
    QemuM7,
    QemuM33,
    QemuM3,
    QemuM0,
    QemuRiscv,
}

impl Board {
    /// All of them.
    pub(crate) const ALL: &[Self] =
        &[Self::QemuM4, Self::QemuM7, Self::QemuM33, Self::QemuM3, Self::QemuM0, Self::QemuRiscv];

    /// The name of the board, its crate and its image.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::QemuM4 => "qemu-m4",
            Self::QemuM7 => "qemu-m7",
            Self::QemuM33 => "qemu-m33",
            Self::QemuM3 => "qemu-m3",
            Self::QemuM0 => "qemu-m0",
            Self::QemuRiscv => "qemu-riscv",
        }
    }

    /// The target triple.
    pub(crate) fn target(self) -> &'static str {
        match self {
            Self::QemuM4 | Self::QemuM7 => "thumbv7em-none-eabihf",
            Self::QemuM33 => "thumbv8m.main-none-eabihf",
            Self::QemuM3 => "thumbv7m-none-eabi",
            Self::QemuM0 => "thumbv6m-none-eabi",
            Self::QemuRiscv => "riscv32imac-unknown-none-elf",
        }
    }

    /// Its emulator, and Debian's package of that.
    pub(crate) fn emulator(self) -> (&'static str, &'static str) {
        match self {
            Self::QemuRiscv => ("qemu-system-riscv32", "qemu-system-misc"),
            _ => ("qemu-system-arm", "qemu-system-arm"),
        }
    }

    /// The folder of its crate.
    pub(crate) fn folder(self) -> PathBuf {
        firmware().join(self.name())
    }

    /// Where its image lies after a build, whichever toolchain built it.
    pub(crate) fn image(self) -> PathBuf {
        firmware().join("target/images").join(self.name())
    }
}

/// The folder of the firmware workspace.
pub(crate) fn firmware() -> PathBuf {
    root().join("firmware")
}

#[cfg(test)]
mod tests {
    use std::fs::read_to_string;

    use super::*;

    #[test]
    fn the_list_agrees_with_the_crates_and_the_runner() {
        let runner = read_to_string(firmware().join("run-qemu.sh")).unwrap();
        let workspace = read_to_string(firmware().join("Cargo.toml")).unwrap();
        for board in Board::ALL {
            let config = read_to_string(board.folder().join(".cargo/config.toml")).unwrap();
            assert!(config.contains(&format!("target = \"{}\"", board.target())), "{board:?}");
            assert!(config.contains(&format!("\"{}\"]", board.name())), "{board:?}");
            assert!(runner.contains(board.name()), "{board:?}");
            assert!(workspace.contains(&format!("\"{}\"", board.name())), "{board:?}");
            assert_eq!(board.to_possible_value().unwrap().get_name(), board.name());
        }
    }
}
