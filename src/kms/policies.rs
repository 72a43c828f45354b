//! Policies of keys, from their text to what `model::policy` reads; and what they are asked.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use crate::json::Object;
use crate::limits::RESOURCE_POLICY_BYTES;
use crate::model::action::Action;
use crate::model::caller::Caller;
use crate::model::error::{Error, Result};
use crate::model::grant::GrantOperation;
use crate::model::policy::{
    Condition, Effect, Listed, Policy, Quantifier, Statement, Test, is_condition_key, parse_block,
};
use crate::model::spec::Origin;

/// Reads a document. What cannot be carried out is refused, never passed over: a condition that
/// nobody asks about would keep nobody out.
///
/// # Errors
/// [`Error::MalformedPolicy`], [`Error::PolicyTooLarge`].
pub fn parse(text: &str) -> Result<Policy> {
    if text.len() > RESOURCE_POLICY_BYTES {
        return Err(Error::PolicyTooLarge(RESOURCE_POLICY_BYTES));
    }
    let Object(members) = Object::parse(text.as_bytes()).map_err(Error::MalformedPolicy)?;
    only(&members, "the policy", &["Version", "Id", "Statement"])?;
    match members.get("Version") {
        None => {}
        Some(Value::String(version)) if matches!(version.as_str(), "2012-10-17" | "2008-10-17") => {
        }
        Some(_) => return malformed("Version must be 2012-10-17 or 2008-10-17"),
    }
    if members.get("Id").is_some_and(|id| !id.is_string()) {
        return malformed("Id must be a string");
    }
    let statements = match members.get("Statement") {
        Some(Value::Array(list)) if !list.is_empty() => list.iter().collect(),
        Some(one @ Value::Object(_)) => vec![one],
        _ => return malformed("Statement must hold at least one statement"),
    };
    let mut sids = std::collections::BTreeSet::new();
    let statements = statements
        .into_iter()
        .map(|one| {
            let Value::Object(members) = one else {
                return malformed("a statement must be an object");
            };
            if let Some(Value::String(sid)) = members.get("Sid")
                && !sids.insert(sid.clone())
            {
                return malformed("a Sid stands there twice");
            }
            statement(members)
        })
        .collect::<Result<_>>()?;
    Ok(Policy { statements })
}

fn malformed<T>(why: impl Into<String>) -> Result<T> {
    Err(Error::MalformedPolicy(why.into()))
}

fn only(members: &Map<String, Value>, what: &str, known: &[&str]) -> Result<()> {
    match members.keys().find(|name| !known.contains(&name.as_str())) {
        None => Ok(()),
        Some(name) => malformed(format!("{what} has no element {name}")),
    }
}

fn statement(members: &Map<String, Value>) -> Result<Statement> {
    const ELEMENTS: [&str; 8] = [
        "Sid",
        "Effect",
        "Principal",
        "NotPrincipal",
        "Action",
        "NotAction",
        "Resource",
        "Condition",
    ];
    only(members, "a statement", &ELEMENTS)?;
    if members.get("Sid").is_some_and(|sid| !sid.is_string()) {
        return malformed("Sid must be a string");
    }
    let effect = match members.get("Effect").and_then(Value::as_str) {
        Some("Allow") => Effect::Allow,
        Some("Deny") => Effect::Deny,
        _ => return malformed("Effect must be Allow or Deny"),
    };
    let principals = match (members.get("Principal"), members.get("NotPrincipal")) {
        (Some(listed), None) => Listed::In(principals(listed)?),
        (None, Some(listed)) => Listed::NotIn(principals(listed)?),
        _ => return malformed("a statement needs a Principal or a NotPrincipal"),
    };
    let actions = match (members.get("Action"), members.get("NotAction")) {
        (Some(listed), None) => Listed::In(actions(listed)?),
        (None, Some(listed)) => Listed::NotIn(actions(listed)?),
        // Without one it has no effect.
        (None, None) => Listed::In(Vec::new()),
        (Some(_), Some(_)) => {
            return malformed("a statement has an Action or a NotAction, not both");
        }
    };
    let resources = match members.get("Resource") {
        Some(listed) => texts(listed, "Resource")?,
        // Without one it has no effect.
        None => Vec::new(),
    };
    let conditions = match members.get("Condition") {
        None => Vec::new(),
        Some(Value::Object(operators)) => conditions(operators)?,
        Some(_) => return malformed("Condition must be an object"),
    };
    Ok(Statement {
        effect,
        principals,
        actions,
        resources,
        conditions,
    })
}

