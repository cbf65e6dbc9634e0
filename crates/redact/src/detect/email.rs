//! E-mail addresses: around each `@`, as far as the characters allow.

/// Endings of files, which follow an `@` in names of images and packages.
const NO_DOMAINS: &[&str] = &[
    "png", "jpg", "jpeg", "gif", "svg", "webp", "ico", "css", "html", "json", "yaml", "yml", "js", "mjs",
    "ts", "tsx", "lock",
];

pub(super) fn find(text: &str, add: &mut impl FnMut(usize, usize)) {
    // In addresses of pages the sign is escaped.
    for (at, sign) in text.match_indices('@').chain(text.match_indices("%40")) {
        let (before, after) = (&text[..at], &text[at + sign.len()..]);
        let start = at
            - before.chars().rev().take(64).take_while(|c| is_local(*c)).map(char::len_utf8).sum::<usize>();
        let local = text[start..at].trim_start_matches(['.', '-', '\'', '+', '%']);
        let start = at - local.len();
        let Some(length) = domain(after) else { continue };
        if local.is_empty() || local.ends_with('.') || is_user_of_url(&text[..start]) {
            continue;
        }
        // An address of a repository, as `git clone` takes it.
        if local == "git" && after[length..].starts_with(':') {
            continue;
        }
        add(start, at + sign.len() + length);
    }
}

fn is_local(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '.' | '_' | '%' | '+' | '-' | '\'')
}

/// Bytes of the domain that a text begins with, if it does.
fn domain(text: &str) -> Option<usize> {
    let all = text.char_indices().take(253).find(|(_, c)| !(c.is_alphanumeric() || matches!(c, '.' | '-')));
    let end =
        all.map_or_else(|| text.char_indices().nth(253).map_or(text.len(), |(end, _)| end), |(end, _)| end);
    let domain = text[..end].trim_end_matches(['.', '-']);
    let mut labels: Vec<&str> = domain.split('.').collect();
    // A sentence may go on after the address without a space: `a@b.com.Then`.
    let is_sentence = |labels: &[&str]| match labels {
        [.., before, last] => last.starts_with(char::is_uppercase) && !before.contains(char::is_uppercase),
        _ => false,
    };
    while labels.len() > 2 && (!is_top(labels.last()?) || is_sentence(&labels)) {
        labels.pop();
    }
    let is_label = |label: &&str| {
        !label.is_empty() && label.len() <= 63 && !label.starts_with('-') && !label.ends_with('-')
    };
    let is_version =
        labels.len() > 2 && labels.iter().take(2).all(|label| label.chars().all(|c| c.is_ascii_digit()));
    if labels.len() < 2 || !labels.iter().all(is_label) || !is_top(labels.last()?) || is_version {
        return None;
    }
    Some(labels.iter().map(|label| label.len() + 1).sum::<usize>() - 1)
}

fn is_top(label: &str) -> bool {
    let length = label.chars().count();
    let is_name = (2..=24).contains(&length) && label.chars().all(char::is_alphabetic);
    (is_name || label.starts_with("xn--")) && !NO_DOMAINS.contains(&label.to_ascii_lowercase().as_str())
}

/// Whether what follows is the name in `https://name:password@host`, or its password.
fn is_user_of_url(before: &str) -> bool {
    let word_start = before.rfind(char::is_whitespace).map_or(0, |at| at + 1);
    before[word_start..].rfind("://").is_some_and(|at| !before[word_start + at + 3..].contains('/'))
}

#[cfg(test)]
mod tests {
    fn found(text: &str) -> Vec<&str> {
        let mut all = Vec::new();
        super::find(text, &mut |start, end| all.push(&text[start..end]));
        all
    }

    #[test]
    fn addresses_are_found_whole() {
        for address in [
            "a@b.de",
            "first.last+tag@mail.example.co.uk",
            "o'neil@example.com",
            "jürgen@müller.de",
            "x_y%z@163.com",
            "9@9.io",
        ] {
            assert_eq!(found(address), [address]);
            assert_eq!(found(&format!("mailto:{address}.")), [address]);
            assert_eq!(found(&format!("<{address}>, \"{address}\"")), [address, address]);
        }
        assert_eq!(found("write to a@b.com.Then wait"), ["a@b.com"]);
        assert_eq!(found("x=a@b.com&y=c@d.org"), ["a@b.com", "c@d.org"]);
        assert_eq!(found("?to=a%40b.com"), ["a%40b.com"]);
    }

    #[test]
    fn other_uses_of_the_sign_are_not() {
        for text in [
            "@property",
            "user@localhost",
            "logo@2x.png",
            "lodash@4.17.21",
            "pkg@1.2.3-beta.rc",
            "git@github.com:a/b.git",
            "https://user:pass@example.com/x",
            "price @ 3.50",
            "a@b",
            "@@",
            "",
            "a@.com",
            "a@-b.com",
        ] {
            assert_eq!(found(text), [""; 0], "{text}");
        }
    }
}
