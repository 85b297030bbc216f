//! What of a model is nobody else's business.

use super::{Model, Password};

/// Stands for a secret; as long as the longest password.
const HIDDEN: &str = "********";

impl Model {
    /// The same with asterisks for every password and key. Names of key files stay.
    #[must_use]
    pub fn without_secrets(mut self) -> Self {
        for instance in &mut self.instances {
            if let Some(authentication) = &mut instance.authentication {
                authentication.password = Password::new(HIDDEN.as_bytes());
            }
            for key in instance.auth_hmac.iter_mut().flat_map(|hmac| &mut hmac.keys) {
                if !key.value.starts_with("file:") {
                    key.value = HIDDEN.into();
                }
            }
        }
        for authentication in self.bfd_instances.iter_mut().filter_map(|bfd| bfd.authentication.as_mut()) {
            if !authentication.value.starts_with("file:") {
                authentication.value = HIDDEN.into();
            }
        }
        if let Some(password) = self.ssl.as_mut().and_then(|ssl| ssl.password.as_mut()) {
            *password = HIDDEN.into();
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use crate::{AnyMachine, LoadOptions, Memory, load, print};

    #[test]
    fn no_secret_is_left_in_text_or_json() {
        let key = "0123456789abcdef0123456789abcdef";
        let text = format!(
            "vrrp_instance A {{\n interface eth0\n virtual_router_id 7\n version 2\n authentication {{\n \
             auth_type PASS\n auth_pass sesame\n }}\n virtual_ipaddress {{\n 192.0.2.1\n }}\n}}\n\
             vrrp_instance B {{\n interface eth0\n virtual_router_id 8\n version 3\n auth_hmac {{\n \
             key 1 {key}\n active_key 1\n }}\n virtual_ipaddress {{\n 192.0.2.2\n }}\n}}\n\
             SSL {{\n password sesame\n}}\nbfd_instance C {{\n neighbor_ip 192.0.2.9\n \
             authentication keyed_sha1 1 sesame\n}}\n"
        );
        let source = Memory::new().file("a.conf", text);
        let model = load(&source, "a.conf".as_ref(), &AnyMachine, &LoadOptions::default()).model;
        let shown = |model: &crate::Model| print(model) + &serde_json::to_string(model).unwrap();
        let before = shown(&model);
        assert!(before.contains("sesame") && before.contains(key), "{before}");
        let after = shown(&model.without_secrets());
        for secret in ["sesame", key] {
            assert!(!after.contains(secret), "{secret}: {after}");
        }
        assert!(after.contains("auth_pass ********"), "{after}");
        assert!(after.contains("authentication keyed_sha1 1 ********"), "{after}");
    }
}