/// One text, or a list of some.
fn texts(value: &Value, what: &str) -> Result<Vec<String>> {
    let text = |value: &Value| match value {
        Value::String(text) => Ok(text.clone()),
        Value::Bool(flag) => Ok(flag.to_string()),
        Value::Number(number) => Ok(number.to_string()),
        _ => malformed(format!("{what} must be a string or a list of strings")),
    };
    match value {
        Value::Array(list) if !list.is_empty() => list.iter().map(text).collect(),
        Value::Array(_) => malformed(format!("{what} is empty")),
        one => Ok(vec![text(one)?]),
    }
}

fn principals(value: &Value) -> Result<Vec<String>> {
    let listed = match value {
        Value::String(all) if all == "*" => return Ok(vec!["*".into()]),
        Value::Object(kinds) => {
            only(kinds, "Principal", &["AWS"])?;
            match kinds.get("AWS") {
                Some(listed) => texts(listed, "Principal")?,
                None => return malformed("Principal names nobody"),
            }
        }
        _ => return malformed("Principal must be \"*\" or an object with the member AWS"),
    };
    let is_account = |text: &str| text.len() == 12 && text.bytes().all(|b| b.is_ascii_digit());
    let is_principal = |text: &str| {
        text == "*"
            || is_account(text)
            || text
                .strip_prefix("arn:aws:iam::")
                .and_then(|rest| rest.split_once(':'))
                .is_some_and(|(account, name)| {
                    let user = name.strip_prefix("user/");
                    is_account(account)
                        && (name == "root" || user.is_some_and(|user| !user.is_empty()))
                })
    };
    match listed.iter().find(|text| !is_principal(text)) {
        None => Ok(listed),
        Some(text) => malformed(format!(
            "the principal {text} is none that there could be here"
        )),
    }
}

fn actions(value: &Value) -> Result<Vec<String>> {
    let listed = texts(value, "Action")?;
    let is_action = |text: &String| {
        text == "*"
            || text.split_once(':').is_some_and(|(service, name)| {
                service.eq_ignore_ascii_case("kms") && !name.is_empty()
            })
    };
    match listed.iter().find(|text| !is_action(text)) {
        None => Ok(listed),
        Some(text) => malformed(format!("{text} is no action of KMS")),
    }
}

fn conditions(operators: &Map<String, Value>) -> Result<Vec<Condition>> {
    let mut all = Vec::new();
    for (operator, keys) in operators {
        let Value::Object(keys) = keys else {
            return malformed(format!("{operator} must be an object"));
        };
        for (key, values) in keys {
            let values = texts(values, key)?;
            all.push(condition(operator, key, values)?);
        }
    }
    Ok(all)
}

