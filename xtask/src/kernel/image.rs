//! The ELF file inside a bzImage: QEMU starts it directly, and no emulated CPU has to unpack it.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result, bail};

use crate::shell::Sh;

/// A part of a bzImage: what is compressed, and with what.
#[derive(Debug, PartialEq, Eq)]
struct Payload<'a> {
    bytes: &'a [u8],
    program: &'static str,
}

/// Unpacks the bzImage `vmlinuz` to `elf`, with the xz, zstd or lz4 of this machine.
pub fn unpack(vmlinuz: &Path, elf: &Path) -> Result<()> {
    let image = fs::read(vmlinuz).with_context(|| format!("can't read {}", vmlinuz.display()))?;
    let payload =
        parse(&image).with_context(|| format!("{} is no bzImage we know", vmlinuz.display()))?;
    let packed = elf.with_extension("packed");
    fs::write(&packed, payload.bytes)?;
    fs::write(elf, decompress(payload.program, &packed)?)?;
    fs::remove_file(&packed)?;
    Ok(())
}

/// What `program` makes of a compressed file.
pub fn decompress(program: &str, packed: &Path) -> Result<Vec<u8>> {
    let output = Sh::new(program)
        .args(["--decompress", "--stdout"])
        .arg(packed)
        .output()?;
    if !output.status.success() {
        bail!(
            "{program} can't unpack {}: {}",
            packed.display(),
            String::from_utf8_lossy(&output.stderr).trim()
        );
    }
    Ok(output.stdout)
}

/// The setup header's fields: Linux, Documentation/arch/x86/boot.rst.
fn parse(image: &[u8]) -> Result<Payload<'_>> {
    let word = |at: usize| -> Result<usize> {
        let bytes = image.get(at..at + 4).context("it ends too soon")?;
        Ok(u32::from_le_bytes(bytes.try_into()?) as usize)
    };
    if image.get(0x202..0x206) != Some(b"HdrS") {
        bail!("it has no setup header");
    }
    // 0 means 4, for the oldest of loaders.
    let sectors = match image[0x1f1] {
        0 => 4,
        sectors => usize::from(sectors),
    };
    let start = (sectors + 1) * 512 + word(0x248)?;
    // Its last word is the size that it unpacks to, which only the kernel's own unpacker wants.
    let end = (start + word(0x24c)?)
        .checked_sub(4)
        .context("its payload is empty")?;
    let bytes = image.get(start..end).context("it ends too soon")?;
    let program = match bytes {
        [0x28, 0xb5, 0x2f, 0xfd, ..] => "zstd",
        [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => "xz",
        [0x02, 0x21, 0x4c, 0x18, ..] => "lz4",
        _ => bail!("it is compressed in a way that is none of zstd, xz and lz4"),
    };
    Ok(Payload { bytes, program })
}

#[cfg(test)]
mod tests {
    use super::{Payload, parse};

    fn image(sectors: u8, payload: &[u8]) -> Vec<u8> {
        let setup = (usize::from(if sectors == 0 { 4 } else { sectors }) + 1) * 512;
        let mut image = vec![0; setup + 16];
        image[0x1f1] = sectors;
        image[0x202..0x206].copy_from_slice(b"HdrS");
        image[0x248..0x24c].copy_from_slice(&16_u32.to_le_bytes());
        let length = u32::try_from(payload.len() + 4).unwrap();
        image[0x24c..0x250].copy_from_slice(&length.to_le_bytes());
        image.extend(payload);
        image.extend([9; 4]);
        image.extend(*b"what follows");
        image
    }

    #[test]
    fn the_payload_is_found_and_its_size_cut_off() {
        for (magic, program) in [
            (&b"\x28\xb5\x2f\xfd!"[..], "zstd"),
            (b"\xfd7zXZ\0!", "xz"),
            (b"\x02\x21\x4c\x18!", "lz4"),
        ] {
            for sectors in [0, 4, 39] {
                let image = image(sectors, magic);
                let found = parse(&image).unwrap();
                assert_eq!(
                    found,
                    Payload {
                        bytes: magic,
                        program
                    }
                );
            }
        }
    }

    #[test]
    fn what_is_no_bzimage_is_an_error() {
        assert!(parse(b"").is_err());
        assert!(parse(&[0; 4096]).is_err());
        assert!(parse(&image(4, b"gzip, say")).is_err());
        let mut short = image(4, b"\x28\xb5\x2f\xfd!");
        short.truncate(short.len() - 20);
        assert!(parse(&short).is_err());
        let mut empty = image(4, b"");
        empty[0x24c] = 0;
        assert!(parse(&empty).is_err());
    }
}
