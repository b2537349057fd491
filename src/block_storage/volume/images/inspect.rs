//! What the first bytes of an image say that it is, and whether QEMU's program may open it: formats that can name other
//! files are looked at before anything follows those names. The rules are those of Cinder after OSSA-2024-001.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

/// Bytes at the beginning that tell the format.
const HEADER: usize = 512;
/// Most bytes of the descriptor of a VMDK image, as in QEMU.
const DESCRIPTOR: u64 = (1 << 20) - 1;
/// The place of that descriptor.
const DESCRIPTOR_AT: u64 = 512;
/// The footer of a VMDK image wins over its header, and is not looked at.
const FOOTER: u64 = u64::MAX;
/// Features of qcow2 that are known and name no other file: dirty, corrupt, compression type.
const QCOW2_FEATURES: u64 = 0b1011;
/// The feature of qcow2 that puts the data into another file.
const QCOW2_DATA_FILE: u64 = 0b100;

/// The format of an image, by QEMU's name.
///
/// # Errors
/// Why it must not be opened.
pub(super) fn format(file: &File, vmdk_types: &[String]) -> Result<&'static str, String> {
    let unreadable = |error: io::Error| format!("it can not be read: {error}");
    let header = read(file, 0, HEADER).map_err(unreadable)?;
    if header.starts_with(b"QFI\xfb") {
        return qcow2(&header).map(|()| "qcow2");
    }
    if header.starts_with(b"QED\0") {
        return Err("QED images are not taken".to_owned());
    }
    if header.starts_with(b"KDMV") {
        return vmdk(file, &header, vmdk_types).map(|()| "vmdk");
    }
    if header.starts_with(b"conectix") {
        return Ok("vpc");
    }
    if header.starts_with(b"vhdxfile") {
        return Ok("vhdx");
    }
    if little(&header, 0x40, 4) == Some(0xbeda_107f) {
        return Ok("vdi");
    }
    Ok("raw")
}

fn qcow2(header: &[u8]) -> Result<(), String> {
    let (Some(version), Some(backing)) = (big(header, 4, 4), big(header, 8, 8)) else {
        return Err("its header is cut off".to_owned());
    };
    if backing != 0 {
        return Err("it has a backing file".to_owned());
    }
    if version < 3 {
        return Ok(());
    }
    let features = big(header, 72, 8).ok_or("its header is cut off")?;
    if features & QCOW2_DATA_FILE != 0 {
        return Err("A qcow2 format image is not allowed to have a data file".to_owned());
    }
    if features & !QCOW2_FEATURES != 0 {
        return Err(format!("it has unknown features: {features:#x}"));
    }
    Ok(())
}

fn vmdk(file: &File, header: &[u8], types: &[String]) -> Result<(), String> {
    if types.is_empty() {
        return Err("Image is a VMDK, but no VMDK createType is allowed".to_owned());
    }
    let cut_off = || "its header is cut off".to_owned();
    let field = |at: usize, bytes: usize| little(header, at, bytes).ok_or_else(cut_off);
    if !(1..=3).contains(&field(4, 4)?) {
        return Err("it is of an unknown version".to_owned());
    }
    if field(56, 8)? == FOOTER {
        return Err("Unsupported VMDK footer".to_owned());
    }
    let (at, bytes) = (field(28, 8)?.saturating_mul(512), field(36, 8)?.saturating_mul(512).min(DESCRIPTOR));
    if at != DESCRIPTOR_AT {
        return Err("Wrong descriptor location".to_owned());
    }
    let length = usize::try_from(bytes).unwrap_or(0);
    let bytes = read(file, at, length).map_err(|error| format!("it can not be read: {error}"))?;
    if bytes.len() < length {
        return Err("its descriptor is cut off".to_owned());
    }
    let end = bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
    let text = std::str::from_utf8(bytes.get(..end).unwrap_or_default()).ok().filter(|text| text.is_ascii());
    descriptor(text.ok_or("its descriptor is no text")?, types)
}

/// Every line must be understood, and no extent may lie in a folder.
fn descriptor(text: &str, types: &[String]) -> Result<(), String> {
    let mut extents = 0;
    let mut kind = None;
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let lower = line.to_ascii_lowercase();
        let assigned = line.split_once('=').filter(|(name, _)| !name.contains(' '));
        match assigned {
            _ if lower.starts_with("ddb") => {}
            Some((name, value)) if name.eq_ignore_ascii_case("createtype") => kind = Some(value.trim_matches('"')),
            Some(_) => {}
            None if ["rw", "rdonly", "noaccess"].contains(&lower.split(' ').next().unwrap_or_default()) => {
                if line.contains('/') {
                    return Err("an extent of it lies elsewhere".to_owned());
                }
                extents += 1;
            }
            None => return Err("Invalid VMDK descriptor data".to_owned()),
        }
    }
    if extents == 0 {
        return Err("it has no extents".to_owned());
    }
    let kind = kind.ok_or("Unable to determine VMDK createType")?;
    if types.iter().any(|known| known == kind) { Ok(()) } else { Err("Invalid VMDK create-type specified".to_owned()) }
}