fn condition(operator: &str, key: &str, values: Vec<String>) -> Result<Condition> {
    if !is_condition_key(key) {
        return malformed(format!("the condition key {key} is not offered here"));
    }
    let (quantifier, rest) = match operator.split_once(':') {
        Some(("ForAnyValue", rest)) => (Quantifier::ForAnyValue, rest),
        Some(("ForAllValues", rest)) => (Quantifier::ForAllValues, rest),
        _ => (Quantifier::One, operator),
    };
    let (name, if_exists) = match rest.strip_suffix("IfExists") {
        Some(name) if name != "Null" => (name, true),
        _ => (rest, false),
    };
    let (test, negated) = match name {
        "StringEquals" => (Test::StringEquals, false),
        "StringNotEquals" => (Test::StringEquals, true),
        "StringEqualsIgnoreCase" => (Test::StringEqualsIgnoreCase, false),
        "StringNotEqualsIgnoreCase" => (Test::StringEqualsIgnoreCase, true),
        "StringLike" => (Test::StringLike, false),
        "StringNotLike" => (Test::StringLike, true),
        "Bool" => (Test::Bool, false),
        "Null" => (Test::Null, false),
        "NumericEquals" => (Test::NumericEquals, false),
        "NumericNotEquals" => (Test::NumericEquals, true),
        "NumericLessThan" => (Test::NumericLessThan, false),
        "NumericLessThanEquals" => (Test::NumericLessThanEquals, false),
        "NumericGreaterThan" => (Test::NumericGreaterThan, false),
        "NumericGreaterThanEquals" => (Test::NumericGreaterThanEquals, false),
        "IpAddress" => (Test::IpAddress, false),
        "NotIpAddress" => (Test::IpAddress, true),
        "ArnEquals" | "ArnLike" => (Test::ArnLike, false),
        "ArnNotEquals" | "ArnNotLike" => (Test::ArnLike, true),
        _ => {
            return malformed(format!(
                "the condition operator {operator} is not offered here"
            ));
        }
    };
    let is_fit = |value: &String| match test {
        Test::Bool | Test::Null => matches!(value.as_str(), "true" | "false"),
        Test::IpAddress => parse_block(value).is_some(),
        Test::NumericEquals
        | Test::NumericLessThan
        | Test::NumericLessThanEquals
        | Test::NumericGreaterThan
        | Test::NumericGreaterThanEquals => value.parse::<f64>().is_ok_and(f64::is_finite),
        _ => true,
    };
    match values.iter().find(|value| !is_fit(value)) {
        None => Ok(Condition {
            quantifier,
            test,
            negated,
            if_exists,
            key: key.to_owned(),
            values,
        }),
        Some(value) => malformed(format!("{value} is nothing that {operator} could ask for")),
    }
}

/// What policies call an action, or a part of it: what AWS's calls that do the same are called.
pub fn action_name(action: Action, part: Option<GrantOperation>) -> String {
    let name = match (part, action) {
        (Some(GrantOperation::EncryptDataKey), _) => "Encrypt",
        (Some(GrantOperation::DecryptDataKey), _) => "Decrypt",
        (Some(part), _) => part.name(),
        (None, Action::EncryptDataKey) => "Encrypt",
        (None, Action::DecryptDataKey | Action::DecryptDatakeyCapsule) => "Decrypt",
        (None, Action::CreateDatakeyCapsule) => "GenerateDataKey",
        (None, Action::RenameKey) => "UpdateKeyDescription",
        (None, Action::MoveAlias) => "UpdateAlias",
        (None, Action::DeleteAliases) => "DeleteAlias",
        (None, Action::CreateTag | Action::ChangeTags) => "TagResource",
        (None, Action::DeleteTag) => "UntagResource",
        (None, Action::ListTags) => "ListResourceTags",
        (None, Action::GetRotationStatus) => "GetKeyRotationStatus",
        (None, Action::UpdateRotationInterval) => "EnableKeyRotation",
        (None, Action::GetImportParameters) => "GetParametersForImport",
        (None, Action::DeleteKeyMaterial) => "DeleteImportedKeyMaterial",
        (None, Action::GetResourcePolicy) => "GetKeyPolicy",
        (None, Action::PutResourcePolicy) => "PutKeyPolicy",
        (None, Action::ListResourcePolicies) => "ListKeyPolicies",
        (None, other) => other.name(),
    };
    format!("kms:{name}")
}

/// The ARN of a caller: by the name of a user of ours, by the id of an outside authority's, which
/// chooses names as it likes. `None` for who belongs to another domain than their project.
pub fn caller_arn(caller: &Caller) -> Option<String> {
    let project = caller.project().filter(|own| own.domain == caller.domain)?;
    let name = match caller.authority() {
        "" => caller.user_name.as_str(),
        _ => caller.user.as_str(),
    };
    Some(format!("arn:aws:iam::{}:user/{name}", project.account))
}

