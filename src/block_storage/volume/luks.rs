//! Encrypting content anew, by QEMU's program, in the form that hosts find when they attach a volume: LUKS of version 1, whose
//! passphrase is the key in hexadecimal digits. Nothing that is readable is ever written. Not here: whose key that is
//! (`work/recode.rs`).

use std::fs::File;
use std::os::unix::fs::{FileExt, FileTypeExt};
use std::time::Duration;

use rustix::fs::{SeekFrom, seek};
use rustix::io::Errno;

use super::drivers::content::{nameless, path_of};
use super::drivers::{Content, Driver, Format};
use super::qemu::{QEMU_IMG, bytes, convert, ended, fill, secret_file};
use crate::block_storage::model::encryption::TypeEncryption;
use crate::error::{Error, Result};
use crate::service::exec::Program;

/// How the header begins, before two bytes of a version.
const MAGIC: &[u8; 6] = b"LUKS\xba\xbe";
/// Where it tells in which sector the content begins.
const CONTENT_AT: usize = 104;
const SECTOR: u64 = 512;
/// Milliseconds that whoever opens the volume works on the passphrase. It is a key of its own, which nobody guesses.
const ITERATIONS_MS: &str = "100";
/// What cryptsetup takes where a type names no cipher or no size.
const DEFAULT: (&str, i64) = ("aes-xts-plain64", 256);

/// How one side is encrypted.
pub(super) struct Cover {
    /// As the type says.
    pub(super) encryption: TypeEncryption,
    /// The key's bytes.
    pub(super) key: Vec<u8>,
}

impl Cover {
    fn passphrase(&self) -> Result<File> {
        let digits: String = self.key.iter().map(|byte| format!("{byte:02x}")).collect();
        secret_file(digits.as_bytes())
    }

    /// Refuses what only a host could do.
    fn check(&self) -> Result<()> {
        let TypeEncryption { provider, control_location, .. } = &self.encryption;
        if self.encryption.is_written_here() {
            return Ok(());
        }
        Err(refused(format!("no content is encrypted or decrypted here for provider {provider}, {control_location}")))
    }
}

/// A disk that is to be encrypted: a file that was looked at, and holds nothing that leads to other files.
pub(super) struct Disk<'a> {
    pub(super) file: &'a File,
    /// QEMU's name of its format.
    pub(super) format: &'a str,
    /// The size of the disk in it.
    pub(super) bytes: u64,
    /// With what it is encrypted itself.
    pub(super) cover: Option<&'a Cover>,
}

/// Encrypts a disk into `raw`, which has the length of a volume of this size and holds zeros. What is beyond the disk stays as it is:
/// nobody has ever written there.
///
/// # Errors
/// `Invalid` where the disk does not fit beside the header, `Unavailable` where the storage or the program fails.
pub(super) fn encrypt(disk: &Disk<'_>, cover: &Cover, (raw, size_gib): (&File, i64), timeout: Duration) -> Result<()> {
    cover.check()?;
    let (secret, total) = (cover.passphrase()?, bytes(size_gib)?);
    let object = format!("secret,id=new,file={}", path_of(&secret).display());
    let room = total.saturating_sub(make(raw, total, cover, &object)?);
    let below = layer("file.", disk.file)?;
    let to = format!("driver=luks,key-secret=new,{}", layer("file.", raw)?);
    let program = convert(timeout).args(["-U", "--object", &object]);
    let Some(old) = disk.cover else {
        check_room(disk.bytes, room)?;
        let from = format!("driver={},{below}", disk.format);
        return ended(program.args(["--image-opts", &from, "--target-image-opts", &to]));
    };
    old.check()?;
    let before = header(disk.file)?.ok_or_else(|| refused("it holds no header of LUKS, although it has a key"))?;
    check_room(disk.bytes.saturating_sub(before), room)?;
    let secret = old.passphrase()?;
    let program = program.args(["--object", &format!("secret,id=old,file={}", path_of(&secret).display())]);
    let from = format!("driver=luks,key-secret=old,{below}");
    ended(program.args(["--image-opts", &from, "--target-image-opts", &to]))
}

/// Refuses a disk that would have to be cut off.
fn check_room(bytes: u64, room: u64) -> Result<()> {
    if bytes <= room {
        return Ok(());
    }
    Err(Error::invalid(format!("A disk of {bytes} bytes does not fit beside the header of LUKS, which leaves {room}.")))
}

