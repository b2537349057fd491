//! Glance's refusals as errors of the domain, in the words of Cinder and of its Glance client.

use std::fmt::Display;

use super::session::Answer;
use crate::error::{Error, Kind};

/// Glance does not answer.
pub(super) fn unavailable(cause: impl Display) -> Error {
    Error::unavailable("The Image service is temporarily unavailable.", format!("Glance can not be asked: {cause}"))
}

/// There is no such image, as far as the caller may know.
pub(super) fn no_image(id: &str) -> Error {
    Error::not_found(format!("Image {id} could not be found."))
}

/// What is wrong with a question about an image.
pub(super) fn of_image(id: &str, answer: &Answer) -> Error {
    let cause = format!("Glance answers {}: {}", answer.status, words(answer));
    match answer.status {
        404 => no_image(id),
        401 | 403 => Error::forbidden(format!("Not authorized for image {id}.")).because(cause),
        400 => Error::invalid(words(answer)),
        409 => Error::conflict(words(answer)).because(cause),
        413 => Error::new(Kind::OverQuota, "Image quota exceeded").because(cause),
        _ => unavailable(cause),
    }
}

/// What is wrong with another question.
pub(super) fn refused(what: &str, answer: &Answer) -> Error {
    let cause = format!("it refuses to {what} with status {}: {}", answer.status, words(answer));
    match answer.status {
        404 => Error::not_found(words(answer)).because(cause),
        401 | 403 => Error::forbidden("Not authorized.").because(cause),
        400 => Error::invalid(words(answer)),
        _ => unavailable(cause),
    }
}

/// The sentence that Cinder's client makes of a refusal: the lines of the page without marks, each once.
pub(super) fn words(answer: &Answer) -> String {
    let text = String::from_utf8_lossy(&answer.body);
    let mut lines: Vec<String> = Vec::new();
    for line in text.lines() {
        let mut plain = String::new();
        let mut inside = false;
        for letter in line.trim().chars() {
            match letter {
                '<' => inside = true,
                '>' if inside => inside = false,
                _ if !inside => plain.push(letter),
                _ => {}
            }
        }
        if !plain.is_empty() && !lines.contains(&plain) && lines.len() < 10 {
            lines.push(plain.chars().take(300).collect());
        }
    }
    if lines.is_empty() { format!("HTTP {}", answer.status) } else { format!("HTTP {}", lines.join(": ")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_becomes_the_sentence_of_the_client() {
        let page = "<html>\n <head>\n  <title>403 Forbidden</title>\n </head>\n <body>\n  <h1>403 Forbidden</h1>\n  \
                    You are not authorized to complete publicize_image action.<br /><br />\n\n\n\n </body>\n</html>";
        let answer = Answer { status: 403, body: page.as_bytes().to_vec() };
        assert_eq!(words(&answer), "HTTP 403 Forbidden: You are not authorized to complete publicize_image action.");
        assert_eq!(words(&Answer { status: 500, body: Vec::new() }), "HTTP 500");
        assert_eq!(of_image("i", &answer).public(), "Not authorized for image i.");
    }
}