/// What conditions may ask about a caller and an encryption context.
pub fn facts_of(
    caller: &Caller,
    pairs: &BTreeMap<String, String>,
) -> BTreeMap<String, Vec<String>> {
    let mut facts = BTreeMap::new();
    let mut tell = |key: &str, values: Vec<String>| facts.insert(key.to_owned(), values);
    if let Some(project) = caller.project() {
        tell("kms:calleraccount", vec![project.account.to_string()]);
        tell("aws:principalaccount", vec![project.account.to_string()]);
    }
    if let Some(arn) = caller_arn(caller) {
        tell("aws:principalarn", vec![arn]);
        tell("aws:username", vec![caller.user_name.to_string()]);
    }
    if let Some(address) = caller.address {
        tell("aws:sourceip", vec![address.to_canonical().to_string()]);
    }
    if !pairs.is_empty() {
        tell("kms:encryptioncontextkeys", pairs.keys().cloned().collect());
    }
    for (name, value) in pairs {
        let key = format!("kms:encryptioncontext:{}", name.to_ascii_lowercase());
        facts
            .entry(key)
            .or_insert_with(Vec::new)
            .push(value.clone());
    }
    facts
}

/// What policies call an origin.
pub const fn origin_name(origin: Origin) -> &'static str {
    match origin {
        Origin::Kms => "AWS_KMS",
        Origin::External => "EXTERNAL",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_carried_out_is_refused() {
        let with = |element: &str| {
            format!(
                r#"{{"Version":"2012-10-17","Statement":[{{"Effect":"Allow","Principal":{{"AWS":"*"}},"Action":"kms:*","Resource":"*"{element}}}]}}"#
            )
        };
        assert!(parse(&with("")).is_ok());
        for good in [
            r#","Sid":"with spaces""#,
            r#","Condition":{"StringEquals":{"kms:EncryptionContext:a":["b","c"]}}"#,
            r#","Condition":{"ForAllValues:StringLikeIfExists":{"kms:EncryptionContextKeys":"a*"}}"#,
            r#","Condition":{"Bool":{"kms:GrantIsForAWSResource":true}}"#,
            r#","Condition":{"NotIpAddress":{"aws:SourceIp":"10.0.0.0/8"}}"#,
            r#","Condition":{"Null":{"kms:ViaService":"true"}}"#,
        ] {
            assert!(parse(&with(good)).is_ok(), "{good}");
        }
        for bad in [
            r#","NotResource":"*""#,
            r#","Effect":"Deny""#,
            r#","NotAction":"kms:Decrypt""#,
            r#","NotPrincipal":{"AWS":"*"}"#,
            r#","Condition":{"StringEquals":{"kms:Unknown":"b"}}"#,
            r#","Condition":{"DateLessThan":{"aws:SourceIp":"b"}}"#,
            r#","Condition":{"IpAddress":{"aws:SourceIp":"10.0.0.0/33"}}"#,
            r#","Condition":{"Bool":{"kms:MultiRegion":"yes"}}"#,
            r#","Condition":{"StringEquals":{"kms:EncryptionContext:":"b"}}"#,
            r#","Condition":[]"#,
        ] {
            let refused = parse(&with(bad));
            assert!(matches!(refused, Err(Error::MalformedPolicy(_))), "{bad}");
        }
        for bad in [
            "",
            "[]",
            "{}",
            r#"{"Statement":[]}"#,
            r#"{"Version":"2020-01-01","Statement":[]}"#,
            r#"{"Statement":[{"Effect":"allow","Principal":"*"}]}"#,
            r#"{"Statement":[{"Effect":"Allow"}]}"#,
            r#"{"Statement":[{"Effect":"Allow","Principal":{"Service":"ec2.amazonaws.com"}}]}"#,
            r#"{"Statement":[{"Effect":"Allow","Principal":{"AWS":"bob"}}]}"#,
            r#"{"Statement":[{"Effect":"Allow","Principal":"*","Action":"s3:*"}]}"#,
        ] {
            assert!(
                matches!(parse(bad), Err(Error::MalformedPolicy(_))),
                "{bad}"
            );
        }
        let long = with(&format!(
            r#","Sid":"{}""#,
            "x".repeat(RESOURCE_POLICY_BYTES)
        ));
        assert_eq!(
            parse(&long),
            Err(Error::PolicyTooLarge(RESOURCE_POLICY_BYTES))
        );
    }
}