/// Makes the volume `name` with the content of another one that is encrypted otherwise; `None`: not at all.
///
/// # Errors
/// `Unavailable` where the content does not fit beside the header, is not what it should be, or the storage fails.
pub(super) fn recode(
    driver: &dyn Driver,
    (name, size_gib): (&str, i64),
    content: &Content,
    (old, new): (Option<&Cover>, Option<&Cover>),
    timeout: Duration,
) -> Result<Format> {
    if Source::of(content, old)?.is_none() {
        // No host has ever written to it: the first one that attaches it makes the header.
        return driver.create_volume(name, size_gib);
    }
    fill(driver, name, size_gib, &|raw| pour((raw, size_gib), content, (old, new), timeout))
}

/// Writes content that is encrypted otherwise, or as it is where neither side is, into a raw file that has the length of a volume of
/// this size and holds zeros.
///
/// # Errors
/// As [`recode`].
pub(super) fn pour(
    (raw, size_gib): (&File, i64),
    content: &Content,
    (old, new): (Option<&Cover>, Option<&Cover>),
    timeout: Duration,
) -> Result<()> {
    let Some(source) = Source::of(content, old)? else { return Ok(()) };
    let total = bytes(size_gib)?;
    match new {
        None => {
            let from = source.options(0, source.length);
            let program = convert(timeout).args(["--target-is-zero", "-O", "raw"]).args(source.object());
            ended(program.args(["--image-opts", &from]).arg(path_of(raw)))
        }
        Some(new) => {
            new.check()?;
            let secret = new.passphrase()?;
            let object = format!("secret,id=new,file={}", path_of(&secret).display());
            let room = total.checked_sub(make(raw, total, new, &object)?).ok_or_else(|| refused("no room"))?;
            let length = source.length.min(room);
            source.check_end(length, timeout)?;
            let to = format!("driver=luks,key-secret=new,{}", layer("file.", raw)?);
            let program = convert(timeout).args(["--object", &object]).args(source.object());
            ended(program.args(["--image-opts", &source.options(0, length), "--target-image-opts", &to]))
        }
    }
}

/// Writes the header of an encrypted disk into a file; the bytes before its content.
fn make(raw: &File, total: u64, cover: &Cover, object: &str) -> Result<u64> {
    let options = format!("key-secret=new,{},iter-time={ITERATIONS_MS}", cipher(&cover.encryption)?);
    let program = Program::new(QEMU_IMG).args(["create", "-q", "-f", "luks", "--object", object, "-o", &options]);
    ended(program.arg(path_of(raw)).arg("512"))?;
    if raw.metadata().map_err(|error| failed(&error))?.is_file() {
        raw.set_len(total).map_err(|error| failed(&error))?;
    }
    header(raw)?.ok_or_else(|| refused("qemu-img made no header"))
}

/// The options of QEMU that are those of a type.
fn cipher(encryption: &TypeEncryption) -> Result<String> {
    let text = encryption.cipher.as_deref().filter(|text| !text.is_empty()).unwrap_or(DEFAULT.0);
    let bits = encryption.key_size.unwrap_or(DEFAULT.1);
    let unknown = || refused(format!("cipher {text} with {bits} bits is not known"));
    let mut words = text.splitn(3, '-');
    let (Some(name), Some(mode), Some(vector)) = (words.next(), words.next(), words.next()) else {
        return Err(unknown());
    };
    // This mode has two keys in one.
    let bits = if mode == "xts" { bits / 2 } else { bits };
    let plain = |word: &str| !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_alphanumeric());
    let vector = match vector.split_once(':') {
        Some((vector, hash)) if plain(vector) && plain(hash) => format!("{vector},ivgen-hash-alg={hash}"),
        None if plain(vector) => vector.to_owned(),
        _ => return Err(unknown()),
    };
    if !plain(name) || !plain(mode) {
        return Err(unknown());
    }
    Ok(format!("cipher-alg={name}-{bits},cipher-mode={mode},ivgen-alg={vector},hash-alg=sha256"))
}

/// What a volume holds for its user.
struct Source<'a> {
    file: &'a File,
    /// Bytes of it.
    length: u64,
    /// The passphrase, where it is encrypted.
    secret: Option<File>,
}

impl<'a> Source<'a> {
    /// `None` where the volume was never written to.
    fn of(content: &'a Content, cover: Option<&Cover>) -> Result<Option<Self>> {
        let file = &content.file;
        let Some(cover) = cover else {
            let whole = Self { file, length: content.bytes, secret: None };
            return Ok(Some(whole).filter(|_| has_data(file)));
        };
        match header(file)? {
            Some(before) => {
                cover.check()?;
                let length = content.bytes.checked_sub(before).ok_or_else(|| refused("the header is damaged"))?;
                Ok(Some(Self { file, length, secret: Some(cover.passphrase()?) }))
            }
            None if !has_data(file) => Ok(None),
            None => Err(refused("the volume holds no header of LUKS, although its type is encrypted")),
        }
    }

    fn object(&self) -> Vec<String> {
        let object =
            |file: &File| vec!["--object".to_owned(), format!("secret,id=old,file={}", path_of(file).display())];
        self.secret.as_ref().map(object).unwrap_or_default()
    }

