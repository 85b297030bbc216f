//! Users and groups, each asked for once: a name service behind a network takes its time, and a configuration may
//! name one account 40,000 times.

use std::cell::RefCell;
use std::collections::BTreeMap;

use steadfast_config::model::Account;
use steadfast_kernel::process::user::{self, User};

/// What the name service said so far; an account about which it said nothing does not exist.
#[derive(Debug, Default)]
pub(super) struct Accounts {
    users: RefCell<BTreeMap<String, Option<User>>>,
    groups: RefCell<BTreeMap<String, Option<u32>>>,
}

impl Accounts {
    /// A user by name or number.
    pub(super) fn user(&self, name: &str) -> Option<User> {
        remembered(&self.users, name, || match name.parse() {
            Ok(uid) => user::lookup_uid(uid).ok().flatten(),
            Err(_) => user::lookup_user(name).ok().flatten(),
        })
    }

    /// A group by name or number. Numbers need not be those of a group that has a name.
    pub(super) fn group(&self, name: &str) -> Option<u32> {
        remembered(&self.groups, name, || {
            name.parse().ok().or_else(|| user::lookup_group(name).ok().flatten())
        })
    }

    /// User and group id of what runs under an account.
    pub(super) fn ids(&self, account: &Account) -> Option<(u32, u32)> {
        let user = self.user(&account.user)?;
        let gid = account.group.as_deref().map_or(Some(user.gid), |group| self.group(group))?;
        Some((user.uid, gid))
    }
}

#[cfg(test)]
impl Accounts {
    /// Whether nobody was asked for yet.
    pub(super) fn untouched(&self) -> bool {
        self.users.borrow().is_empty() && self.groups.borrow().is_empty()
    }
}

fn remembered<T: Clone>(
    known: &RefCell<BTreeMap<String, Option<T>>>,
    name: &str,
    ask: impl FnOnce() -> Option<T>,
) -> Option<T> {
    if let Some(answer) = known.borrow().get(name) {
        return answer.clone();
    }
    let answer = ask();
    known.borrow_mut().insert(name.to_owned(), answer.clone());
    answer
}

#[cfg(test)]
mod tests {
    use super::*;

    fn account(user: &str, group: Option<&str>) -> Account {
        Account { user: user.into(), group: group.map(Into::into), supplementary_groups: false }
    }

    #[test]
    fn accounts_are_found_by_name_and_by_number() {
        let accounts = Accounts::default();
        assert_eq!(accounts.ids(&account("root", None)), Some((0, 0)));
        assert_eq!(accounts.ids(&account("0", Some("root"))), Some((0, 0)));
        assert_eq!(accounts.ids(&account("root", Some("4242424"))), Some((0, 4_242_424)));
        assert_eq!(accounts.ids(&account("root", Some("no-such-group"))), None);
        assert_eq!(accounts.ids(&account("no-such-user", None)), None);
        assert_eq!(accounts.ids(&account("4242424", None)), None);
    }

    #[test]
    fn an_answer_is_remembered() {
        let known = RefCell::default();
        let mut asked = 0;
        for _ in 0..3 {
            let answer = remembered(&known, "name", || {
                asked += 1;
                None::<u32>
            });
            assert_eq!(answer, None);
        }
        assert_eq!(asked, 1, "that there is nobody is an answer, too");
    }
}
