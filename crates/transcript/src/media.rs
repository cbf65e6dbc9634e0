//! Images, sounds and files: kept by reference, their bytes never inline.
//!
//! A URL or file id is the reference itself; inline data becomes a short
//! descriptor with its type and size, so that no base64 reaches a prompt or a page.

use assay_domain::Part;
use assay_domain::transcript::MediaKind;
use serde_json::Value;

use crate::picture;

/// The media part that lives behind `source`: a URL, a data URL, base64 text or a file id.
pub(crate) fn part(kind: MediaKind, mime_type: Option<&str>, source: &str) -> Part {
    if let Some(rest) = source.strip_prefix("data:") {
        let (header, data) = rest.split_once(',').unwrap_or((rest, ""));
        let stated = header.split(';').next().filter(|mime| !mime.is_empty());
        return inline(kind, stated.or(mime_type), data, header.contains("base64"));
    }
    // The base64 of a JPEG begins like a path.
    let is_picture = source.len() > 128 && picture::number(source).is_some();
    let is_reference =
        !is_picture && (source.contains("://") || source.starts_with('/') || source.len() <= 128);
    if is_reference {
        let (mime_type, reference) = (mime_type.map(str::to_owned), source.to_owned());
        return Part::Media { kind, mime_type, reference, picture: None };
    }
    inline(kind, mime_type, source, true)
}

fn inline(kind: MediaKind, mime_type: Option<&str>, data: &str, is_base64: bool) -> Part {
    let bytes = if is_base64 { data.trim_end_matches('=').len() / 4 * 3 } else { data.len() };
    let kind_of_data = mime_type.unwrap_or("data");
    Part::Media {
        kind,
        mime_type: mime_type.map(str::to_owned),
        reference: format!("inline {kind_of_data}, about {bytes} bytes"),
        picture: if kind == MediaKind::Image && is_base64 { picture::number(data) } else { None },
    }
}

/// Reads the many ways in which vendors write a medium; `None` where nothing says where it is.
pub(crate) fn of(kind: MediaKind, value: &Value) -> Option<Part> {
    let mime = ["mime_type", "mimeType", "media_type", "mediaType", "format"]
        .into_iter()
        .find_map(|key| value.get(key)?.as_str());
    if let Some(text) = value.as_str() {
        return Some(part(kind, None, text));
    }
    const PLACES: [&str; 18] = [
        "url",
        "image_url",
        "base64",
        "data",
        "file_id",
        "fileId",
        "fileUri",
        "file_uri",
        "uri",
        "file_url",
        "file_data",
        "bytes",
        "image",
        "reference",
        "path",
        "filename",
        "name",
        "id",
    ];
    for key in PLACES {
        match value.get(key) {
            Some(Value::String(text)) if !text.is_empty() => {
                return Some(part(kind_of(kind, mime), mime, text));
            }
            Some(inner @ Value::Object(_)) => return of(kind, inner),
            _ => {}
        }
    }
    let source =
        ["source", "file", "input_audio", "audio", "inlineData", "inline_data", "fileData", "file_data"]
            .into_iter()
            .find_map(|key| value.get(key))?;
    of(kind_of(kind, mime), source)
}

/// A file whose type says that it is an image, a sound or a video is one.
fn kind_of(kind: MediaKind, mime_type: Option<&str>) -> MediaKind {
    match (kind, mime_type.and_then(|mime| mime.split('/').next())) {
        (MediaKind::File, Some("image")) => MediaKind::Image,
        (MediaKind::File, Some("audio")) => MediaKind::Audio,
        (MediaKind::File, Some("video")) => MediaKind::Video,
        _ => kind,
    }
}