    /// The part of it from `start` on, in QEMU's words.
    fn options(&self, start: u64, length: u64) -> String {
        let below = match &self.secret {
            // The file was opened before, so that its kind is known.
            Some(_) => {
                format!("file.driver=luks,file.key-secret=old,{}", layer("file.file.", self.file).unwrap_or_default())
            }
            None => layer("file.", self.file).unwrap_or_default(),
        };
        format!("driver=raw,offset={start},size={length},{below}")
    }

    /// Looks whether there are only zeros from `start` on, so that nothing is lost which has no room beside the header.
    fn check_end(&self, start: u64, timeout: Duration) -> Result<()> {
        if start >= self.length {
            return Ok(());
        }
        let end = nameless(&std::env::temp_dir())?;
        end.set_len(self.length - start).map_err(|error| failed(&error))?;
        let program = convert(timeout).args(["--target-is-zero", "-O", "raw"]).args(self.object());
        ended(program.args(["--image-opts", &self.options(start, self.length - start)]).arg(path_of(&end)))?;
        if has_data(&end) {
            let text = "The volume has no room for its encryption: its end is in use. Extend it first.";
            return Err(Error::unavailable(text, format!("{} bytes would not fit", self.length - start)));
        }
        Ok(())
    }
}

/// The layer of a file or a device, in QEMU's words.
fn layer(prefix: &str, file: &File) -> Result<String> {
    let kind = file.metadata().map_err(|error| failed(&error))?.file_type();
    let driver = if kind.is_block_device() { "host_device" } else { "file" };
    Ok(format!("{prefix}driver={driver},{prefix}filename={}", path_of(file).display()))
}

/// The bytes before the content of an encrypted disk; `None` where there is no header.
fn header(file: &File) -> Result<Option<u64>> {
    let mut head = [0; 592];
    file.read_exact_at(&mut head, 0).map_err(|error| failed(&error))?;
    if !head.starts_with(MAGIC) {
        return Ok(None);
    }
    if head.get(6..8) != Some(&[0, 1]) {
        return Err(refused("QEMU knows version 1 of LUKS alone"));
    }
    let sectors = head.get(CONTENT_AT..).and_then(|rest| rest.first_chunk::<4>()).copied().map(u32::from_be_bytes);
    Ok(sectors.map(|sectors| u64::from(sectors) * SECTOR))
}

/// Whether anything was ever written into a file. What does not know holes may hold anything.
fn has_data(file: &File) -> bool {
    !matches!(seek(file, SeekFrom::Data(0)), Err(Errno::NXIO))
}

fn refused(why: impl std::fmt::Display) -> Error {
    Error::unavailable("The content can not be encrypted anew.", why)
}

fn failed(error: &std::io::Error) -> Error {
    Error::unavailable("The backend's storage fails.", format!("can not read or write the content: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(provider: &str, text: Option<&str>, key_size: Option<i64>) -> TypeEncryption {
        TypeEncryption {
            id: String::new(),
            volume_type_id: String::new(),
            provider: provider.to_owned(),
            control_location: "front-end".to_owned(),
            cipher: text.map(str::to_owned),
            key_size,
            created_at: None,
            updated_at: None,
        }
    }

    #[test]
    fn a_cipher_is_told_to_qemu_in_its_words() {
        for (text, bits, expected) in [
            (None, None, "cipher-alg=aes-128,cipher-mode=xts,ivgen-alg=plain64,hash-alg=sha256"),
            (
                Some("aes-xts-plain64"),
                Some(512),
                "cipher-alg=aes-256,cipher-mode=xts,ivgen-alg=plain64,hash-alg=sha256",
            ),
            (
                Some("serpent-cbc-essiv:sha256"),
                Some(256),
                "cipher-alg=serpent-256,cipher-mode=cbc,ivgen-alg=essiv,ivgen-hash-alg=sha256,hash-alg=sha256",
            ),
        ] {
            assert_eq!(cipher(&of("luks", text, bits)).unwrap(), expected);
        }
        for text in ["aes", "aes-xts", "aes-xts-plain64,x=y", "aes-cbc-essiv:"] {
            assert!(cipher(&of("luks", Some(text), Some(256))).is_err(), "{text}");
        }
    }

    #[test]
    fn what_only_hosts_can_do_is_refused() {
        for (provider, taken) in [
            ("luks", true),
            ("nova.volume.encryptors.luks.LuksEncryptor", true),
            ("luks2", false),
            ("plain", false),
            ("", false),
        ] {
            let cover = Cover { encryption: of(provider, None, None), key: vec![1] };
            assert_eq!(cover.check().is_ok(), taken, "{provider}");
        }
    }
}
