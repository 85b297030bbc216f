//! How adverts prove who sent them: the secrets themselves, also from key files.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use steadfast_config::model::{AuthHmac, AuthType, HmacKey, HmacMode, VrrpInstance};
use steadfast_kernel::file::beginning;
use steadfast_vrrp::config::{Authentication, Trailer};
use steadfast_wire::vrrp::{Key, TrailerKey};

/// Longest key file: the longest key, in text that may end a line.
const KEY_FILE_BYTES_MAX: u32 = 64 + 2;

/// Time window of a trailer where none is configured: this many intervals, within these seconds.
const WINDOW_INTERVALS: u64 = 3;
const WINDOW_SECONDS: std::ops::RangeInclusive<u64> = 5..=300;

/// What the instance needs, or why it cannot be had.
pub(super) fn authentication(instance: &VrrpInstance) -> Result<Authentication, Arc<str>> {
    if let Some(hmac) = &instance.auth_hmac {
        return trailer(instance, hmac).map(|trailer| Authentication::Trailer(Arc::new(trailer)));
    }
    Ok(match &instance.authentication {
        None => Authentication::None,
        Some(told) => match told.kind {
            AuthType::Password => Authentication::Password(told.password.octets()),
            AuthType::Header => Authentication::Header(Key::new(Box::new(told.password.octets()))),
        },
    })
}

fn trailer(instance: &VrrpInstance, hmac: &AuthHmac) -> Result<Trailer, Arc<str>> {
    let keys = hmac.keys.iter().map(key).collect::<Result<Vec<_>, _>>()?;
    let active = hmac.active_key.unwrap_or_default();
    let signs = hmac.mode != HmacMode::ReceiveOnly;
    if signs && !keys.iter().any(|key| key.id == active) {
        return Err("auth_hmac: active_key names none of the keys, so that no advert can be signed".into());
    }
    let interval = instance.advert_interval.duration().as_secs();
    let seconds = match hmac.time_window_seconds {
        0 => (interval * WINDOW_INTERVALS).clamp(*WINDOW_SECONDS.start(), *WINDOW_SECONDS.end()),
        configured => configured.into(),
    };
    Ok(Trailer {
        keys,
        active,
        required: hmac.mode == HmacMode::Enforce,
        signs,
        window: (!hmac.monotonic).then(|| Duration::from_secs(seconds)),
    })
}

fn key(key: &HmacKey) -> Result<TrailerKey, Arc<str>> {
    let octets = secret(key.id, &key.value).map_err(|error| format!("auth_hmac: {error}"))?;
    Ok(TrailerKey { id: key.id, key: Key::new(octets.into_boxed_slice()) })
}

/// The octets of a key that is text, digits or the name of a file.
pub(super) fn secret(id: u8, value: &str) -> Result<Vec<u8>, String> {
    match value.split_once(':') {
        Some(("hex", digits)) => {
            octets(digits).ok_or_else(|| format!("the digits of key {id} are not hexadecimal"))
        }
        Some(("file", path)) => {
            let mut octets = beginning(Path::new(path), KEY_FILE_BYTES_MAX)
                .map_err(|error| format!("key {id} cannot be read from '{path}': {error}"))?;
            let end = octets.iter().rposition(|octet| !matches!(octet, b'\r' | b'\n'));
            octets.truncate(end.map_or(0, |last| last + 1));
            Ok(octets)
        }
        _ => Ok(value.as_bytes().to_vec()),
    }
}

fn octets(digits: &str) -> Option<Vec<u8>> {
    let digit = |octet: &u8| char::from(*octet).to_digit(16);
    let (pairs, rest) = digits.as_bytes().as_chunks::<2>();
    let octets = pairs.iter().map(|[high, low]| u8::try_from(digit(high)? << 4 | digit(low)?).ok());
    if rest.is_empty() { octets.collect() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(value: &str) -> Result<TrailerKey, Arc<str>> {
        key(&HmacKey { id: 3, value: value.into() })
    }

    fn expected(octets: &[u8]) -> Result<TrailerKey, Arc<str>> {
        Ok(TrailerKey { id: 3, key: Key::new(octets.into()) })
    }

    #[test]
    fn keys_are_text_digits_or_files() {
        assert_eq!(written("plain text"), expected(b"plain text"));
        assert_eq!(written("hex:00fF10"), expected(&[0, 255, 16]));
        assert!(written("hex:0g").is_err() && written("hex:012").is_err());
        let path = std::env::temp_dir().join(format!("steadfast-key-{}", std::process::id()));
        std::fs::write(&path, "from a file\r\n").unwrap();
        let read = written(&format!("file:{}", path.display()));
        std::fs::remove_file(&path).unwrap();
        assert_eq!(read, expected(b"from a file"));
        assert!(
            written("file:/nonexistent").unwrap_err().contains("key 3 cannot be read from '/nonexistent'")
        );
    }
}
