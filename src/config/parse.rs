//! The text of one configuration file as oslo.config reads it: sections, `name = value` or `name: value`, lines that
//! go on when they begin with white space, comments by `#` or `;`. Not here: what an option means.

/// One assignment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Assignment {
    /// The section without brackets; `DEFAULT` before the first.
    pub(super) section: String,
    /// The name, with dashes turned to underscores.
    pub(super) name: String,
    /// The value; lines that go on are joined by line feeds.
    pub(super) value: String,
    /// The line on which the name is, from 1.
    pub(super) line: usize,
}

/// What a line does wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Fault {
    /// From 1.
    pub(super) line: usize,
    /// What is wrong and what is allowed, without what the line says: it may be half a secret.
    pub(super) text: String,
}

/// Reads all assignments. A fault does not end the reading, so that one check shows them all.
pub(super) fn parse(text: &str) -> (Vec<Assignment>, Vec<Fault>) {
    let mut assignments: Vec<Assignment> = Vec::new();
    let mut faults = Vec::new();
    let mut section = String::from("DEFAULT");
    // Whether the last assignment may go on in the next line.
    let mut open = false;
    for (index, raw) in text.lines().enumerate() {
        let line = index + 1;
        let content = raw.trim_end();
        let mut fault = |text: String| faults.push(Fault { line, text });
        if content.is_empty() {
            open = false;
        } else if content.starts_with([' ', '\t']) {
            match assignments.last_mut().filter(|_| open) {
                Some(last) => {
                    last.value.push('\n');
                    last.value.push_str(content.trim_start());
                }
                None => fault("begins with white space, but no value comes before it".to_owned()),
            }
        } else if let Some(rest) = content.strip_prefix('[') {
            open = false;
            match rest.strip_suffix(']') {
                Some(name) if !name.is_empty() => name.clone_into(&mut section),
                Some(_) => fault("a section needs a name between its brackets".to_owned()),
                None => fault("a section must end with ']'".to_owned()),
            }
        } else if content.starts_with(['#', ';']) {
            open = false;
        } else {
            open = false;
            match content.split_once(['=', ':']) {
                Some((name, _)) if name.trim().is_empty() => fault("a name is missing before the value".to_owned()),
                Some((name, value)) => {
                    open = true;
                    assignments.push(Assignment {
                        section: section.clone(),
                        name: name.trim().replace('-', "_"),
                        value: unquoted(value.trim()).to_owned(),
                        line,
                    });
                }
                None => fault("this is no assignment: neither '=' nor ':' is in it".to_owned()),
            }
        }
    }
    (assignments, faults)
}

/// The value without the quotation marks around it.
fn unquoted(value: &str) -> &str {
    ['"', '\''].into_iter().find_map(|mark| value.strip_prefix(mark)?.strip_suffix(mark)).unwrap_or(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(text: &str) -> Vec<(String, String, String)> {
        let (assignments, faults) = parse(text);
        assert_eq!(faults, []);
        assignments.into_iter().map(|a| (a.section, a.name, a.value)).collect()
    }

    fn row(section: &str, name: &str, value: &str) -> (String, String, String) {
        (section.to_owned(), name.to_owned(), value.to_owned())
    }

    #[test]
    fn equals_signs_and_colons_both_assign_and_the_first_of_them_counts() {
        let text = "a = 1\nb: x=y\nc=http://h:1/\n[s]\nd-e =\n";
        let expected = [
            row("DEFAULT", "a", "1"),
            row("DEFAULT", "b", "x=y"),
            row("DEFAULT", "c", "http://h:1/"),
            row("s", "d_e", ""),
        ];
        assert_eq!(pairs(text), expected);
    }

    #[test]
    fn indented_lines_go_on_until_a_blank_line_or_a_comment() {
        let text = "a = 1,\n  2,\n\t3\n# end\nb = x\n";
        assert_eq!(pairs(text), [row("DEFAULT", "a", "1,\n2,\n3"), row("DEFAULT", "b", "x")]);
        let (_, faults) = parse("a = 1\n\n  2\n");
        assert_eq!(faults.len(), 1);
        assert_eq!(faults[0].line, 3);
    }

    #[test]
    fn quotation_marks_around_a_value_are_taken_off_once_when_both_are_there() {
        let text = "a = \"x y\"\nb = 'it'\nc = \"half\nd = '\ne = ''";
        let expected = [("a", "x y"), ("b", "it"), ("c", "\"half"), ("d", "'"), ("e", "")];
        assert_eq!(pairs(text), expected.map(|(name, value)| row("DEFAULT", name, value)));
    }

    #[test]
    fn every_faulty_line_is_told_with_its_number() {
        let (assignments, faults) = parse("[open\n[]\nnonsense\n= 3\nok = 1\n");
        assert_eq!(assignments.len(), 1);
        assert_eq!(faults.iter().map(|fault| fault.line).collect::<Vec<_>>(), [1, 2, 3, 4]);
    }
}
