//! What `tgtadm --mode target --op show` prints. Not here: what is done with it.

use std::path::PathBuf;

/// A target of the daemon.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Shown {
    pub(super) tid: u32,
    pub(super) iqn: String,
    /// What its first unit serves.
    pub(super) path: Option<PathBuf>,
    /// The users that it lets in.
    pub(super) accounts: Vec<String>,
    /// Whether it lets hosts in from anywhere.
    pub(super) is_open: bool,
}

/// A part of what is printed of a target.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    Other,
    Unit(u32),
    Accounts,
    Addresses,
}

/// The targets in the order of their numbers.
pub(super) fn parse(text: &str) -> Vec<Shown> {
    let mut found: Vec<Shown> = Vec::new();
    let mut part = Part::Other;
    for line in text.lines() {
        if let Some((tid, iqn)) = line.strip_prefix("Target ").and_then(|rest| rest.split_once(": ")) {
            found.push(Shown { tid: tid.parse().unwrap_or(0), iqn: iqn.trim().to_owned(), ..Shown::default() });
            part = Part::Other;
            continue;
        }
        let Some(target) = found.last_mut() else { continue };
        let word = line.trim();
        if let Some(number) = word.strip_prefix("LUN: ") {
            part = number.parse().map_or(Part::Other, Part::Unit);
        } else if line.starts_with("    ") && !line.starts_with("     ") {
            part = match word {
                "Account information:" => Part::Accounts,
                "ACL information:" => Part::Addresses,
                _ => Part::Other,
            };
        } else {
            match part {
                Part::Unit(1) => {
                    let path = word.strip_prefix("Backing store path: ").filter(|path| *path != "None");
                    target.path = path.map(PathBuf::from).or(target.path.take());
                }
                Part::Accounts if !word.is_empty() => {
                    target.accounts.push(word.trim_end_matches(" (outgoing)").to_owned());
                }
                Part::Addresses => target.is_open |= word == "ALL",
                _ => {}
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As tgtadm 1.0.85 prints it, with a session, without some lines of no interest.
    const TEXT: &str = "\
Target 1: iqn.2010-10.org.openstack:volume-a
    System information:
        Driver: iscsi
        State: ready
    I_T nexus information:
        I_T nexus: 3
            Initiator: iqn.2008-11.org.linux-kvm alias: none
            Connection: 0
                IP Address: 127.0.0.1
    LUN information:
        LUN: 0
            Type: controller
            Backing store path: None
            Backing store flags: 
        LUN: 1
            Type: disk
            SCSI ID: IET     00010001
            Size: 67 MB, Block size: 512
            Backing store type: rdwr
            Backing store path: /srv/volumes/volume-a
            Backing store flags: 
    Account information:
        4d0b9f7e6c1f2d3e4a5b
    ACL information:
        ALL
Target 7: iqn.2010-10.org.openstack:volume-b
    System information:
        Driver: iscsi
        State: ready
    I_T nexus information:
    LUN information:
        LUN: 0
            Type: controller
            Backing store path: None
    Account information:
    ACL information:
";

    #[test]
    fn targets_are_found_with_what_they_serve_and_to_whom() {
        let expected = [
            Shown {
                tid: 1,
                iqn: "iqn.2010-10.org.openstack:volume-a".to_owned(),
                path: Some(PathBuf::from("/srv/volumes/volume-a")),
                accounts: vec!["4d0b9f7e6c1f2d3e4a5b".to_owned()],
                is_open: true,
            },
            Shown { tid: 7, iqn: "iqn.2010-10.org.openstack:volume-b".to_owned(), ..Shown::default() },
        ];
        assert_eq!(parse(TEXT), expected);
    }

    #[test]
    fn nothing_is_found_in_nothing() {
        assert_eq!(parse(""), []);
        assert_eq!(parse("something else\n    LUN: 1\n"), []);
    }
}
