//! Names that no row explains: misspelt ones, and those of the real Cinder that have no effect here. Not here: values,
//! which `load` checks.

use super::BACKEND_SECTION;
use super::load::{Assigned, Config, rows, same_section};
use super::sources::{Problem, Severity, Sources};
use crate::error::Result;

/// Sections and names of the options of the real Cinder, see the head of the file.
static CINDER_OPTIONS: &str = include_str!("cinder_options.txt");

/// Everything that is wrong with the configuration, worst first.
///
/// # Errors
/// `Invalid` where a file can not be read at all.
pub fn check(sources: &Sources) -> Result<Vec<Problem>> {
    let mut problems = Config::inspect(sources)?.problems().to_vec();
    problems.sort_by_key(|problem| std::cmp::Reverse(problem.severity));
    Ok(problems)
}

/// Reports names that no row explains. `backends` are the sections that `enabled_backends` names.
pub(super) fn names(assigned: &[Assigned], backends: &[String]) -> Vec<Problem> {
    assigned.iter().filter_map(|assigned| name(assigned, assigned.section.as_str(), backends)).collect()
}

fn name(assigned: &Assigned, section: &str, backends: &[String]) -> Option<Problem> {
    let backend = backends.iter().any(|backend| same_section(backend, section));
    let row_section = if backend { BACKEND_SECTION } else { section };
    let is_row = rows().any(|opt| {
        let names = std::iter::once((opt.section, opt.name)).chain(opt.deprecated.iter().copied());
        names.into_iter().any(|(section, name)| same_section(section, row_section) && name == assigned.name)
    });
    if is_row {
        return None;
    }
    let problem = |severity, text| Some(Problem { severity, origin: assigned.origin.clone(), text });
    let title = format!("[{section}] {}", assigned.name);
    if cinder_names(row_section).any(|name| name == assigned.name) {
        return problem(Severity::Note, format!("{title} is known to Cinder, without effect here"));
    }
    let known_section =
        rows().any(|opt| same_section(opt.section, row_section)) || cinder_names(row_section).next().is_some();
    if !known_section {
        let candidates = cinder_names(BACKEND_SECTION).chain(rows().map(|opt| opt.name));
        let of_backend = candidates.into_iter().any(|name| name == assigned.name);
        let reason = if of_backend { "enabled_backends does not name it" } else { "no such section is read" };
        return problem(Severity::Warning, format!("{title} has no effect: {reason}"));
    }
    let elsewhere = rows().find(|opt| opt.name == assigned.name).map(|opt| opt.section);
    let hint = match (elsewhere, nearest(&assigned.name, row_section)) {
        (Some(section), _) => format!("; an option of that name is in [{section}]"),
        (None, Some(name)) => format!("; did you mean {name}?"),
        (None, None) => String::new(),
    };
    problem(Severity::Warning, format!("{title} is no option{hint}"))
}

/// The names that the real Cinder knows in a section.
fn cinder_names(section: &str) -> impl Iterator<Item = &'static str> {
    let mut inside = false;
    let lines = CINDER_OPTIONS.lines().filter(move |line| match line.strip_prefix('[') {
        Some(title) => {
            inside = title.strip_suffix(']').is_some_and(|title| same_section(title, section));
            false
        }
        None => inside && !line.starts_with('#'),
    });
    lines.flat_map(str::split_whitespace)
}

/// The name of a row or of a Cinder option in `section` that is a few letters away, if there is one.
fn nearest(name: &str, section: &str) -> Option<&'static str> {
    let own = rows().filter(|opt| same_section(opt.section, section)).map(|opt| opt.name);
    let near = own.chain(cinder_names(section)).map(|candidate| (distance(name, candidate), candidate));
    let (distance, candidate) = near.min_by_key(|(distance, _)| *distance)?;
    (distance <= 1 + name.len() / 6).then_some(candidate)
}

/// Letters to insert, delete or replace between two names.
fn distance(one: &str, other: &str) -> usize {
    let other: Vec<char> = other.chars().collect();
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (i, letter) in one.chars().enumerate() {
        let mut next = Vec::with_capacity(row.len());
        next.push(i + 1);
        for ((pair, candidate), left) in row.windows(2).zip(&other).zip(0..) {
            let &[diagonal, above] = pair else { continue };
            let inserted: usize = next.get(left).copied().unwrap_or(usize::MAX - 1) + 1;
            next.push(inserted.min(above + 1).min(diagonal + usize::from(*candidate != letter)));
        }
        row = next;
    }
    row.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problems(text: &str) -> Vec<String> {
        let config = Config::from_text(text).unwrap();
        config.problems().iter().map(ToString::to_string).collect()
    }

    #[test]
    fn misspelt_names_are_told_from_those_of_the_real_cinder() {
        let text = "[DEFAULT]\nosapi_max_limits = 5\nwsgi_keep_alive = true\nqqqqqq=1\n[database]\ndebug = true\n";
        assert_eq!(
            problems(text),
            [
                "text:2: warning: [DEFAULT] osapi_max_limits is no option; did you mean osapi_max_limit?",
                "text:3: note: [DEFAULT] wsgi_keep_alive is known to Cinder, without effect here",
                "text:4: warning: [DEFAULT] qqqqqq is no option",
                "text:6: warning: [database] debug is no option; an option of that name is in [DEFAULT]",
            ]
        );
    }

    #[test]
    fn sections_of_backends_hold_what_backends_take_and_others_have_no_effect() {
        let text = "enabled_backends = one\n[one]\nvolume_backend_name = x\nnfs_mount_point_base = /m\nvolume_drivr = f\n\
                    [two]\nvolume_driver = file\n[three]\nx = y\n";
        assert_eq!(
            problems(text),
            [
                "text:4: note: [one] nfs_mount_point_base is known to Cinder, without effect here",
                "text:5: warning: [one] volume_drivr is no option; did you mean volume_driver?",
                "text:7: warning: [two] volume_driver has no effect: enabled_backends does not name it",
                "text:9: warning: [three] x has no effect: no such section is read",
            ]
        );
    }

    #[test]
    fn distance_counts_single_letters() {
        assert_eq!(distance("debug", "debug"), 0);
        assert_eq!(distance("debgu", "debug"), 2);
        assert_eq!(distance("", "ab"), 2);
        assert_eq!(distance("hst", "host"), 1);
    }
}
