//! Policies of keys: who may do what with one, beside what roles and grants say. What they allow,
//! `Context::key` asks.

use crate::crypto::hash::sha256_hex;
use crate::kms::{Context, policies};
use crate::model::action::Action;
use crate::model::error::{Error, Result};
use crate::model::key::{Key, KeyRef};
use crate::model::policy::Fact;
use crate::store::Write;

/// What the one policy of a key is called.
const THE_POLICY: &str = "default";

/// What a key's policy shall be.
#[derive(Clone, Debug)]
pub struct NewPolicy {
    /// The document.
    pub document: String,
    /// Whether it may lock out who puts it.
    pub may_lock_out: bool,
}

/// Reads a key, and the document of its policy if it has one.
///
/// # Errors
/// [`Error::KeyNotFound`].
pub async fn show(cx: &mut Context, key: &KeyRef) -> Result<(Key, Option<String>)> {
    if cx.action() == Action::GetResourcePolicy {
        cx.asked().tell(Fact::PolicyName, THE_POLICY);
    }
    let key = cx.key(key).await?;
    let document = cx.policy_text(&key).await?;
    Ok((key, document))
}

/// Replaces a key's policy.
///
/// # Errors
/// As [`fit`].
pub async fn put(cx: &mut Context, key: &KeyRef, policy: NewPolicy) -> Result<()> {
    cx.asked().tell(Fact::PolicyName, THE_POLICY);
    tell(cx, &policy);
    let mut key = cx.key(key).await?;
    fit(cx, &mut key, &policy).await?;
    cx.note(format!(
        "policy {}",
        key.policy_digest.as_deref().unwrap_or("none")
    ));
    cx.save(&mut key).await?;
    write(cx, &key, policy);
    Ok(())
}

/// Says whether the policy may lock its caller out.
pub(super) fn tell(cx: &mut Context, policy: &NewPolicy) {
    cx.asked()
        .tell(Fact::BypassLockoutCheck, policy.may_lock_out.to_string());
}

/// Lets a key say which policy it has, if that can be read and does not lock the caller out.
///
/// # Errors
/// [`Error::MalformedPolicy`], [`Error::PolicyTooLarge`].
pub(super) async fn fit(cx: &Context, key: &mut Key, policy: &NewPolicy) -> Result<()> {
    let parsed = policies::parse(&policy.document)?;
    let stays = policy.may_lock_out
        || cx
            .would_allow(&parsed, key, Action::PutResourcePolicy)
            .await?;
    if !stays {
        return Err(Error::MalformedPolicy(
            "The new key policy will not allow you to update the key policy in the future.".into(),
        ));
    }
    key.policy_digest = Some(sha256_hex(policy.document.as_bytes()));
    Ok(())
}

/// Keeps the document to be stored with the key.
pub(super) fn write(cx: &mut Context, key: &Key, policy: NewPolicy) {
    cx.write(Write::PutResourcePolicy {
        key: Box::new(key.clone()),
        document: policy.document,
    });
}