/// At most `length` bytes at `at`.
fn read(file: &File, at: u64, length: usize) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; length];
    let mut filled = 0;
    while let Some(rest) = bytes.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        match file.read_at(rest, at + filled as u64) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    bytes.truncate(filled);
    Ok(bytes)
}

fn big(bytes: &[u8], at: usize, length: usize) -> Option<u64> {
    let field = bytes.get(at..at.checked_add(length)?)?;
    Some(field.iter().fold(0, |value, byte| value << 8 | u64::from(*byte)))
}

fn little(bytes: &[u8], at: usize, length: usize) -> Option<u64> {
    let field = bytes.get(at..at.checked_add(length)?)?;
    Some(field.iter().rev().fold(0, |value, byte| value << 8 | u64::from(*byte)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    fn file(bytes: &[u8]) -> File {
        let path = std::env::temp_dir().join(format!("hearth-inspect-{}", uuid::Uuid::new_v4()));
        File::create(&path).unwrap().write_all(bytes).unwrap();
        let file = File::open(&path).unwrap();
        std::fs::remove_file(path).unwrap();
        file
    }

    fn look(bytes: &[u8]) -> Result<&'static str, String> {
        format(&file(bytes), &["monolithicSparse".to_owned()])
    }

    fn qcow2(change: impl Fn(&mut [u8])) -> Vec<u8> {
        let mut bytes = vec![0; 512];
        bytes[..4].copy_from_slice(b"QFI\xfb");
        bytes[7] = 3;
        change(&mut bytes);
        bytes
    }

    #[test]
    fn qcow2_that_names_other_files_or_has_unknown_features_is_refused() {
        assert_eq!(look(&qcow2(|_| {})), Ok("qcow2"));
        assert_eq!(look(&qcow2(|bytes| bytes[79] = 0b1011)), Ok("qcow2"));
        assert!(look(&qcow2(|bytes| bytes[15] = 1)).unwrap_err().contains("backing"));
        assert!(look(&qcow2(|bytes| bytes[79] = 0b100)).unwrap_err().contains("data file"));
        assert!(look(&qcow2(|bytes| bytes[79] = 0b1_0000)).unwrap_err().contains("unknown"));
        assert!(look(&qcow2(|bytes| bytes[72] = 1)).unwrap_err().contains("unknown"));
        let old = qcow2(|bytes| (bytes[7], bytes[72]) = (2, 0xe2));
        assert_eq!(look(&old), Ok("qcow2"), "version 2 knows no features");
        assert!(look(b"QFI\xfb\0\0").unwrap_err().contains("cut off"));
    }

    fn vmdk(text: &str) -> Vec<u8> {
        let mut bytes = vec![0; 1024];
        bytes[..4].copy_from_slice(b"KDMV");
        (bytes[4], bytes[28], bytes[36]) = (1, 1, 1);
        bytes[512..512 + text.len()].copy_from_slice(text.as_bytes());
        bytes
    }

    #[test]
    fn vmdk_of_one_file_is_taken_and_everything_else_refused() {
        let good = "# Disk DescriptorFile\nversion=1\ncreateType=\"monolithicSparse\"\nRW 9 SPARSE \"a.vmdk\"\nddb.x = \"1\"\n";
        assert_eq!(look(&vmdk(good)), Ok("vmdk"));
        for (from, to, why) in [
            ("monolithicSparse", "monolithicFlat", "create-type"),
            ("a.vmdk", "/etc/passwd", "elsewhere"),
            ("version=1", "what is this", "Invalid"),
            ("RW 9 SPARSE \"a.vmdk\"\n", "", "extents"),
            ("createType=\"monolithicSparse\"\n", "", "determine"),
        ] {
            let told = look(&vmdk(&good.replace(from, to))).unwrap_err();
            assert!(told.contains(why), "{told}");
        }
        let mut footer = vmdk(good);
        footer[56..64].fill(0xff);
        assert!(look(&footer).unwrap_err().contains("footer"));
        assert!(format(&file(&vmdk(good)), &[]).unwrap_err().contains("no VMDK"));
    }

    #[test]
    fn other_formats_are_known_by_their_marks_and_the_rest_is_raw() {
        assert_eq!(look(b"conectix"), Ok("vpc"));
        assert_eq!(look(b"vhdxfile"), Ok("vhdx"));
        let mut vdi = vec![0; 512];
        vdi[0x40..0x44].copy_from_slice(&0xbeda_107f_u32.to_le_bytes());
        assert_eq!(look(&vdi), Ok("vdi"));
        assert!(look(b"QED\0").is_err());
        for raw in [&b""[..], b"LUKS\xba\xbe", &[0; 600]] {
            assert_eq!(look(raw), Ok("raw"));
        }
    }
}
