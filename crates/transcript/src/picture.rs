//! Pictures that came within a message, as base64: a transcript holds a number
//! for each, by which whoever shows it finds it in the payload again.

use serde_json::Value;

/// How the base64 of PNG, JPEG, GIF and WebP begins: what a browser shows without running anything in it.
const BEGINNINGS: [&str; 4] = ["iVBORw0KGgo", "/9j/", "R0lGOD", "UklGR"];
/// So deep JSON may be written within JSON.
const NESTED: usize = 3;

/// The number of a picture; `None` of what does not begin like one.
pub(crate) fn number(base64: &str) -> Option<u64> {
    let data = base64.trim();
    // FNV-1a: it tells the pictures of one run apart, and nobody is to be kept from making two alike.
    let step = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    begins(data).then(|| data.bytes().fold(0xcbf2_9ce4_8422_2325, step))
}

/// Whether a text is a picture, as a data URL or base64, by how it begins.
#[must_use]
pub fn is_picture(text: &str) -> bool {
    /// Shorter base64 is taken for a reference.
    const SHORTEST: usize = 128;
    text.starts_with("data:image/") || (text.len() > SHORTEST && begins(text.trim_start()))
}

fn begins(base64: &str) -> bool {
    BEGINNINGS.iter().any(|begin| base64.starts_with(begin))
}

/// The base64 of the picture of a number, wherever it stands in a payload.
#[must_use]
pub fn find(payload: &Value, wanted: u64) -> Option<String> {
    within(payload, wanted, NESTED)
}

fn within(value: &Value, wanted: u64, nested: usize) -> Option<String> {
    match value {
        Value::Array(items) => items.iter().find_map(|item| within(item, wanted, nested)),
        Value::Object(fields) => fields.values().find_map(|item| within(item, wanted, nested)),
        Value::String(text) => {
            let data = match text.strip_prefix("data:") {
                Some(rest) => rest.split_once(',').map_or("", |(_, data)| data),
                None => text,
            };
            if number(data) == Some(wanted) {
                return Some(data.trim().to_owned());
            }
            if nested == 0 || !text.trim_start().starts_with(['{', '[']) {
                return None;
            }
            let inner: Value = serde_json::from_str(text).ok()?;
            within(&inner, wanted, nested - 1)
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use assay_domain::Part;
    use serde_json::json;

    use super::*;

    #[test]
    fn what_a_message_shows_is_found_in_its_payload_and_nothing_else_is() {
        let png = format!("iVBORw0KGgo{}", "A".repeat(200));
        let jpeg = format!("/9j/{}", "B".repeat(200));
        let content = json!([
            { "type": "image_url", "image_url": { "url": format!("data:image/png;base64,{png}") } },
            { "type": "image", "source": { "type": "base64", "media_type": "image/jpeg", "data": jpeg } },
            { "type": "image_url", "image_url": { "url": "https://example.com/a.png" } },
            { "type": "image_url", "image_url": { "url": "data:text/html;base64,PHNjcmlwdD4=" } },
            { "type": "image_url", "image_url": { "url": "data:image/svg+xml;base64,PHN2ZyBvbmxvYWQ9Ii8+" } },
            { "type": "image_url", "image_url": { "url": "data:image/png,iVBORw0KGgo" } },
        ]);
        let payload = json!({ "messages": [{ "role": "user", "content": content }] });
        let messages = crate::messages(&payload);
        let numbers: Vec<Option<u64>> = messages[0]
            .parts
            .iter()
            .map(|part| match part {
                Part::Media { picture, .. } => *picture,
                other => panic!("{other:?}"),
            })
            .collect();
        let found = |payload: &Value| -> Vec<Option<String>> {
            numbers.iter().map(|number| number.and_then(|number| find(payload, number))).collect()
        };
        let expected = [Some(png), Some(jpeg), None, None, None, None];
        assert_eq!(found(&payload), expected);
        assert_eq!(found(&json!({ "prompt": payload.to_string() })), expected, "also in JSON within JSON");
        assert_eq!(find(&payload, 7), None);
    }
}
