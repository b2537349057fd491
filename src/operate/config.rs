//! `hearth config show|sample|check`: the configuration as this process sees it, every option with its meaning, and what
//! is wrong with the files.

use std::io::{self, Write};

use crate::config::{self, ALL, BACKEND_SECTION, Config, Opt, Origin, Severity, Sources};
use crate::error::Result;

/// Prints what the files and the environment set, and with `all` the defaults too: section by section, each value with
/// where it comes from. Secrets are shown as `****`.
///
/// # Errors
/// `Invalid` where the configuration can not be used; `Internal` where the output can not be written.
pub fn show(sources: &Sources, all: bool, out: &mut dyn Write) -> Result<()> {
    let config = Config::load(sources)?;
    written(print_values(&config, all, out))
}

fn print_values(config: &Config, all: bool, out: &mut dyn Write) -> io::Result<()> {
    if config.files().is_empty() {
        writeln!(out, "# no file is read: none is named, and none of {} exists", Sources::DEFAULT_FILES.join(", "))?;
    }
    for section in sections() {
        let rows: Vec<&Opt> = rows(section).filter(|opt| all || *config.origin(opt) != Origin::Default).collect();
        print_section(out, section, rows.iter().map(|opt| (*opt, config.shown(opt), config.origin(opt))))?;
    }
    for backend in config.list(&config::backend::ENABLED_BACKENDS) {
        print_section(out, backend, config.shown_in(backend).into_iter())?;
    }
    Ok(())
}

fn print_section<'a>(
    out: &mut dyn Write,
    section: &str,
    rows: impl Iterator<Item = (&'a Opt, Vec<String>, &'a Origin)>,
) -> io::Result<()> {
    let mut rows = rows.peekable();
    if rows.peek().is_some() {
        writeln!(out, "[{section}]")?;
    }
    for (opt, values, origin) in rows {
        if values.is_empty() {
            writeln!(out, "# {} is not set ({origin})", opt.name)?;
        }
        for value in values {
            writeln!(out, "{} = {}  # {origin}", opt.name, value.replace('\n', "\n  "))?;
        }
    }
    Ok(())
}

/// Prints a file that holds every option as a comment: what it is for, what it may hold, its default.
///
/// # Errors
/// `Internal` where the output can not be written.
pub fn sample(out: &mut dyn Write) -> Result<()> {
    written(print_sample(out))
}

fn print_sample(out: &mut dyn Write) -> io::Result<()> {
    writeln!(
        out,
        "# Options of Hearth. Those outside of [hearth] and [hearth_*] have the names that Cinder gives them."
    )?;
    for section in sections() {
        writeln!(out, "\n[{section}]")?;
        if section == BACKEND_SECTION {
            writeln!(out, "# What follows may stand in the section of each backend too, which goes before.")?;
        }
        for opt in rows(section) {
            writeln!(out)?;
            for line in wrapped(opt.help) {
                writeln!(out, "# {line}")?;
            }
            let reload = if opt.reload { "; read again on SIGHUP" } else { "" };
            writeln!(out, "# Holds {}{reload}.", opt.kind.allowed())?;
            for (section, name) in opt.deprecated {
                writeln!(out, "# Was called [{section}] {name}.")?;
            }
            match (opt.computed, opt.default) {
                (Some(_), _) => writeln!(out, "#{} = <this machine's>", opt.name)?,
                (None, default) => writeln!(out, "#{} = {default}", opt.name)?,
            }
        }
    }
    Ok(())
}

/// Prints what is wrong with the configuration, worst first. Whether it can be used.
///
/// # Errors
/// `Invalid` where a file can not be read; `Internal` where the output can not be written.
pub fn check(sources: &Sources, out: &mut dyn Write) -> Result<bool> {
    let problems = config::check(sources)?;
    for problem in &problems {
        written(writeln!(out, "{problem}"))?;
    }
    let count = |severity| problems.iter().filter(|problem| problem.severity == severity).count();
    let (errors, warnings) = (count(Severity::Error), count(Severity::Warning));
    written(writeln!(out, "{errors} errors, {warnings} warnings, {} notes", count(Severity::Note)))?;
    Ok(errors == 0)
}

/// The sections in the order of the rows, each once.
fn sections() -> Vec<&'static str> {
    let mut sections = Vec::new();
    for opt in ALL.iter().copied().flatten() {
        if !sections.contains(&opt.section) {
            sections.push(opt.section);
        }
    }
    sections
}

fn rows(section: &str) -> impl Iterator<Item = &'static Opt> {
    ALL.iter().copied().flatten().filter(move |opt| opt.section == section)
}

/// The words of a text in lines that fit a screen.
pub(super) fn wrapped(text: &str) -> Vec<String> {
    const WIDTH: usize = 100;
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.is_empty() || line.len() + word.len() < WIDTH => {
                if !line.is_empty() {
                    line.push(' ');
                }
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

/// A command whose reader went away has said what was asked for.
pub(super) fn written(result: io::Result<()>) -> Result<()> {
    match result {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(crate::Error::internal(error)),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(write: impl FnOnce(&mut Vec<u8>) -> io::Result<()>) -> String {
        let mut out = Vec::new();
        write(&mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn values_are_shown_with_their_origin_and_secrets_are_not() {
        let config =
            "host = one\nenabled_backends = a\n[a]\nvolume_driver = lvm\n[database]\nconnection = mysql://u:geheim@h/d";
        let config = Config::from_text(config).unwrap();
        let shown = text(|out| print_values(&config, false, out));
        assert_eq!(
            shown,
            "[DEFAULT]\nhost = one  # text:1\nenabled_backends = a  # text:2\n[database]\nconnection = ****  # text:6\n\
             [a]\nvolume_driver = lvm  # text:4\n"
        );
        let all = text(|out| print_values(&config, true, out));
        assert!(all.contains("osapi_max_limit = 1000  # default\n") && !all.contains("geheim"));
    }

    #[test]
    fn the_sample_is_a_file_that_sets_nothing_and_becomes_all_defaults_when_its_options_are_uncommented() {
        let sample = text(|out| print_sample(out));
        let config = Config::from_text(&sample).unwrap();
        assert_eq!(config.problems(), []);
        let set: String = sample
            .lines()
            .map(|line| {
                match line.strip_prefix('#').filter(|rest| rest.starts_with(|c: char| c.is_ascii_lowercase())) {
                    Some(rest) if !rest.contains("<this machine's>") => format!("{rest}\n"),
                    _ => format!("{line}\n"),
                }
            })
            .collect();
        let set = Config::from_text(&set).unwrap();
        assert_eq!(set.problems(), []);
        assert!(set.changes(&config).is_empty());
        assert_eq!(sample.matches("\n#").count(), sample.lines().filter(|line| line.starts_with('#')).count() - 1);
    }
}
