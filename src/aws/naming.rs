//! How AWS names things: ARNs, and the four ways to say which key.

use serde::{Deserialize, Deserializer};

use crate::kms::Context;
pub use crate::kms::policies::algorithm_name;
use crate::model::error::{Error, Result};
use crate::model::identity::Project;
use crate::model::ids::{AccountId, AliasName, KeyId, Region};
use crate::model::key::{Key, KeyRef};

/// The partition of every ARN made here.
const PARTITION: &str = "aws";

/// The ARN of a key: it never changes (contract, section 5).
pub fn key_arn(region: &Region, project: &Project, id: &KeyId) -> String {
    format!("arn:{PARTITION}:kms:{region}:{}:key/{id}", project.account)
}

/// The ARN of an alias, by its name without the prefix `alias/`.
pub fn alias_arn(region: &Region, project: &Project, name: &AliasName) -> String {
    format!(
        "arn:{PARTITION}:kms:{region}:{}:alias/{name}",
        project.account
    )
}

/// The ARN of a user of an account.
pub fn user_arn(account: &AccountId, name: &str) -> String {
    format!("arn:{PARTITION}:iam::{account}:user/{name}")
}

/// The ARN of an account.
pub fn root_arn(account: &AccountId) -> String {
    format!("arn:{PARTITION}:iam::{account}:root")
}

/// Whom a principal names: an account, and one of its users if it does not mean all of them. The
/// account alone may stand for its ARN.
///
/// # Errors
/// [`Error::BadArn`].
pub fn principal(text: &str) -> Result<(AccountId, Option<String>)> {
    let malformed = || Error::BadArn(format!("Invalid principal {text}"));
    if let Ok(account) = AccountId::parse(text) {
        return Ok((account, None));
    }
    let rest = text
        .strip_prefix("arn:")
        .and_then(|rest| rest.strip_prefix(PARTITION))
        .and_then(|rest| rest.strip_prefix(":iam::"))
        .ok_or_else(malformed)?;
    let (account, name) = rest.split_once(':').ok_or_else(malformed)?;
    let account = AccountId::parse(account).map_err(|_| malformed())?;
    match (name, name.strip_prefix("user/")) {
        ("root", _) => Ok((account, None)),
        (_, Some(name)) if !name.is_empty() => Ok((account, Some(name.to_owned()))),
        _ => Err(malformed()),
    }
}

/// The ARN of a key that the call holds.
///
/// # Errors
/// [`Error::NeedsProjectScope`], which a signature's caller never meets.
pub fn arn_of(cx: &Context, key: &Key) -> Result<String> {
    Ok(key_arn(&key.region, cx.owner_of(key)?, &key.id))
}

/// What a request says of which key it means.
#[derive(Clone, Debug)]
pub struct KeyName(pub String);

impl<'de> Deserialize<'de> for KeyName {
    fn deserialize<D: Deserializer<'de>>(from: D) -> std::result::Result<Self, D::Error> {
        String::deserialize(from).map(Self)
    }
}

impl KeyName {
    /// By id or key ARN: what calls that manage keys take.
    ///
    /// # Errors
    /// [`Error::NoKeyId`], [`Error::BadArn`], [`Error::OtherRegion`], [`Error::KeyNotFound`] for
    /// another account's.
    pub fn id(&self, cx: &Context) -> Result<KeyRef> {
        if let Some(rest) = self.0.strip_prefix("arn:") {
            return match self.resource(cx, rest)? {
                (account, "key", id) => self.by_account(account, id),
                _ => Err(Error::BadArn(format!(
                    "{} is an alias, and this operation takes none",
                    self.0
                ))),
            };
        }
        self.by_id(&self.0)
    }

    /// By id, key ARN, alias or alias ARN: what calls that use keys take.
    ///
    /// # Errors
    /// As [`Self::id`].
    pub fn any(&self, cx: &Context) -> Result<KeyRef> {
        if let Some(rest) = self.0.strip_prefix("arn:") {
            return match self.resource(cx, rest)? {
                (account, "key", id) => self.by_account(account, id),
                (None, _, name) => self.by_alias(name),
                // Aliases of other accounts open nothing.
                (Some(_), ..) => Err(Error::KeyNotFound),
            };
        }
        match self.0.strip_prefix("alias/") {
            Some(name) => self.by_alias(name),
            None => self.by_id(&self.0),
        }
    }

    fn by_id(&self, id: &str) -> Result<KeyRef> {
        KeyId::parse(id)
            .map(KeyRef::Id)
            .map_err(|_| Error::NoKeyId(self.0.clone()))
    }

    fn by_account(&self, account: Option<AccountId>, id: &str) -> Result<KeyRef> {
        Ok(match (account, self.by_id(id)?) {
            (Some(account), KeyRef::Id(id)) => KeyRef::Of(account, id),
            (_, own) => own,
        })
    }

    fn by_alias(&self, name: &str) -> Result<KeyRef> {
        AliasName::parse(name)
            .map(KeyRef::Alias)
            .map_err(|_| Error::NoKeyId(self.0.clone()))
    }

    /// Kind and name of what an ARN means, when it is in the call's region; with its account, when
    /// that is another than the caller's.
    fn resource<'a>(
        &self,
        cx: &Context,
        rest: &'a str,
    ) -> Result<(Option<AccountId>, &'a str, &'a str)> {
        let malformed = || Error::BadArn(format!("Invalid arn {}", self.0));
        let mut parts = rest.splitn(5, ':');
        let mut part = || parts.next().ok_or_else(malformed);
        let (partition, service, region, account, resource) =
            (part()?, part()?, part()?, part()?, part()?);
        let (kind, name) = resource
            .split_once('/')
            .filter(|(kind, _)| matches!(*kind, "key" | "alias"))
            .ok_or_else(malformed)?;
        if service != "kms" {
            return Err(malformed());
        }
        if partition != PARTITION || region != cx.region().as_str() {
            return Err(Error::OtherRegion(region.to_owned()));
        }
        let account = AccountId::parse(account).map_err(|_| malformed())?;
        let account =
            Some(account).filter(|account| cx.project().is_ok_and(|own| own.account != *account));
        Ok((account, kind, name))
    }
}

/// What an algorithm that AWS calls so is called in kmsd; the way back is [`algorithm_name`].
pub fn own_algorithm(name: &str) -> &str {
    match name {
        "SM2PKE" => "SM2_ENCRYPT",
        "SM2DSA" => "SM2DSA_SM3",
        other => other,
    }
}
